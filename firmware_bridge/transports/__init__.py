"""Ways to carry bytes to a device, behind one Protocol."""

import asyncio
from typing import Protocol, runtime_checkable


class Transport(Protocol):
    """One line to one device. Not safe for two readers or two writers at once: who holds ``turn`` has the line."""

    @property
    def turn(self) -> asyncio.Lock:
        """Held for a whole exchange; devices that share a line (RS-485) share it."""

    async def open(self) -> None:
        """Take the line for ourselves alone and set it up; raises TransportLost."""

    async def write(self, data: bytes) -> None:
        """Returns when the system has taken all bytes; raises TransportLost, or LinkTimeout when it does not."""

    async def read(self) -> bytes:
        """At least one byte, as soon as there is one; raises TransportLost when the device is gone."""

    def discard_input(self) -> int:
        """Drop what was received and not read yet; returns how many bytes. Raises TransportLost when that is known."""

    async def close(self) -> None:
        """Give the line back; twice is allowed."""


@runtime_checkable
class AdjustableSpeed(Protocol):
    """What a transport has, beside ``Transport``, when its line has a speed that can be changed while it is open."""

    def set_baud(self, baud: int) -> None:
        """Send and receive at ``baud`` from now on; bytes not read yet are dropped. Raises TransportLost."""
