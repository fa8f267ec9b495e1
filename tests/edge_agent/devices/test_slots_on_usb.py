"""Slots whose devices are found on USB: renumbered, swapped, wrong, replaced; every device says who it is."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from device_profiles.capabilities.model import Identity
from device_profiles.schema.peripheral import Match, PeripheralProfile
from edge_agent.addresses import parse_address
from edge_agent.devices.matching import Want
from edge_agent.devices.places import Finder
from edge_agent.errors import SlotNotReady
from edge_agent.outbox.memory import MemoryOutbox
from edge_agent.slots.inventory import slot_inventory
from edge_agent.slots.runner import SlotParts, SlotRunner
from edge_agent.slots.states import SlotState
from edge_agent.timing import Backoff
from firmware_bridge.errors import TransportLost
from tests.builders.usb_bus import Plugged, UsbBus
from tests.edge_agent.fakes import PROFILE_OF, FakeDriver, Listener, VirtualClock, running

BRIDGE = "1a86:7523"


class Kept:
    """Values that outlive a run."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    async def get(self, name: str) -> Any:
        return self.values.get(name)

    async def put(self, name: str, value: Any) -> None:
        self.values[name] = value


class Unit(FakeDriver):
    """A device with a name of its own."""

    def __init__(self, model: str, serial: str = "") -> None:
        super().__init__("printer")
        self.identity = Identity(model=model, serial_number=serial)

    async def identify(self) -> Identity:
        await super().identify()
        return self.identity


def made_for(model: str, *, usb: str = BRIDGE) -> PeripheralProfile:
    match = Match(usb=[usb], identify=f"^{model}" if model else "")
    return PROFILE_OF["printer"].model_copy(update={"id": f"p-{model or 'any'}", "name": model, "match": match})


class Machine:
    """Slots on a bus of files."""

    def __init__(self, folder: Path, wants: Mapping[str, tuple[PeripheralProfile, str]], kept: Kept) -> None:
        self.clock, self.outbox, self.bus = VirtualClock(), MemoryOutbox(), UsbBus(folder)
        self.units: dict[str, Unit] = {}
        known = {name: Want(profile, parse_address(text)) for name, (profile, text) in wants.items()}
        finder = Finder(self.bus.source(self.clock), known, self.clock)
        parts = SlotParts(self.clock, self.outbox, Listener(), remembered=kept)
        self.slots = {
            name: SlotRunner(
                name, want.profile, finder.place(name), self.connect, parts, Backoff(0.5, 30.0, draw=lambda: 1.0)
            )
            for name, want in known.items()
        }

    async def connect(self, address: str) -> FakeDriver:
        if address not in self.units:
            raise TransportLost(f"{address}: nothing there")
        return await self.units[address].connect()

    def plug(self, unit: Unit, node: str = "ttyUSB0", path: str = "1-1.2", usb_id: str = BRIDGE) -> Plugged:
        plugged = self.bus.plug(node, path=path, usb_id=usb_id)
        unit.lost = False
        self.units[str(plugged.node)] = unit
        return plugged

    def unplug(self, plugged: Plugged) -> None:
        self.units.pop(str(plugged.node)).lost = True
        self.bus.unplug(plugged)

    def facts(self, slot: str = "a") -> list[str]:
        return [row.type.partition(".")[2] for row in self.outbox.rows if row.slot == slot]

    async def until(self, slot: str, state: SlotState) -> None:
        await self.clock.until(lambda: self.slots[slot].state is state)


@asynccontextmanager
async def machine(
    folder: Path, wants: Mapping[str, tuple[PeripheralProfile, str]], kept: Kept | None = None
) -> AsyncIterator[Machine]:
    found = Machine(folder, wants, kept or Kept())
    async with AsyncExitStack() as stack:
        for slot in found.slots.values():
            await stack.enter_async_context(running(slot.run))
        yield found


async def test_a_name_survives_renumbering(tmp_path: Path) -> None:
    async with machine(tmp_path, {"a": (made_for("PR"), "usb:path=1-1.2")}) as found:
        unit = Unit("PR-1", "77")
        plugged = found.plug(unit, "ttyUSB0")
        await found.until("a", SlotState.RUNNING)
        assert found.slots["a"].port.endswith("ttyUSB0")
        found.unplug(plugged)
        await found.until("a", SlotState.ABSENT)
        found.plug(unit, "ttyUSB3")
        await found.until("a", SlotState.RUNNING)
        assert found.slots["a"].port.endswith("ttyUSB3")
        assert found.facts() == ["device_online", "device_no_device", "device_online"]


async def test_two_devices_that_change_places_are_refused_and_found_again(tmp_path: Path) -> None:
    wants = {"a": (made_for("PR"), "usb:path=1-1.1"), "b": (made_for("TP"), "usb:path=1-1.2")}
    async with machine(tmp_path, wants) as found:
        one, two = Unit("PR-1"), Unit("TP-9")
        plugged = found.plug(one, "ttyUSB0", "1-1.1"), found.plug(two, "ttyUSB1", "1-1.2")
        await found.until("a", SlotState.RUNNING)
        await found.until("b", SlotState.RUNNING)
        for old in plugged:
            found.unplug(old)
        await found.until("a", SlotState.ABSENT)
        await found.until("b", SlotState.ABSENT)
        swapped = found.plug(two, "ttyUSB0", "1-1.1"), found.plug(one, "ttyUSB1", "1-1.2")
        await found.until("a", SlotState.REFUSED)
        await found.until("b", SlotState.REFUSED)
        told = [row.data["detail"] for row in found.outbox.rows if row.data.get("value") == "hardware_error"]
        assert len(told) == 2
        assert "calls itself 'TP-9'" in found.slots["a"].refused
        assert slot_inventory(found.slots["a"]).refused == found.slots["a"].refused
        for old in swapped:
            found.unplug(old)
        found.plug(one, "ttyUSB5", "1-1.1")
        found.plug(two, "ttyUSB4", "1-1.2")
        await found.until("a", SlotState.RUNNING)
        await found.until("b", SlotState.RUNNING)
        assert found.slots["a"].refused == ""


