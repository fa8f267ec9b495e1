"""A device that holds its events, an agent that stores them, and a cable that is pulled between the two."""

from pathlib import Path

from device_profiles.capabilities.caller import CallerKey, KeyPressed
from device_profiles.capabilities.model import Event
from edge_agent.outbox.memory import MemoryOutbox
from edge_agent.slots.runner import SlotParts
from firmware_bridge.errors import TransportLost
from tests.edge_agent.fakes import FakeDriver, Listener, VirtualClock, make_slot, running


class PulledCable(FakeDriver):
    """Loses its line when the first event is confirmed: the device still holds it."""

    async def confirm(self, event: Event) -> None:
        if not self.confirmed:
            self.confirmed.append(event)
            raise TransportLost("fake: unplugged")
        await super().confirm(event)


async def test_an_event_whose_confirmation_was_lost_with_the_line_is_stored_once(tmp_path: Path) -> None:
    clock, outbox, driver = VirtualClock(), MemoryOutbox(), PulledCable("caller")
    port = tmp_path / "port"
    port.touch()
    pressed = Event("1/1/0.0", KeyPressed(key=CallerKey.CALL_NEXT))
    driver.events.append(pressed)
    async with running(make_slot(driver, port, SlotParts(clock, outbox, Listener())).run):
        await clock.until(lambda: driver.confirmed == [pressed, pressed])
        await clock.until(lambda: clock.monotonic() > 20)
    assert [row.type for row in outbox.rows].count("caller.key_pressed") == 1
    assert driver.events == []
