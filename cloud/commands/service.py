"""Asking machines to do things: ask once per key, know the outcome, or know that it is unknown."""

from collections.abc import Container, Mapping
from datetime import timedelta
from typing import Any, Protocol

from pydantic import ValidationError

from cloud.commands import store
from cloud.commands.states import TRANSITIONS, CommandState
from cloud.core.clock import Clock, from_ms, to_ms
from cloud.core.errors import Invalid, NotFound
from cloud.core.facts import Fact
from cloud.core.ids import new_id
from cloud.storage.tx import Tx
from device_profiles.capabilities import Capability
from device_profiles.capabilities.evidence import applies
from device_profiles.capabilities.model import Action, Effect
from device_profiles.messages.body import first_problem
from device_profiles.messages.command import CommandBody, Outcome, ReconciledBody, ResultBody
from device_profiles.messages.facts import FaultBody

ISSUED = "command.issued"
SETTLED = "command.settled"
DOUBTED = "command.doubted"  # its outcome is unknown, and somebody may have to look
CLEARED = "command.cleared"  # it is known after all
IN_DOUBT = FaultBody(code="outcome_unknown", action=Action.SUSPEND)
UNPROVED = FaultBody(code="outcome_unproved", action=Action.CLEAR)
GRACE_MS = 5_000  # a result that was made in time may still be on its way
MAX_START_IN_S = 7 * 86_400.0
MAX_RUN_FOR_S = 3_600.0


class Fleet(Protocol):
    """What commands need to know of machines."""

    def capability(self, machine: str, slot: str) -> Capability:
        """What the peripheral in this slot can do. Raises NotFound."""
        ...

    def hall_of(self, machine: str) -> str:
        """The hall that a machine stands in."""
        ...


