"""Which numbers a ticket machine may hand out, on which day, and what its screen offers."""

from collections.abc import Mapping

from cloud.core.clock import Clock, to_ms
from cloud.core.errors import Conflict
from cloud.queues.model import HallPlan
from cloud.queues.service.ports import DesiredWriter
from cloud.queues.store import leases, tickets
from cloud.storage.unit_of_work import Tx
from device_profiles.hall.numbers import next_block, parse_number, remaining
from device_profiles.messages.twin import DesiredAgent, ServiceOffer

BLOCK = 10
REFILL_BELOW = 5
STAFF = ""
"""The lease holder for tickets that staff issue."""
RETIRED = "-"
"""The lease holder of numbers that a machine may have handed out before it lost its memory; no machine id."""


class NumberLeases:
    """Leases blocks of numbers, one after another, and tells the machines through their desired twins."""

    def __init__(self, desired: DesiredWriter, item_names: Mapping[str, tuple[str, str]], clock: Clock) -> None:
        self._desired = desired
        self._item_names = item_names
        self._clock = clock

    def announce(self, tx: Tx, plan: HallPlan, machine: str, day: str) -> None:
        """Lease what the machine needs for this day and write its desired twin."""
        profile = plan.screens[machine]
        wanted = DesiredAgent(
            day=day,
            services=self._offers(tx, plan, machine, day) if profile.tickets else {},
            items={item: self._item_names.get(item, (item, item)) for item in profile.items},
        )
        patch = wanted.model_dump(mode="json", include={"day", "services", "items"})
        self._desired.set_desired(tx, machine, patch)

    def replace(self, tx: Tx, plan: HallPlan, machine: str, day: str) -> None:
        """The machine has forgotten which numbers it handed out: lease it others."""
        leases.retire(tx.conn, plan.profile.id, day, machine, RETIRED)
        self.announce(tx, plan, machine, day)

    def refill(self, tx: Tx, plan: HallPlan, machine: str, service: str, day: str) -> bool:
        """Lease another block of one service when the machine runs short; True when its twin changed."""
        if not self._lease_when_short(tx, plan.profile.id, machine, service, day):
            return False
        offers = self._offers(tx, plan, machine, day)
        patch = {name: offer.model_dump(mode="json") for name, offer in offers.items()}
        self._desired.set_desired(tx, machine, {"services": patch})
        return True

    def take_for_staff(self, tx: Tx, hall: str, service: str, day: str) -> int:
        """One number for a ticket that staff issue. Raises Conflict when the day's numbers are used up."""
        block = next_block(leases.blocks(tx.conn, hall, day, service), 1)
        if block is None:
            raise Conflict(f"service {service}: all numbers of {day} are used up")
        leases.add(tx.conn, hall, day, service, STAFF, block, to_ms(self._clock.now()))
        return block[0]

    def _offers(self, tx: Tx, plan: HallPlan, machine: str, day: str) -> dict[str, ServiceOffer]:
        offers = {}
        for service in plan.profile.services:
            self._lease_when_short(tx, plan.profile.id, machine, service.id, day)
            offers[service.id] = ServiceOffer(
                prefix=service.prefix,
                name_zh=service.name_zh,
                name_en=service.name_en,
                blocks=leases.blocks(tx.conn, plan.profile.id, day, service.id, machine),
            )
        return offers

    def _lease_when_short(self, tx: Tx, hall: str, machine: str, service: str, day: str) -> bool:
        held = leases.blocks(tx.conn, hall, day, service, machine)
        used = tickets.numbers_of(tx.conn, hall, day, service, machine)
        used_up_to = max((parse_number(number)[1] for number in used), default=0)
        if remaining(held, used_up_to) >= REFILL_BELOW:
            return False
        block = next_block(leases.blocks(tx.conn, hall, day, service), BLOCK)
        if block is None:
            return False  # the day's 9999 numbers are leased: the machine says so itself when it runs out
        leases.add(tx.conn, hall, day, service, machine, block, to_ms(self._clock.now()))
        return True
