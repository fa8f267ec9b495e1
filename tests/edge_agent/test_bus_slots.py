"""The slots of a counter whose three devices share one RS-485 line, as the agent runs them, over a real pty."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from device_profiles.catalog import load_catalog
from edge_agent.assembly import runner as _runner
from edge_agent.devices.places import FilePlace
from edge_agent.outbox.memory import MemoryOutbox
from edge_agent.plan import plan_machine
from edge_agent.settings import EdgeSettings
from edge_agent.slots.runner import SlotParts, SlotRunner
from edge_agent.timing import SystemClock
from firmware_bridge.registry import transport_for
from firmware_bridge.transports.shared import SharedLines
from simulators.bus import BusPort
from simulators.machine import SimulatedMachine
from simulators.people import People
from tests.edge_agent.fakes import Listener, eventually, running

SLOTS = {"caller": "hdp-caller", "display": "hdp-display", "pad": "hdp-evaluator"}


@dataclass
class Counter:
    machine: SimulatedMachine
    slots: dict[str, SlotRunner]
    outbox: MemoryOutbox

    def keys(self) -> int:
        return [row.type for row in self.outbox.rows].count("caller.key_pressed")

    async def until(self, **ready: bool) -> None:
        await eventually(lambda: {name: self.slots[name].ready for name in ready} == ready, within_s=25)


def site(folder: Path) -> Path:
    """A site whose counters have one line for all three devices."""
    slots = "".join(f'[slots.{name}]\nperipheral = "{known}"\nbus = "desk"\n' for name, known in SLOTS.items())
    head = 'kind = "counter_set"\nname_zh = "窗口"\nname_en = "Counter"\n'
    (folder / "machines").mkdir()
    (folder / "machines" / "one-line.toml").write_text(head + slots, "utf-8")
    return folder


@asynccontextmanager
async def counter(folder: Path) -> AsyncIterator[Counter]:
    catalog = load_catalog(site(folder))
    machine = SimulatedMachine("c1", catalog.machine("one-line"), catalog, folder / "dev", People(1), speed=10)
    settings = EdgeSettings(
        machine="c1",
        profile="one-line",
        broker="mqtt://127.0.0.1",
        data_dir=folder / "data",
        profiles_dir=folder,
        ports={name: str(machine.port(name).link) for name in SLOTS},
    )
    outbox, lines = MemoryOutbox(room_bytes=1 << 20), SharedLines(transport_for)
    parts = SlotParts(SystemClock(), outbox, Listener())
    slots = {
        name: _runner(name, mounted, FilePlace(machine.port(name).link), parts, lines)
        for name, mounted in plan_machine(settings).slots.items()
    }
    machine.plug()
    try:
        async with running(*(slot.run for slot in slots.values())):
            yield Counter(machine, slots, outbox)
    finally:
        machine.unplug()


async def test_three_slots_on_one_line_lose_and_find_their_devices_one_by_one_and_together(tmp_path: Path) -> None:
    async with counter(tmp_path) as desk:
        await desk.until(caller=True, display=True, pad=True)
        desk.machine.press("caller", "press_key", key="call_next")
        await eventually(lambda: desk.keys() == 1)

        desk.machine.port("pad").unplug()
        await desk.until(caller=True, display=True, pad=False)
        desk.machine.press("caller", "press_key", key="start")
        await eventually(lambda: desk.keys() == 2)
        desk.machine.port("pad").plug()
        await desk.until(caller=True, display=True, pad=True)

        cable = desk.machine.port("pad")
        assert isinstance(cable, BusPort)
        cable.cut()
        await desk.until(caller=False, display=False, pad=False)
        desk.machine.press("caller", "press_key", key="finish")
        desk.machine.plug()
        await desk.until(caller=True, display=True, pad=True)
        await eventually(lambda: desk.keys() == 3)
        await eventually(lambda: desk.machine.snapshot("caller")["events_held"] == 0)
    assert desk.keys() == 3
