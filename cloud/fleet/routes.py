"""``/halls``, ``/halls/{hall}``, ``/machines``, ``/machines/{m}``."""

from collections import Counter
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Query

from cloud.core.callers import REACH
from cloud.core.errors import NotFound
from cloud.fleet import store
from cloud.fleet.model import Register
from cloud.fleet.schemas import (
    HallDetail,
    HallList,
    HallView,
    MachinePage,
    MachineSummary,
    MachineView,
    detail,
    summary,
)
from cloud.fleet.service import FleetService
from cloud.fleet.states import MachineState
from cloud.storage.unit_of_work import Database

Cursor = Annotated[str, Query(max_length=63, pattern=r"^[a-z0-9-]*$", description="`next` of the page before")]


def router(service: FleetService, db: Database) -> APIRouter:
    """The routes."""
    routes, register = APIRouter(tags=["fleet"]), service.register

    @routes.get("/halls")
    async def get_halls() -> HallList:
        """The halls of this cloud that the caller may see."""
        states, reach = await db.read(lambda conn: _states(conn, register)), REACH.get()
        return HallList(items=[_hall(register, hall, states) for hall in register.halls if hall in reach])

    @routes.get("/halls/{hall}")
    async def get_hall(hall: str) -> HallDetail:
        """One hall."""
        profile = register.hall(hall)
        states = await db.read(lambda conn: _states(conn, register))
        counts = Counter(states[machine.id].value for machine in profile.machines)
        return HallDetail(hall=profile, machines={state.value: counts[state.value] for state in MachineState})

    @routes.get("/machines")
    async def get_machines(
        hall: Annotated[str, Query(max_length=64)] = "",
        kind: Annotated[str, Query(max_length=40)] = "",
        state: MachineState | None = None,
        cursor: Cursor = "",
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> MachinePage:
        """Machines in order of their ids."""
        reach = REACH.get()
        if hall and hall not in reach:
            raise NotFound(f"hall {hall[:80]!r}: there is none with this id among yours")
        if hall:
            register.hall(hall)
        everything = await db.read(lambda conn: _summaries(conn, register))
        items = [
            item
            for item in everything
            if item.hall in reach
            and item.id > cursor
            and hall in ("", item.hall)
            and kind in ("", item.kind)
            and state in (None, item.state)
        ]
        return MachinePage(items=items[:limit], next=items[limit - 1].id if len(items) > limit else None)

    @routes.get("/machines/{machine}")
    async def get_machine(machine: str) -> MachineView:
        """One machine with its slots."""
        known = register.machine(machine)
        return await db.read(
            lambda conn: detail(known, store.read_machine(conn, machine), store.read_slots(conn, [machine]))
        )

    return routes


def _states(connection: sa.Connection, register: Register) -> dict[str, MachineState]:
    rows = store.read_machines(connection)
    return {
        machine: MachineState(rows[machine].state) if machine in rows else MachineState.NEVER_SEEN
        for machine in register.machines
    }


def _hall(register: Register, hall: str, states: dict[str, MachineState]) -> HallView:
    profile = register.hall(hall)
    return HallView(
        id=hall,
        name_zh=profile.name_zh,
        name_en=profile.name_en,
        machines=len(profile.machines),
        online=sum(states[machine.id] is MachineState.ONLINE for machine in profile.machines),
    )


def _summaries(connection: sa.Connection, register: Register) -> list[MachineSummary]:
    rows = store.read_machines(connection)
    slots: dict[str, list[sa.Row[tuple[object, ...]]]] = {}
    for slot in store.read_slots(connection, sorted(register.machines)):
        slots.setdefault(slot.machine, []).append(slot)
    return [
        summary(machine, rows.get(machine_id), slots.get(machine_id, ()))
        for machine_id, machine in sorted(register.machines.items())
    ]
