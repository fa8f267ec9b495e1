"""Several simulated units on one line, as on RS-485: each hears all that the host says, and answers what is for it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from simulators.peripherals.peer import Output, Peer
from simulators.pty_port import PtyPort


class Bus:
    """A Peer made of the units on the line. ``echo``: the host's adapter hears what it sends."""

    def __init__(self, echo: bool = False) -> None:
        self.echo = echo
        self.units: dict[str, Peer] = {}
        self.connected: set[str] = set()

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {}

    def snapshot(self) -> dict[str, Any]:
        return {"units": {name: unit.snapshot() for name, unit in self.units.items()}, "echo": self.echo}

    def receive(self, data: bytes, now: float) -> Output:
        answers: Output = [(now, data)] if self.echo else []
        for name in self.connected:
            answers += self.units[name].receive(data, now)
        return sorted(answers, key=lambda answer: answer[0])

    def advance(self, now: float) -> Output:
        """What units say unasked; a unit whose plug is out says it to nobody."""
        said: Output = []
        for name, unit in self.units.items():
            output = unit.advance(now)
            said += output if name in self.connected else []
        return said


class BusPort(PtyPort):
    """One unit's place on a bus: its own buttons and plug, the line's pty. ``plug`` and ``unplug`` are the unit's plug.

    The line itself is there while any unit is plugged in, or until ``cut`` pulls the host's cable.
    """

    def __init__(self, name: str, peer: Peer, line: PtyPort, bus: Bus) -> None:
        super().__init__(peer, line.link)
        self._name, self._line, self._bus = name, line, bus
        bus.units[name] = peer

    @property
    def plugged(self) -> bool:
        return self._name in self._bus.connected and self._line.plugged

    def plug(self) -> None:
        self._bus.connected.add(self._name)
        self._line.plug()

    def unplug(self) -> None:
        self._bus.connected.discard(self._name)
        if not self._bus.connected:
            self._line.unplug()

    def cut(self) -> None:
        """Pull the host's cable: the line is gone for all units."""
        self._line.unplug()

    def send(self, output: Output) -> None:
        self._line.send(output)


def open_bus(link: Path, baud: int, units: Mapping[str, Peer], *, echo: bool = False) -> dict[str, BusPort]:
    """The ports of all ``units`` on one line under ``link``."""
    bus = Bus(echo)
    line = PtyPort(bus, link, baud=baud)
    return {name: BusPort(name, peer, line, bus) for name, peer in units.items()}
