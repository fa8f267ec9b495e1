"""One machine: every slot's peripheral behind its own pseudo-terminal, coupled where the machine couples them."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from device_profiles.catalog import Catalog
from device_profiles.schema.machine import MachineProfile
from simulators.bus import open_bus
from simulators.errors import UnknownName
from simulators.faults import FaultyPeer
from simulators.hid_reports import in_reports
from simulators.people import People
from simulators.peripherals import Peer, build_peer
from simulators.peripherals.sam_v import SamV
from simulators.pty_port import PtyPort


class SimulatedMachine:
    """The peripherals of ``machine_id`` under ``{folder}/{machine_id}/{slot or bus}``, or where ``links`` says.
    ``instead`` holds devices that take the place of the profile's own, such as a recording.

    The same people and machine id give the same devices. ``speed`` divides how long mechanisms take.
    """

    def __init__(
        self,
        machine_id: str,
        profile: MachineProfile,
        catalog: Catalog,
        folder: Path,
        people: People,
        speed: float = 1.0,
        links: Mapping[str, Path] | None = None,
        instead: Mapping[str, Peer] | None = None,
    ) -> None:
        self.id, self.profile = machine_id, profile
        shared: dict[str, Any] = {"people": people}
        self.ports: dict[str, PtyPort] = {}
        on_bus: dict[str, dict[str, Peer]] = {}
        for slot, mounted in profile.slots.items():
            peripheral = catalog.peripheral(mounted.peripheral)
            seed = random.Random(f"{people.seed}/{machine_id}/{slot}").randrange(2**31)
            device = (instead or {}).get(slot) or build_peer(peripheral, seed, shared, speed)
            peer = in_reports(device, peripheral)
            if mounted.bus:
                on_bus.setdefault(mounted.bus, {})[slot] = FaultyPeer(peer, seed)
                continue
            self.ports[slot] = PtyPort(
                FaultyPeer(peer, seed),
                (links or {}).get(slot, folder / machine_id / slot),
                baud=peripheral.line.baud,
                listens_at=_listens_at(peer),
            )
        for bus, units in on_bus.items():
            line = catalog.peripheral(profile.slots[next(iter(units))].peripheral).line
            link = next((links[slot] for slot in units if links and slot in links), folder / machine_id / bus)
            self.ports.update(open_bus(link, line.baud, units, echo=line.echo))

    def plug(self) -> None:
        """Put all cables in; needs a running event loop."""
        for port in self.ports.values():
            port.plug()

    def unplug(self) -> None:
        """Pull all cables."""
        for port in self.ports.values():
            port.unplug()

    def port(self, slot: str) -> PtyPort:
        """The peripheral in that slot. Raises UnknownName."""
        if slot not in self.ports:
            raise UnknownName(f"{self.id}: slot: expected one of {', '.join(self.ports)}, got {slot!r}")
        return self.ports[slot]

    def press(self, slot: str, button: str, **arguments: Any) -> Any:
        """Press a button of the device in that slot."""
        return self.port(slot).press(button, **arguments)

    def snapshot(self, slot: str) -> dict[str, Any]:
        """What an onlooker sees of the device in that slot."""
        return self.port(slot).snapshot()


def _listens_at(peer: Peer) -> Callable[[], int] | None:
    return (lambda: peer.baud) if isinstance(peer, SamV) else None


def find_machine(machines: Mapping[str, SimulatedMachine], machine_id: str) -> SimulatedMachine:
    """The machine of that id. Raises UnknownName."""
    if machine_id not in machines:
        raise UnknownName(f"machine: expected one of {', '.join(machines)}, got {machine_id!r}")
    return machines[machine_id]
