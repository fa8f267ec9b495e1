"""A device that holds its events, an agent that stores them, and a cable that is pulled between the two."""

from datetime import UTC, datetime
from pathlib import Path

from device_profiles.capabilities.caller import CallerKey, KeyPressed
from device_profiles.capabilities.model import Event
from edge_agent.outbox.memory import MemoryOutbox
from edge_agent.slots.runner import SlotParts
from firmware_bridge.errors import TransportLost
from tests.edge_agent.fakes import FakeDriver, Listener, VirtualClock, make_slot, running

AT = datetime(2026, 3, 2, tzinfo=UTC)


class PulledCable(FakeDriver):
    """Loses its line when the first event is confirmed: the device still holds it."""

    async def confirm(self, event: Event) -> None:
        if not self.confirmed:
            self.confirmed.append(event)
            raise TransportLost("fake: unplugged")
        await super().confirm(event)


async def test_an_event_stored_by_an_agent_that_was_then_killed_is_confirmed_by_the_next_one(tmp_path: Path) -> None:
    outbox, port = MemoryOutbox(), tmp_path / "port"
    port.touch()
    pressed = Event("7/1/12.500", KeyPressed(key=CallerKey.CALL_NEXT))
    await outbox.append("device", "caller.key_pressed", {"key": "call_next"}, AT, origin=f"boot-1 {pressed.device}")
    clock, driver = VirtualClock(), FakeDriver("caller")
    driver.events.append(pressed)
    slot = make_slot(driver, port, SlotParts(clock, outbox, Listener(), "boot-1"), "device")
    async with running(slot.run):
        await clock.until(lambda: not driver.events)
        await clock.until(lambda: clock.monotonic() > 5)
    assert [row.type for row in outbox.rows].count("caller.key_pressed") == 1


async def test_after_a_reboot_a_held_event_is_told_again_rather_than_lost(tmp_path: Path) -> None:
    outbox, port = MemoryOutbox(), tmp_path / "port"
    port.touch()
    pressed = Event("7/1/12.500", KeyPressed(key=CallerKey.CALL_NEXT))
    await outbox.append("device", "caller.key_pressed", {"key": "call_next"}, AT, origin=f"boot-1 {pressed.device}")
    clock, driver = VirtualClock(), FakeDriver("caller")
    driver.events.append(pressed)
    slot = make_slot(driver, port, SlotParts(clock, outbox, Listener(), "boot-2"), "device")
    async with running(slot.run):
        await clock.until(lambda: not driver.events)
    assert [row.type for row in outbox.rows].count("caller.key_pressed") == 2


async def test_an_event_whose_confirmation_was_lost_with_the_line_is_stored_once(tmp_path: Path) -> None:
    clock, outbox, driver = VirtualClock(), MemoryOutbox(), PulledCable("caller")
    port = tmp_path / "port"
    port.touch()
    pressed = Event("1/1/0.0", KeyPressed(key=CallerKey.CALL_NEXT))
    driver.events.append(pressed)
    async with running(make_slot(driver, port, SlotParts(clock, outbox, Listener())).run):
        await clock.until(lambda: [event.device for event in driver.confirmed] == [pressed.device] * 2)
        await clock.until(lambda: clock.monotonic() > 20)
    assert [row.type for row in outbox.rows].count("caller.key_pressed") == 1
    assert driver.events == []
