"""Vendor mode: drain, maintain, end; by command, by twin, by clock, over a restart."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from device_profiles.messages.twin import VendorWish
from edge_agent.errors import MachineBusy, SlotNotReady
from edge_agent.lease import Lease, LeaseState
from edge_agent.outbox.memory import MemoryOutbox
from edge_agent.vendor.mode import FACT, VendorMode
from edge_agent.vendor.states import TRANSITIONS, VendorState
from tests.edge_agent.fakes import Kept, VirtualClock, running, settle


class Slot:
    """Lends its port when a device is there."""

    name = "printer"

    def __init__(self) -> None:
        self.lent = ""
        self.present = True

    async def lend(self, work: Callable[[], Awaitable[None]], reason: str = "updating") -> None:
        if not self.present:
            raise SlotNotReady("printer", "absent", "no_device")
        self.lent = reason
        try:
            await work()
        finally:
            self.lent = ""


@dataclass
class House:
    """One life of the agent."""

    vendor: VendorMode
    lease: Lease
    slot: Slot
    outbox: MemoryOutbox
    clock: VirtualClock

    def told(self) -> list[str]:
        return [row.data["state"] for row in self.outbox.rows if row.type == FACT]


@asynccontextmanager
async def house(kept: Kept | None = None, clock: VirtualClock | None = None) -> AsyncIterator[House]:
    kept, clock = kept or Kept(), clock or VirtualClock()
    lease, slot, outbox = Lease(kept, clock), Slot(), MemoryOutbox()
    await lease.open()
    vendor = VendorMode(lease, [slot], outbox, kept, clock, lambda: None)
    await vendor.open()
    async with running(vendor.run, lease.run):
        yield House(vendor, lease, slot, outbox, clock)


def test_every_state_but_off_can_end() -> None:
    assert all(VendorState.OFF in TRANSITIONS[state].values() for state in VendorState if state is not VendorState.OFF)


async def test_drain_waits_for_the_citizen_then_the_slots_are_released_and_come_back() -> None:
    async with house() as found:
        await found.lease.begin("anna", 300)
        await found.vendor.drain(3600)
        assert found.vendor.state is VendorState.DRAINING
        with pytest.raises(MachineBusy):
            await found.lease.begin("bert", 300)
        found.lease.end("anna")
        await found.clock.until(lambda: found.vendor.state is VendorState.DRAINED)
        assert found.slot.lent == ""
        await found.vendor.maintain(3600, 5)
        await found.clock.until(lambda: found.slot.lent == "vendor_mode")
        await found.vendor.end()
        await found.clock.until(lambda: not found.slot.lent)
        assert found.lease.state is LeaseState.FREE
        assert found.told() == ["draining", "drained", "maintaining", "off"]


async def test_maintain_is_refused_while_a_citizen_is_served_and_changes_nothing() -> None:
    async with house() as found:
        await found.lease.begin("anna", 300)
        asked = asyncio.ensure_future(found.vendor.maintain(3600, 10))
        await found.clock.until(asked.done)
        with pytest.raises(MachineBusy, match="citizen"):
            await asked
        assert found.vendor.state is VendorState.OFF
        assert found.lease.serving == {"anna"}


async def test_a_technician_at_the_machine_may_force_it() -> None:
    async with house() as found:
        await found.lease.begin("anna", 300)
        await found.vendor.maintain(3600, 10, force=True)
        assert found.vendor.state is VendorState.MAINTAINING


async def test_it_ends_by_its_clock() -> None:
    async with house() as found:
        await found.vendor.maintain(60, 5)
        await found.clock.until(lambda: found.vendor.state is VendorState.OFF)
        assert found.outbox.rows[-1].data["by"] == "expired"


async def test_a_restart_goes_on_with_it_until_its_clock_runs_out() -> None:
    kept, clock = Kept(), VirtualClock()
    async with house(kept, clock) as found:
        await found.vendor.maintain(60, 5)
    async with house(kept, clock) as found:
        await clock.until(lambda: found.slot.lent == "vendor_mode")
        await clock.until(lambda: found.vendor.state is VendorState.OFF)
    clock.advance(100)
    async with house(kept, clock) as found:
        assert found.vendor.state is VendorState.OFF


async def test_a_device_that_is_plugged_in_during_maintenance_stays_released() -> None:
    async with house() as found:
        found.slot.present = False
        await found.vendor.maintain(3600, 5)
        await settle()
        found.slot.present = True
        await found.clock.until(lambda: found.slot.lent == "vendor_mode")


async def test_other_acts_may_work_while_the_machine_is_drained() -> None:
    async with house() as found:
        await found.vendor.drain(3600)
        async with found.lease.disrupting("test print", 1):
            assert found.lease.state is LeaseState.DISRUPTED
        assert found.vendor.state is VendorState.DRAINED


async def test_the_later_decision_stands() -> None:
    async with house() as found:
        old = VendorWish(phase="drain", at=found.clock.now() - timedelta(seconds=5))
        found.vendor.decided_here()
        await found.vendor.follow(old)
        assert str(found.vendor.state) == "off"
        await found.vendor.follow(VendorWish(phase="drain", at=found.clock.now() + timedelta(seconds=1)))
        assert str(found.vendor.state) == "drained"
        await found.vendor.follow(VendorWish(phase="end", at=found.clock.now() + timedelta(seconds=2)))
        assert str(found.vendor.state) == "off"
