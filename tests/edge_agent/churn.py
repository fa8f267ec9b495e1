"""A machine with every peripheral that sits on a device file, and hands that plug and pull at random."""

import asyncio
import itertools
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from device_profiles.catalog import load_catalog
from device_profiles.messages.command import CommandBody
from device_profiles.schema.machine import MachineProfile, Slot
from device_profiles.schema.peripheral import PeripheralProfile
from edge_agent.addresses import SUBSYSTEM_OF, parse_address
from edge_agent.commands.execute import FINISHED, Executor
from edge_agent.commands.journal import Journal
from edge_agent.devices.matching import Want
from edge_agent.devices.places import Finder
from edge_agent.lease import Lease
from edge_agent.outbox.memory import MemoryOutbox
from edge_agent.ports import Place, SlotView
from edge_agent.slots.runner import SlotParts, SlotRunner
from edge_agent.slots.states import SlotState
from edge_agent.storage import Values
from edge_agent.timing import Backoff
from firmware_bridge.drivers import Driver
from firmware_bridge.registry import load_driver, transport_for
from simulators.errors import SimulatorError, UnknownName
from simulators.machine import SimulatedMachine
from simulators.people import People
from simulators.peripherals import build_peer
from tests.builders.scenes import scene_of
from tests.builders.usb_bus import Plugged, UsbBus
from tests.edge_agent.fakes import FixedDesired, Listener, machine_file, running

BRIDGE = "1a86:7523"
SPEED = 4.0  # the agent's seconds in one real second


class FastClock:
    """Real time, faster."""

    def now(self) -> datetime:
        return datetime(2026, 3, 2, tzinfo=UTC) + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() * SPEED

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / SPEED)

    def timeout(self, seconds: float) -> asyncio.Timeout:
        return asyncio.timeout(seconds / SPEED)


@dataclass
class Hands:
    """Whose socket holds which device; a slot's own socket is right for its own device only."""

    devices: SimulatedMachine
    bus: UsbBus
    profiles: dict[str, PeripheralProfile]
    rng: random.Random
    plugged: dict[str, Plugged] = field(default_factory=dict)
    in_socket: dict[str, str] = field(default_factory=dict)  # socket (named after its slot) to the device in it

    def sockets(self) -> dict[str, str]:
        """Slot to socket, of the slots that have one; the others look for a file."""
        serial = [slot for slot, profile in self.profiles.items() if profile.attachment == "serial"]
        return {slot: f"1-1.{number}" for number, slot in enumerate(serial, 1)}

    def address(self, slot: str) -> str:
        """What settings say."""
        sockets = self.sockets()
        return f"usb:path={sockets[slot]}" if slot in sockets else str(self.devices.port(slot).link)

    def plug(self, slot: str, device: str = "") -> None:
        """Put the slot's device, or another one, into the slot's socket: under any number that is free."""
        device = device or slot
        if slot in self.in_socket or device in self.in_socket.values():
            return
        port = self.devices.port(device)
        port.plug()
        self.in_socket[slot] = device
        if slot in self.sockets():
            used = {item.node.name for item in self.plugged.values()}
            node = next(n for n in iter(lambda: f"ttyUSB{self.rng.randrange(200)}", "") if n not in used)
            usb = self.profiles[device].match.usb
            usb_id = usb[0] if usb else BRIDGE
            self.plugged[slot] = self.bus.plug(node, path=self.sockets()[slot], usb_id=usb_id, target=port.link)

    def unplug(self, slot: str) -> None:
        """Pull out what is in the slot's socket."""
        if slot not in self.in_socket:
            return
        self.devices.port(self.in_socket.pop(slot)).unplug()
        if slot in self.plugged:
            self.bus.unplug(self.plugged.pop(slot))

    def renumber(self, slot: str) -> None:
        """Out and in again, quicker than anybody looks, and under another number."""
        device = self.in_socket.get(slot, slot)
        self.unplug(slot)
        self.plug(slot, device)

    def swap(self, one: str, other: str) -> None:
        """Each into the other's socket."""
        for slot in (one, other):
            self.unplug(slot)
        if one in self.sockets() and other in self.sockets() and one != other:
            self.plug(one, other)
            self.plug(other, one)

    def put_right(self) -> None:
        """Everything where it belongs."""
        for slot in [slot for slot, device in self.in_socket.items() if slot != device]:
            self.unplug(slot)
        for slot in self.profiles:
            self.plug(slot)


