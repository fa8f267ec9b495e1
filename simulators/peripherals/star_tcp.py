"""Rewritable thermal card printer: Star TCP300, dispenser model.

Written from the TCP300 and TCP300II manuals: ``02 CMD data 03 BCC``, BCC = XOR of CMD..03; the device answers 06,
15 (send again) or 10h (rejected), later ``02 CMD STATUS data 03 BCC``.
"""

from collections.abc import Callable, Mapping
from typing import Any

from simulators.errors import ButtonRefused
from simulators.peripherals.card_path import Place, path_of
from simulators.peripherals.peer import Inbox, Output, Pace, Surroundings, broken_part, xor

STX, ETX, ACK, NAK, DLE = 0x02, 0x03, b"\x06", b"\x15", b"\x10"
LONGEST_DATA = 1024
BUFFER_HOLDS = 4096
OK, NO_CARD, JAM, COVER_OPEN, OVERFLOW = 0x20, 0x22, 0x38, 0x40, 0x51
PRINT_S, ERASE_S, FEED_S, QUICK_S = 1.2, 1.2, 0.5, 0.02

Result = tuple[int, bytes, float]
"""(STATUS, data, seconds of work)."""


class CardPrinter:
    """The printer behind the card unit: works on the card that the path brings in, and gives it back to the unit."""

    def __init__(self, around: Surroundings) -> None:
        self._path = path_of(around)
        self._inbox = Inbox()
        self._pace = Pace(around.speed)
        self._charset = around.word("charset", "gb18030")
        self._last_reply = b""
        self._buffer = b""
        self._printed = self._erased = 0
        self._jammed = self._cover_open = False
        self._stacker_empty = False

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {
            "open_cover": self._open_cover, "close_cover": self._close_cover,
            "jam": self._jam, "clear_jam": self._clear_jam,
            "empty_stacker": self._empty_stacker, "fill_stacker": self._fill_stacker,
        }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        return {
            **self._path.snapshot(),
            "printed_total": self._printed, "erased_total": self._erased,
            "jammed": self._jammed, "cover_open": self._cover_open, "stacker_empty": self._stacker_empty,
        }  # fmt: skip

    def advance(self, now: float) -> Output:
        return []

    def receive(self, data: bytes, now: float) -> Output:
        self._inbox.add(data, now)
        sent: Output = []
        while self._inbox.data:
            if self._inbox.data[0] != STX:
                sent += self._control(self._inbox.take(1)[0], now)
                continue
            end = self._inbox.data.find(ETX, 2)
            if end > LONGEST_DATA + 2 or (end < 0 and len(self._inbox.data) > LONGEST_DATA + 2):
                self._inbox.drop(1)
            elif end < 0 or len(self._inbox.data) < end + 2:
                break
            else:
                sent += self._frame(bytes(self._inbox.data[: end + 2]), now)
        return sent

    def _control(self, byte: int, now: float) -> Output:
        if byte == NAK[0] and self._last_reply:
            return [(now + QUICK_S, self._last_reply)]
        if byte not in (ACK[0], NAK[0]):
            self._inbox.discarded += 1
        return []

    def _frame(self, frame: bytes, now: float) -> Output:
        if xor(frame[1:-1]) != frame[-1]:
            self._inbox.drop(broken_part(frame))
            return [(now, NAK)]
        self._inbox.take(len(frame))
        command = frame[1]
        action = self._actions().get(command)
        if action is None or self._pace.busy(now):
            return [(now, DLE)]
        status, data, seconds = action(frame[2:-2])
        body = bytes((command, status)) + data + bytes((ETX,))
        self._last_reply = bytes((STX,)) + body + bytes((xor(body),))
        return [(now, ACK), (self._pace.done_at(now, seconds), self._last_reply)]

    def _actions(self) -> dict[int, Callable[[bytes], Result]]:
        return {
            0x40: self._clear_buffer, 0x41: self._add_to_buffer,
            0x46: lambda _data: self._work(erase=True, write=True),
            0x47: lambda _data: self._work(erase=False, write=True),
            0x48: lambda _data: self._work(erase=True, write=False),
            0x50: lambda _data: self._work(erase=False, write=False),
            0x51: lambda _data: (OK, b"", QUICK_S), 0x52: lambda _data: self._ready() or (OK, b"", 2.0),
            0x53: lambda _data: (OK, b"", QUICK_S), 0x54: lambda _data: (OK, b"", QUICK_S),
            0x55: lambda _data: (OK, b"", QUICK_S), 0x58: lambda _data: (OK, b"TCP300 V1.0", QUICK_S),
            0x59: self._status, 0x5A: lambda _data: (OK, b"", QUICK_S), 0x5F: self._reset,
            0x95: lambda _data: (OK, f"{self._printed:08d}".encode(), QUICK_S),
            0x96: lambda _data: (OK, f"{self._erased:08d}".encode(), QUICK_S),
        }  # fmt: skip

    def _clear_buffer(self, _data: bytes) -> Result:
        self._buffer = b""
        return OK, b"", QUICK_S

    def _add_to_buffer(self, data: bytes) -> Result:
        if len(self._buffer) + len(data) > BUFFER_HOLDS:
            return OVERFLOW, b"", QUICK_S
        self._buffer += data + b"\n"
        return OK, b"", QUICK_S

    def _ready(self) -> Result | None:
        """None, or why nothing can move."""
        if self._cover_open:
            return COVER_OPEN, b"", QUICK_S
        return (JAM, b"", FEED_S) if self._jammed else None

    def _work(self, erase: bool, write: bool) -> Result:
        """Erase, print and give the card back to the unit, in this order; leaves nothing half done."""
        if (trouble := self._ready()) is not None:
            return trouble
        if self._path.card is None or self._path.place != Place.PRINTER:
            return NO_CARD, b"", QUICK_S
        if erase:
            self._path.card.face.clear()
            self._erased += 1
        if write:
            self._path.card.face.extend(self._lines())
            self._printed += 1
        self._path.place = Place.HANDOVER
        return OK, b"", FEED_S + erase * ERASE_S + write * PRINT_S

    def _lines(self) -> list[str]:
        text = self._buffer.decode(self._charset, errors="replace").replace("\r\n", "\n").replace("\r", "\n")
        return [line for line in text.split("\n") if line]

    def _status(self, _data: bytes) -> Result:
        """Six digits and the dispenser's: inlet, sensors 2 to 4, cover, 0, dispenser (0 has cards)."""
        inlet = "2" if self._path.place == Place.HANDOVER else "0"
        inside = "1" if self._path.place == Place.PRINTER else "0"
        digits = f"{inlet}0{inside}0{int(self._cover_open)}0{int(self._stacker_empty)}"
        return (JAM if self._jammed else OK), digits.encode(), QUICK_S

    def _reset(self, _data: bytes) -> Result:
        self._buffer = b""
        if (trouble := self._ready()) is not None:
            return trouble
        return OK, b"", 1.0

    def _open_cover(self) -> None:
        self._cover_open = True

    def _close_cover(self) -> None:
        self._cover_open = False

    def _jam(self) -> None:
        if self._cover_open:
            raise ButtonRefused("jam: expected a shut cover: nothing moves while it is open")
        self._jammed = True

    def _clear_jam(self) -> None:
        self._jammed = False

    def _empty_stacker(self) -> None:
        self._stacker_empty = True

    def _fill_stacker(self) -> None:
        self._stacker_empty = False


def open_peer(around: Surroundings) -> CardPrinter:
    """A card printer with a shut cover."""
    return CardPrinter(around)