async def test_a_wrong_device_is_told_once_and_tried_slowly(tmp_path: Path) -> None:
    async with machine(tmp_path, {"a": (made_for("PR"), "usb:path=1-1.2")}) as found:
        wrong = Unit("XY")
        found.plug(wrong)
        await found.clock.until(lambda: found.clock.monotonic() > 300, within_s=400)
        assert found.facts() == ["device_hardware_error"]
        fact = found.outbox.rows[-1]
        assert fact.data["fault"] == {"code": "wrong_device", "action": "maintenance"}
        assert wrong.opened < 20
        wrong.identity = Identity(model="PR-2")  # such as a device whose firmware was restored
        await found.until("a", SlotState.RUNNING)


async def test_a_device_with_another_usb_id_is_not_opened(tmp_path: Path) -> None:
    async with machine(tmp_path, {"a": (made_for("PR"), "usb:path=1-1.2")}) as found:
        unit = Unit("PR-1")
        plugged = found.plug(unit, usb_id="046d:c31c")
        await found.until("a", SlotState.REFUSED)
        assert unit.opened == 0
        lent = asyncio.ensure_future(found.slots["a"].lend(unit.close))
        await found.clock.until(lent.done)
        with pytest.raises(SlotNotReady):
            await lent
        found.unplug(plugged)
        found.plug(unit)
        await found.until("a", SlotState.RUNNING)


async def test_devices_behind_one_kind_of_bridge_are_sorted_out_by_what_they_say(tmp_path: Path) -> None:
    wants = {name: (made_for(name.upper()), "usb") for name in ("pr", "tp", "qs")}
    async with machine(tmp_path, wants) as found:
        for number, model in enumerate(("QS-1", "PR-1", "TP-1")):
            found.plug(Unit(model), f"ttyUSB{number}", f"1-1.{number + 1}")
        for slot in wants:
            await found.until(slot, SlotState.RUNNING)
            assert found.slots[slot].identity.model == f"{slot.upper()}-1"


async def test_and_one_that_is_missing_is_just_missing(tmp_path: Path) -> None:
    wants = {name: (made_for(name.upper()), "usb") for name in ("pr", "tp")}
    async with machine(tmp_path, wants) as found:
        found.plug(Unit("TP-1"))
        await found.until("tp", SlotState.RUNNING)
        await found.clock.until(lambda: found.clock.monotonic() > 60)
        assert found.slots["pr"].state is SlotState.ABSENT
        assert "device_hardware_error" not in found.facts("pr")
        found.plug(Unit("PR-1"), "ttyUSB1", "1-1.3")
        await found.until("pr", SlotState.RUNNING)


async def test_what_nobody_can_tell_apart_is_refused_until_one_is_pulled_out(tmp_path: Path) -> None:
    async with machine(tmp_path, {"a": (made_for(""), "usb")}) as found:
        first, second = Unit("X"), Unit("X")
        found.plug(first, "ttyUSB0", "1-1.1")
        plugged = found.plug(second, "ttyUSB1", "1-1.2")
        await found.until("a", SlotState.REFUSED)
        await found.clock.until(lambda: found.facts()[-1:] == ["device_hardware_error"])
        fact = found.outbox.rows[-1]
        assert fact.data["fault"] == {"code": "ambiguous_device", "action": "configuration"}
        assert "usb:path=1-1.1" in fact.data["detail"]
        assert first.opened == second.opened == 0
        found.unplug(plugged)
        await found.until("a", SlotState.RUNNING)
        assert first.opened == 1


async def test_several_that_say_the_same_are_refused(tmp_path: Path) -> None:
    wants = {"a": (made_for("PR"), "usb"), "b": (made_for("TP"), "usb")}
    async with machine(tmp_path, wants) as found:
        found.plug(Unit("PR-1"), "ttyUSB0", "1-1.1")
        found.plug(Unit("PR-2"), "ttyUSB1", "1-1.2")
        await found.until("a", SlotState.REFUSED)
        assert "all say that they are PR" in found.slots["a"].refused


async def test_a_replacement_of_the_same_model_is_a_fact_also_after_a_restart(tmp_path: Path) -> None:
    kept = Kept()
    wants = {"a": (made_for("PR"), "usb")}
    async with machine(tmp_path / "1", wants, kept) as found:
        plugged = found.plug(Unit("PR-1", "77"))
        await found.until("a", SlotState.RUNNING)
        await found.clock.until(lambda: bool(kept.values))
        found.unplug(plugged)
        await found.until("a", SlotState.ABSENT)
        found.plug(Unit("PR-1", "78"))
        await found.clock.until(lambda: "device_replaced" in found.facts())
        assert found.outbox.rows[-1].type == "agent.device_replaced"
        assert found.outbox.rows[-1].data == {
            "model": "PR-1",
            "serial_number": "78",
            "previous_model": "PR-1",
            "previous_serial_number": "77",
        }
        assert slot_inventory(found.slots["a"]).serial_number == "78"
    async with machine(tmp_path / "2", wants, kept) as found:
        plugged = found.plug(Unit("PR-1", "78"))
        await found.until("a", SlotState.RUNNING)
        found.unplug(plugged)
        found.plug(Unit("PR-1", "79"))
        await found.clock.until(lambda: found.facts().count("device_replaced") == 1)