@dataclass
class ChurnedMachine:
    """The agent's slots and commands over those devices."""

    hands: Hands
    slots: dict[str, SlotRunner]
    executor: Executor
    outbox: MemoryOutbox
    clock: FastClock
    rng: random.Random
    accepted: list[str] = field(default_factory=list)
    _numbers: Any = field(default_factory=itertools.count)

    async def command(self, slot: str) -> None:
        """Accept a command for the slot, and let somebody do what it needs."""
        act = self.rng.choice(scene_of(self.slots[slot].capability) or (None,))
        if act is None:
            return
        command_id = f"churn-{next(self._numbers)}"
        start_by = self.clock.now() + timedelta(seconds=30)
        body = CommandBody(
            command_id=command_id, name=act.command, args=dict(act.args), start_by=start_by, run_for_s=10.0
        )
        await self.executor.accept(slot, body)
        self.accepted.append(command_id)
        for button, args in act.press.items():
            if button in self.hands.devices.port(slot).peer.buttons:
                try:
                    self.hands.devices.press(slot, button, **args)
                except SimulatorError:
                    continue  # a card is in it already

    def settled(self) -> list[str]:
        """Ids of the commands that have a result, as often as they have one."""
        return [row.data["command_id"] for row in self.outbox.rows if row.type == FINISHED]

    def all_running(self) -> bool:
        return all(slot.state is SlotState.RUNNING for slot in self.slots.values())

    async def step(self) -> None:
        """One thing that happens to a machine."""
        slot, other = self.rng.choice(list(self.slots)), self.rng.choice(list(self.slots))
        acts: list[Callable[[], None]] = [
            lambda: self.hands.unplug(slot),
            lambda: self.hands.plug(slot),
            lambda: self.hands.renumber(slot),
            lambda: self.hands.swap(slot, other),
            self.hands.put_right,
        ]
        weights = (5, 5, 4, 3, 1)
        if self.rng.random() < 0.5:
            await self.command(slot)
        else:
            self.rng.choices(acts, weights)[0]()


def profiles_on_files() -> dict[str, PeripheralProfile]:
    """Every peripheral that a device file leads to and that can be simulated, by the name of its slot."""
    known = load_catalog().peripherals.values()
    return {
        item.id.replace("-", "_"): item for item in known if item.attachment in SUBSYSTEM_OF and _can_be_simulated(item)
    }


def _can_be_simulated(profile: PeripheralProfile) -> bool:
    """Another test asks for the simulator of every profile; this one is about cables."""
    try:
        build_peer(profile, 1, {})
    except UnknownName:
        return False
    return True


@asynccontextmanager
async def churned_machine(folder: Path, seed: int) -> AsyncIterator[ChurnedMachine]:
    """The machine, all devices plugged in, its agent's parts running."""
    profiles, rng, clock, catalog = profiles_on_files(), random.Random(seed), FastClock(), load_catalog()
    made = MachineProfile(
        id="churned",
        kind="kiosk",
        name_zh="全部外设",
        name_en="Every peripheral",
        slots={slot: Slot(peripheral=profile.id) for slot, profile in profiles.items()},
    )
    devices = SimulatedMachine("churned", made, catalog, folder / "ptys", People(seed, 3), speed=50.0)
    for port in devices.ports.values():
        port._byte_s = 0.0  # time is in a hurry here, and lines at 9600 baud would not be
    hands = Hands(devices, UsbBus(folder / "bus"), profiles, rng)
    outbox = MemoryOutbox(room_bytes=1 << 28)
    wants = {slot: Want(profile, parse_address(hands.address(slot))) for slot, profile in profiles.items()}
    finder = Finder(hands.bus.source(clock), wants, clock)
    parts = SlotParts(clock, outbox, Listener())
    slots = {slot: _runner(slot, profile, finder.place(slot), parts) for slot, profile in profiles.items()}
    async with machine_file(folder) as file:
        views: dict[str, SlotView] = dict(slots)
        executor = Executor(Journal(file), outbox, views, FixedDesired(), clock, Lease(Values(file), clock))
        await executor.recover()
        hands.put_right()
        try:
            async with running(*(slot.run for slot in slots.values()), executor.run):
                yield ChurnedMachine(hands, slots, executor, outbox, clock, rng)
        finally:
            devices.unplug()


def _runner(slot: str, profile: PeripheralProfile, place: Place, parts: SlotParts) -> SlotRunner:
    async def connect(address: str) -> Driver:
        transport = transport_for(profile, address)
        driver = load_driver(profile, transport, parts.clock)
        await transport.open()
        return driver

    return SlotRunner(slot, profile, place, connect, parts, Backoff(0.5, 4.0))


def open_descriptors() -> int:
    """How many files and lines this process has open."""
    return len(os.listdir("/proc/self/fd"))
