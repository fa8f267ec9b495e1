"""``POST /machines/{m}/commands``, ``GET /commands/{id}``."""

from typing import Annotated

from fastapi import APIRouter, Header, Query

from cloud.commands import store
from cloud.commands.schemas import CommandPage, CommandView, NewCommand, view
from cloud.commands.service import CommandService, Fleet
from cloud.core.errors import Conflict, NotFound
from cloud.storage.unit_of_work import Database, Tx

IdempotencyKey = Annotated[
    str,
    Header(
        min_length=1,
        max_length=120,
        description="the same key again returns the first answer",
        pattern=r"^[\x21-\x7e]+$",
    ),
]


def router(service: CommandService, db: Database, fleet: Fleet) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["commands"])

    @routes.post("/machines/{machine}/commands", status_code=202)
    async def post_command(machine: str, command: NewCommand, idempotency_key: IdempotencyKey) -> CommandView:
        """Ask a machine for something. The answer tells that it will be sent; look at the command for its outcome."""
        fleet.hall_of(machine)

        def send(tx: Tx) -> CommandView:
            return _send(tx, service, machine, command, f"http:{idempotency_key}")

        return await db.write(send)

    @routes.get("/machines/{machine}/commands")
    async def get_commands(
        machine: str,
        cursor: Annotated[str | None, Query(max_length=120, pattern=r"^[a-z0-9_]+$")] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> CommandPage:
        """What was asked of a machine, newest first."""
        fleet.hall_of(machine)
        rows = await db.read(lambda conn: store.of_machine(conn, machine, cursor, limit))
        return CommandPage(items=[view(row) for row in rows], next=rows[-1].id if len(rows) == limit else None)

    @routes.get("/commands/{command_id}")
    async def get_command(command_id: str) -> CommandView:
        """One command and what came of it."""
        row = await db.read(lambda conn: store.by_id(conn, command_id))
        if row is None:
            raise NotFound(f"command {command_id[:120]!r}: no such command")
        return view(row)

    return routes


def _send(tx: Tx, service: CommandService, machine: str, command: NewCommand, key: str) -> CommandView:
    service.send(
        tx, machine, command.slot, command.name, command.args,
        start_in_s=command.start_in_s, run_for_s=command.run_for_s, key=key,
    )  # fmt: skip
    row = store.by_key(tx.conn, key)
    if row is None:
        raise NotFound(f"command with key {key}: gone while it was written")
    asked = (machine, command.slot, command.name, command.args)
    if (row.machine, row.slot, row.name, row.args) != asked:
        raise Conflict("Idempotency-Key: used before for another command; take a new key")
    return view(row)
