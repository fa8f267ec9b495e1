"""What a slot's inventory says: what the profile declares, what the device has shown, what was proved."""

from pathlib import Path

from device_profiles.catalog import load_catalog
from edge_agent.outbox.memory import MemoryOutbox
from edge_agent.slots.inventory import slot_inventory
from edge_agent.slots.runner import SlotParts
from tests.edge_agent.fakes import FakeDriver, Listener, VirtualClock, make_slot, running


class FeatureDriver(FakeDriver):
    """A printer that shows less than it declares."""

    def declared(self) -> list[str]:
        return ["automatic_status", "qr"]

    def observed(self) -> list[str]:
        return ["qr"]

    def proved(self) -> list[str]:
        return []


async def told(driver: FakeDriver, folder: Path) -> tuple[list[str], list[str], list[str]]:
    port, clock = folder / "port", VirtualClock()
    port.touch()
    slot = make_slot(driver, port, SlotParts(clock, MemoryOutbox(room_bytes=1 << 20), Listener()))
    async with running(slot.run):
        await clock.until(lambda: slot.ready)
        found = slot_inventory(slot)
    return found.declared, found.observed, found.last_proved


async def test_features_of_a_driver_stand_behind_the_commands(tmp_path: Path) -> None:
    assert await told(FeatureDriver("printer"), tmp_path) == (
        ["print", "reset", "automatic_status", "qr"],
        ["print", "reset", "qr"],
        [],
    )


async def test_a_driver_without_features_has_its_commands(tmp_path: Path) -> None:
    assert await told(FakeDriver("printer"), tmp_path) == (["print", "reset"], ["print", "reset"], [])


async def test_a_slot_whose_device_is_away_declares_only_what_the_capability_does(tmp_path: Path) -> None:
    slot = make_slot(FakeDriver("printer"), tmp_path / "none", SlotParts(VirtualClock(), MemoryOutbox(), Listener()))
    found = slot_inventory(slot)
    assert (found.declared, found.observed, found.last_proved) == (["print", "reset"], [], [])
    assert found.profile in load_catalog().peripherals