class CommandService:
    """The use cases of commands, each inside the caller's transaction."""

    def __init__(self, fleet: Fleet, clock: Clock) -> None:
        self._fleet = fleet
        self._clock = clock

    def send(
        self,
        tx: Tx,
        machine: str,
        slot: str,
        name: str,
        args: Mapping[str, Any],
        *,
        start_in_s: float,
        run_for_s: float,
        key: str,
        flow_id: str | None = None,
    ) -> str:
        """Ask a machine for something; returns the command's id. The same ``key`` again returns the same id.

        The machine may begin within ``start_in_s`` and take ``run_for_s``. Raises NotFound (machine, slot) and Invalid
        (command, arguments, times).
        """
        known = store.by_key(tx.conn, key)
        if known is not None:
            return str(known.id)
        self.check(machine, slot, name, args)
        _check_times(start_in_s, run_for_s)
        command_id, now = new_id("cmd"), self._clock.now()
        start_by_ms = to_ms(now + timedelta(seconds=start_in_s))
        run_for_ms = round(run_for_s * 1000)
        row = {
            "id": command_id,
            "key": key,
            "machine": machine,
            "slot": slot,
            "name": name,
            "args": dict(args),
            "flow_id": flow_id,
            "state": CommandState.PENDING.value,
            "created_ms": to_ms(now),
            "start_by_ms": start_by_ms,
            "run_for_ms": run_for_ms,
            "deadline_ms": start_by_ms + run_for_ms + GRACE_MS,
        }
        store.add(tx.conn, row)
        data = {"command_id": command_id, "name": name, "flow_id": flow_id}
        tx.publish(Fact(ISSUED, now, data, machine, slot, self._fleet.hall_of(machine)))
        return command_id

    def check(self, machine: str, slot: str, name: str, args: Mapping[str, Any]) -> None:
        """Raises NotFound or Invalid when this slot cannot be asked for this."""
        capability = self._fleet.capability(machine, slot)
        command = capability.commands.get(name)
        if command is None:
            known = ", ".join(sorted(capability.commands)) or "no commands"
            raise Invalid(f"name: {capability.name} in slot {slot} knows {known}, got {name[:40]!r}")
        try:
            command.args.model_validate(dict(args))
        except ValidationError as error:
            raise Invalid(f"args of {capability.name}.{name}: {first_problem(error)}") from error

    def settle(self, tx: Tx, fact: Fact) -> None:
        """``command.finished``: the machine's word on a command. Raises NotFound for a command that is not its own."""
        result = ResultBody.model_validate(fact.data, extra="ignore")
        row = store.by_id(tx.conn, result.command_id)
        if row is None or row.machine != fact.machine:
            raise NotFound(f"command {result.command_id}: never sent to machine {fact.machine}")
        state = CommandState(result.outcome.value)
        if state not in TRANSITIONS[CommandState(row.state)]:
            return  # the same word again, or one that adds nothing
        error = None if result.error is None else result.error.model_dump(mode="json")
        self._settle(tx, row, state, result.output, error)

    def reconcile(self, tx: Tx, fact: Fact) -> None:
        """``command.reconciled``: what the device shows of a command whose outcome was unknown. Raises NotFound."""
        result = ReconciledBody.model_validate(fact.data, extra="ignore")
        row = store.by_id(tx.conn, result.command_id)
        if row is None or row.machine != fact.machine:
            raise NotFound(f"command {result.command_id}: never sent to machine {fact.machine}")
        if result.outcome is Outcome.UNKNOWN and row.state == CommandState.UNKNOWN:
            self._doubt(tx, row, UNPROVED)  # the machine's last word: a person has to look
        else:
            self.settle(tx, fact)

    def expire(self, tx: Tx) -> None:
        """Settle what ran out of time: never sent means expired, sent means unknown."""
        for row in store.overdue(tx.conn, to_ms(self._clock.now())):
            never_sent = row.state == CommandState.PENDING
            state = CommandState.EXPIRED if never_sent else CommandState.UNKNOWN
            detail = "the machine did not come online in time" if never_sent else "no result in time"
            error = {"code": f"command_{state}", "action": "clear", "detail": detail}
            self._settle(tx, row, state, {}, error)

    def claim(self, tx: Tx, online: Container[str], again: Container[str]) -> list[store.Row]:
        """Take what is to be sent now, and mark it sent: pending commands of machines that are ``online``, and sent
        ones of those in ``again`` (they announced themselves: a command that they know is answered, not repeated).
        """
        rows = [
            row
            for row in store.open_commands(tx.conn)
            if row.machine in online and (row.state == CommandState.PENDING or row.machine in again)
        ]
        store.mark_sent(tx.conn, [row.id for row in rows], to_ms(self._clock.now()))
        return rows

    def _settle(
        self,
        tx: Tx,
        row: store.Row,
        state: CommandState,
        output: Mapping[str, Any],
        error: Mapping[str, Any] | None,
    ) -> None:
        now = self._clock.now()
        values = {"state": state.value, "settled_ms": to_ms(now), "output": dict(output), "error": error}
        store.update(tx.conn, row.id, values)
        data = {
            "command_id": row.id,
            "name": row.name,
            "outcome": Outcome(state.value).value,
            "output": dict(output),
            "error": error,
            "flow_id": row.flow_id,
        }
        tx.publish(Fact(SETTLED, now, data, row.machine, row.slot, self._fleet.hall_of(row.machine)))
        if state is CommandState.UNKNOWN:
            self._doubt(tx, row, self._first_doubt(row))
        elif row.state == CommandState.UNKNOWN:
            self._tell(tx, CLEARED, row, {})

    def _first_doubt(self, row: store.Row) -> FaultBody | None:
        """Nobody has to look at what can be repeated; where there is evidence the machine looks first."""
        command = self._fleet.capability(row.machine, row.slot).commands.get(row.name)
        if command is None or command.effect is not Effect.ONCE:
            return None
        return IN_DOUBT if applies(command.evidence, command.args.model_validate(row.args).model_dump()) else UNPROVED

    def _doubt(self, tx: Tx, row: store.Row, fault: FaultBody | None) -> None:
        if fault is not None:
            self._tell(tx, DOUBTED, row, {"fault": fault.model_dump(mode="json")})

    def _tell(self, tx: Tx, what: str, row: store.Row, more: Mapping[str, Any]) -> None:
        data = {"command_id": row.id, "name": row.name, **more}
        tx.publish(Fact(what, self._clock.now(), data, row.machine, row.slot, self._fleet.hall_of(row.machine)))


def body_of(row: store.Row) -> CommandBody:
    """A stored command as it goes to the machine."""
    return CommandBody(
        command_id=row.id,
        name=row.name,
        args=row.args,
        start_by=from_ms(row.start_by_ms),
        run_for_s=row.run_for_ms / 1000,
        flow_id=row.flow_id,
    )


def _check_times(start_in_s: float, run_for_s: float) -> None:
    if not 0 < start_in_s <= MAX_START_IN_S:
        raise Invalid(f"start_in_s: expected more than 0 and at most {MAX_START_IN_S:.0f}, got {start_in_s}")
    if not 0 < run_for_s <= MAX_RUN_FOR_S:
        raise Invalid(f"run_for_s: expected more than 0 and at most {MAX_RUN_FOR_S:.0f}, got {run_for_s}")
