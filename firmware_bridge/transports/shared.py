"""One line, several devices: RS-485 with a pad, a display and a caller on the same two wires.

Each driver gets a tap, which is a Transport like any other::

    line = SharedLine(SerialTransport("/dev/serial/by-path/...", profile.line))
    pad, display = line.tap(), line.tap()

* The line opens with the first tap and closes with the last one. When it is lost, all taps are lost; the first that
  opens again opens it for all.
* All taps have one ``turn``: who holds it for an exchange has the line. A Link gives it back between two tries, so a
  unit that stays silent costs the others one reply deadline at a time.
* Bytes that arrive while another tap has the turn never reach this one. Behind an exchange that got no answer, the
  next tap waits ``LATE_REPLY_S`` for what may still come and drops it: most protocols have no request numbers.
* ``echo``: the adapter hears what it sends (its receiver stays on). The echo, and what came before it, is taken out:
  some answers look exactly like their request.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock, SystemClock
from firmware_bridge.errors import TransportLost
from firmware_bridge.transports import Transport

LATE_REPLY_S = 0.1

_SYSTEM_CLOCK = SystemClock()


class SharedLine:
    """The line under the taps; ``transport`` is opened and closed here and nowhere else."""

    def __init__(self, transport: Transport, *, echo: bool = False, clock: Clock = _SYSTEM_CLOCK) -> None:
        self.turn = asyncio.Lock()
        self._transport = transport
        self._echo = echo
        self._clock = clock
        self._opening = asyncio.Lock()
        self._taps: set[Tap] = set()
        self._life = 0  # counts the times that the line was opened; taps of an earlier life are lost
        self._up = False
        self._asked_by: Tap | None = None
        self._answered = True
        self._echo_due = b""
        self._before_echo = b""

    def tap(self) -> "Tap":
        """A transport for one more device, not open yet."""
        return Tap(self)

    async def open_for(self, tap: "Tap") -> int:
        """Open the line unless it is open; returns the life that the tap belongs to. Raises TransportLost."""
        async with self._opening:
            if not self._up:
                await self._transport.open()
                self._up, self._life = True, self._life + 1
                self._answered, self._echo_due, self._before_echo = True, b"", b""
            self._taps.add(tap)
            return self._life

    async def close_for(self, tap: "Tap") -> None:
        """Close the line when this was the last tap."""
        async with self._opening:
            self._taps.discard(tap)
            if not self._taps:
                self._up = False
                await self._transport.close()

    def is_up(self, life: int) -> bool:
        """Whether the line still has that life."""
        return self._up and life == self._life

    async def write(self, tap: "Tap", data: bytes) -> None:
        with self._noticing_loss():
            if tap is not self._asked_by:
                await self._clear_for(tap)
            self._answered, self._before_echo = False, b""
            self._echo_due = data if self._echo else b""
            await self._transport.write(data)

    async def read(self) -> bytes:
        with self._noticing_loss():
            while not (data := self._without_echo(await self._transport.read())):
                pass
        self._answered = True
        return data

    def discard_input(self) -> int:
        with self._noticing_loss():
            self._echo_due = b""
            return self._transport.discard_input()

    async def _clear_for(self, tap: "Tap") -> None:
        """Nothing that was meant for the tap before reaches ``tap``."""
        if not self._answered:
            with suppress(TimeoutError):
                async with self._clock.timeout(LATE_REPLY_S):
                    while True:
                        await self._transport.read()
        self._transport.discard_input()
        self._asked_by = tap

    def _without_echo(self, data: bytes) -> bytes:
        if not self._echo_due:
            return data
        self._before_echo += data
        at = self._before_echo.find(self._echo_due)
        if at < 0:
            self._before_echo = self._before_echo[-len(self._echo_due) :]
            return b""
        behind = self._before_echo[at + len(self._echo_due) :]
        self._echo_due = self._before_echo = b""
        return behind

    @contextmanager
    def _noticing_loss(self) -> Iterator[None]:
        """A loss that one tap meets is the loss of all."""
        try:
            yield
        except TransportLost:
            self._up = False
            raise


class Tap:
    """One device's end of a shared line; a Transport."""

    def __init__(self, line: SharedLine) -> None:
        self.turn = line.turn
        self._line = line
        self._life = 0

    async def open(self) -> None:
        self._life = await self._line.open_for(self)

    async def write(self, data: bytes) -> None:
        self._check()
        await self._line.write(self, data)

    async def read(self) -> bytes:
        self._check()
        return await self._line.read()

    def discard_input(self) -> int:
        self._check()
        return self._line.discard_input()

    async def close(self) -> None:
        self._life = 0
        await self._line.close_for(self)

    def _check(self) -> None:
        if not self._life:
            raise TransportLost("shared line: this tap is not open; call open() first")
        if not self._line.is_up(self._life):
            raise TransportLost("shared line: the line is gone for all its devices; open it again when it is back")


class SharedLines:
    """The shared lines of one machine, by address: slots that name the same address get taps of the same line."""

    def __init__(self, open_transport: Callable[[PeripheralProfile, str], Transport]) -> None:
        self._open_transport = open_transport
        self._lines: dict[str, SharedLine] = {}

    def transport(self, profile: PeripheralProfile, address: str) -> Transport:
        """A tap of the line at ``address``, not open yet. Devices of one line have the same line settings."""
        if address not in self._lines:
            self._lines[address] = SharedLine(self._open_transport(profile, address), echo=profile.line.echo)
        return self._lines[address].tap()
