"""Which hall a request is about: looked up before the route sees it."""

from collections.abc import Callable, Mapping

from cloud.alerts import store as alerts
from cloud.app.rules import Of
from cloud.commands import store as commands
from cloud.core.errors import NotFound
from cloud.dispatch import store as proposals
from cloud.flows.store import cases
from cloud.queues.store import counters
from cloud.storage.reading import Connection
from cloud.wiring import Cloud

Halls = frozenset[str]
NONE: Halls = frozenset()


class HallFinder:
    """Knows where things stand."""

    def __init__(self, cloud: Cloud) -> None:
        self._db = cloud.db
        self._register = cloud.register
        self._queues = cloud.queues
        self._stored: Mapping[Of, Callable[[Connection, str], Halls]] = {
            Of.COUNTER: _of_counter,
            Of.TICKET: lambda conn, name: frozenset({self._queues.ticket(conn, name).hall}),
            Of.CASE: lambda conn, name: frozenset({cases.get(conn, name).case.hall}),
            Of.ALERT: lambda conn, name: frozenset({alerts.get(conn, name).hall}),
            Of.PROPOSAL: lambda conn, name: frozenset({proposals.get(conn, name).hall}),
            Of.COMMAND: self._of_command,
        }

    async def find(self, of: Of, name: str) -> Halls:
        """The halls that have such a thing: one; none when there is no such thing; several for a counter's short id."""
        if of is Of.HALL:
            return frozenset({name}) & self._register.halls.keys()
        if of in (Of.MACHINE, Of.SENT_MACHINE):
            return self._of_machine(name)
        look = self._stored[of]
        try:
            return await self._db.read(lambda conn: look(conn, name))
        except NotFound:
            return NONE

    def _of_machine(self, name: str) -> Halls:
        machine = self._register.find(name)
        return NONE if machine is None else frozenset({machine.hall})

    def _of_command(self, conn: Connection, name: str) -> Halls:
        command = commands.by_id(conn, name)
        return NONE if command is None else self._of_machine(command.machine)


def _of_counter(conn: Connection, name: str) -> Halls:
    hall, _, counter = name.rpartition(":")
    halls = frozenset(counters.halls_with(conn, counter))
    return halls & {hall} if hall else halls
