"""A simulated peripheral behind a pseudo-terminal: what the agent opens as a serial port.

The master is driven by the event loop. A slave descriptor stays open here, since a master whose slave nobody has open
reads EIO. Output leaves no faster than the line allows and in pieces, as a USB bridge delivers it.
"""

import asyncio
import errno
import heapq
import os
import termios
import tty
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from simulators.errors import SimulatorError, UnknownName
from simulators.peripherals.peer import Output, Peer

TICK_S = 0.2  # how often a device is told that time passes when nothing else happens
PIECE = 64  # bytes that a full-speed USB bridge delivers at once
BACKLOG = 64 * 1024  # bytes that wait for a host that does not read; what comes on top is lost, as on a UART
SCHEDULED = 1024 * 1024  # bytes that wait for their time
BITS_PER_BYTE = 10  # start, eight data bits, stop


class PtyPort:
    """One peripheral under the symlink ``link``. ``plug`` needs a running event loop; ``unplug`` ends everything.

    ``baud`` paces the output (0: as fast as it comes). ``listens_at`` tells at which rate the device listens now: with
    it, bytes that the host sends at another rate are lost, as on a real line.
    """

    def __init__(self, peer: Peer, link: Path, baud: int = 0, listens_at: Callable[[], int] | None = None) -> None:
        self.peer, self.link = peer, link
        self._byte_s = BITS_PER_BYTE / baud if baud else 0.0
        self._listens_at = listens_at
        self._master = self._slave = -1
        self._due: list[tuple[float, int, bytes]] = []
        self._due_bytes = 0
        self._order = count()
        self._line_free_at = 0.0
        self._backlog = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self.lost_bytes = 0

    @property
    def plugged(self) -> bool:
        """Whether the cable is in."""
        return self._master >= 0

    def plug(self) -> None:
        """Put the cable in: a new pseudo-terminal under the same link. Nothing happens when it is in already.

        Raises SimulatorError when the link cannot be there.
        """
        if self.plugged:
            return
        self._prepare_place()
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._publish(os.ttyname(self._slave))
        asyncio.get_running_loop().add_reader(self._master, self._readable)
        self._tick()

    def unplug(self) -> None:
        """Pull the cable: the host reads an end of file, the link is gone, what was on the way is lost."""
        if not self.plugged:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        for handle in (self._timer, self._ticker):
            if handle is not None:
                handle.cancel()
        self._timer = self._ticker = None
        self.link.unlink(missing_ok=True)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1
        self._due.clear()
        self._backlog.clear()
        self._due_bytes = 0

    def press(self, button: str, **arguments: Any) -> Any:
        """Press a button of the device and send what it says to that. Raises SimulatorError."""
        if button not in self.peer.buttons:
            raise UnknownName(f"button: expected one of {', '.join(sorted(self.peer.buttons))}, got {button!r}")
        result = self.peer.buttons[button](**arguments)
        if self.plugged:
            self.send(self.peer.advance(self._now()))
        return result

    def snapshot(self) -> dict[str, Any]:
        """What an onlooker sees."""
        return self.peer.snapshot()

    # --- input ----------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        try:
            data = os.read(self._master, 4096)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:  # EIO: the host closed; our own slave descriptor keeps the line alive
                raise
            return
        if self._at_right_baud():
            self.send(self.peer.receive(data, self._now()))
        else:
            self.lost_bytes += len(data)

    def _at_right_baud(self) -> bool:
        if self._listens_at is None:
            return True
        speed: int = termios.tcgetattr(self._slave)[5]
        return bool(speed == getattr(termios, f"B{self._listens_at()}"))

    # --- output ---------------------------------------------------------------------------------------------

    def send(self, output: Output) -> None:
        """What the device says, each part at its time and no faster than the line allows."""
        for at, data in output:
            start = max(at, self._line_free_at)
            for offset in range(0, len(data), PIECE):
                piece = data[offset : offset + PIECE]
                if self._due_bytes + len(piece) > SCHEDULED:
                    self.lost_bytes += len(piece)
                    continue
                start += len(piece) * self._byte_s
                heapq.heappush(self._due, (start, next(self._order), piece))
                self._due_bytes += len(piece)
            if at <= self._now() + TICK_S:  # an answer far ahead does not hold the line until then
                self._line_free_at = start
        self._send_due()

    def _send_due(self) -> None:
        now = self._now()
        while self._due and self._due[0][0] <= now:
            data = heapq.heappop(self._due)[2]
            self._due_bytes -= len(data)
            self._write(data)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop().call_at(self._due[0][0], self._send_due) if self._due else None

    def _write(self, data: bytes) -> None:
        room = BACKLOG - len(self._backlog)
        self.lost_bytes += max(0, len(data) - room)
        self._backlog += data[:room]
        self._writable()

    def _writable(self) -> None:
        try:
            written = os.write(self._master, self._backlog) if self._backlog else 0
        except BlockingIOError:
            written = 0
        del self._backlog[:written]
        if self._backlog:
            self._loop().add_writer(self._master, self._writable)
        else:
            self._loop().remove_writer(self._master)

    # --- time and name --------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self.send(self.peer.advance(self._now()))
        self._ticker = self._loop().call_later(TICK_S, self._tick)

    def _prepare_place(self) -> None:
        """A file or a folder under the link's name belongs to somebody else: it is never replaced."""
        if self.link.exists() and not self.link.is_symlink():
            raise SimulatorError(f"{self.link}: expected nothing or an old link there, got a file or a folder")
        try:
            self.link.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SimulatorError(f"{self.link.parent}: expected a folder for links, got: {error.strerror}") from error

    def _publish(self, target: str) -> None:
        """Set the link in one step, so that nobody ever sees it missing or half made."""
        fresh = self.link.with_name(f".{self.link.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        fresh.replace(self.link)

    def _now(self) -> float:
        return self._loop().time()

    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()
