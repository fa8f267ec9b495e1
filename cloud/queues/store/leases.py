"""Statements on the blocks of numbers leased to ticket machines."""

import sqlalchemy as sa

from cloud.queues.store.tables import number_leases
from device_profiles.hall.numbers import Block


def blocks(conn: sa.Connection, hall: str, day: str, service: str, machine: str | None = None) -> list[Block]:
    """The blocks of a service leased on a day: one machine's, or everybody's."""
    query = sa.select(number_leases.c.first, number_leases.c.last).where(
        number_leases.c.hall == hall, number_leases.c.day == day, number_leases.c.service == service
    )
    if machine is not None:
        query = query.where(number_leases.c.machine == machine)
    return [(row[0], row[1]) for row in conn.execute(query.order_by(number_leases.c.first))]


def retire(conn: sa.Connection, hall: str, day: str, machine: str, holder: str) -> None:
    """Give the machine's blocks of a day to ``holder``, who hands none out: those numbers never come again."""
    held = (number_leases.c.hall == hall) & (number_leases.c.day == day) & (number_leases.c.machine == machine)
    conn.execute(number_leases.update().where(held).values(machine=holder))


def add(conn: sa.Connection, hall: str, day: str, service: str, machine: str, block: Block, leased_ms: int) -> None:
    """Lease a block. The primary key refuses a block that starts where another one does."""
    conn.execute(
        number_leases.insert().values(
            hall=hall, day=day, service=service, first=block[0], last=block[1], machine=machine, leased_ms=leased_ms
        )
    )
