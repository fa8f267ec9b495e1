"""Ticket and receipt printer: an ESC/POS printer for 80 mm paper with a cutter, Chinese model.

Written from Epson's command reference: real-time status (DLE EOT), automatic status back (GS a), GB18030 text, QR
codes (GS ( k) and cuts (GS V). While it is off-line, data waits in the receive buffer; real-time commands do not.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from simulators.errors import ButtonRefused
from simulators.peripherals.escpos_page import Page
from simulators.peripherals.escpos_stream import EscPosStream, Token
from simulators.peripherals.paper_roll import PaperRoll
from simulators.peripherals.peer import Output, Pace, Surroundings

FIXED = 0x12  # bits 1 and 4 are set in every real-time status
ON_LINE_CHANGE, ERROR_CHANGE, PAPER_CHANGE = 0x02, 0x04, 0x08  # bits of GS a
CUTS = ("GS V", "ESC i", "ESC m")
REAL_TIME_S, LINE_S, CUT_S = 0.002, 0.02, 0.3
BUFFER_HOLDS = 65536
CLEAR_BUFFERS = bytes((8, 1, 3, 20, 1, 6, 2, 8))
CUTS_OF_ITS_LIFE = bytes((0x32, 0, 178, 0))  # GS g 2: a maintenance counter that cannot be reset
INFORMATION = {1: b"\x20", 2: b"\x03", 3: b"\x01", 66: b"_EPSON\0"}


class TicketPrinter:
    """The printer: its sensors, its receive buffer, and the page that it sets on its roll."""

    def __init__(self, around: Surroundings) -> None:
        self._seed = around.seed
        self._firmware = f"_{around.word('firmware', 'V1.00')}\0".encode()
        self._model = f"_{around.word('model', 'COMPATIBLE-80')}\0".encode()
        self._pace = Pace(around.speed)
        self._stream = EscPosStream()
        self._waiting: deque[Token] = deque()
        self._waiting_bytes = self._overflow = 0
        self._roll = PaperRoll(
            around.number("roll_lines", 4000), around.number("near_end_lines", 100), around.number("columns", 48)
        )
        self._page = Page(self._roll)
        self._watched = 0
        self._told = b""
        self._cover_open = self._jammed = self._cutter_broken = False
        self._presented = False
        self._lost = self._taken = 0
        self._cuts = around.number("cuts", 0)

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {
            "paper_out": self._paper_out, "paper_low": self._paper_low, "load_paper": self._load_paper,
            "open_cover": self._open_cover, "close_cover": self._close_cover, "jam": self._jam,
            "clear_jam": self._clear_jam, "cutter_fault": self._cutter_fault, "mend_cutter": self._mend_cutter,
            "power_cycle": self._power_cycle,
        }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        return {
            "papers": list(self._roll.papers), "printed_total": self._roll.printed_total,
            "partial_total": self._roll.partial_total, "lines_left": self._roll.left,
            "paper": "out" if self._roll.out else "low" if self._roll.low else "full",
            "cover_open": self._cover_open, "jammed": self._jammed, "cutter_broken": self._cutter_broken,
            "waiting_bytes": self._waiting_bytes, "overflow_bytes": self._overflow,
            "unknown_commands": self._page.unknown,
        }  # fmt: skip

    def advance(self, now: float) -> Output:
        return [*self._work(now), *self._changed(now)]

    def receive(self, data: bytes, now: float) -> Output:
        sent: Output = []
        for token in self._stream.feed(data):
            if token.name.startswith("DLE"):
                sent += self._real_time(token, now)
            elif self._waiting_bytes + len(token.raw) > BUFFER_HOLDS:
                self._overflow += len(token.raw)
            else:
                self._waiting.append(token)
                self._waiting_bytes += len(token.raw)
        return sent + self.advance(now)

    # --- status ---------------------------------------------------------------------------------------------

    @property
    def _error(self) -> bool:
        return self._jammed or self._cutter_broken

    @property
    def _off_line(self) -> bool:
        return self._cover_open or self._roll.out or self._error

    def _real_time(self, token: Token, now: float) -> Output:
        if token.name == "DLE EOT" and token.args[0] in (1, 2, 3, 4):
            return [(now + REAL_TIME_S, bytes((self._real_time_status(token.args[0]),)))]
        clears = token.name == "DLE ENQ" and token.args[0] == 2
        if clears or (token.name == "DLE DC4" and token.args == CLEAR_BUFFERS):
            self._clear_buffers()
        return []

    def _real_time_status(self, n: int) -> int:
        if n == 1:
            return FIXED | self._off_line * 0x08
        if n == 2:
            return FIXED | self._cover_open * 0x04 | self._roll.out * 0x20 | self._error * 0x40
        if n == 3:
            return FIXED | self._jammed * 0x04 | self._cutter_broken * 0x08
        return FIXED | self._roll.low * 0x0C | self._roll.out * 0x60

    def _automatic_status(self) -> bytes:
        first = 0x10 | self._off_line * 0x08 | self._cover_open * 0x20
        second = self._jammed * 0x04 | self._cutter_broken * 0x08
        return bytes((first, second, self._roll.low * 0x03 | self._roll.out * 0x0C, 0))

    def _changed(self, now: float) -> Output:
        """Automatic status back: once when it is switched on, then at every change of a watched group."""
        status = self._automatic_status()
        if not self._watched or self._relevant(status) == self._relevant(self._told):
            return []
        self._told = status
        return [(now + REAL_TIME_S, status)]

    def _relevant(self, status: bytes) -> tuple[int, ...]:
        groups = ((ON_LINE_CHANGE, 0), (ERROR_CHANGE, 1), (PAPER_CHANGE, 2))
        return tuple(status[at] for bit, at in groups if status and self._watched & bit)

    # --- work -----------------------------------------------------------------------------------------------

    def _work(self, now: float) -> Output:
        """Obey what waits in the buffer, as far as the printer is on-line."""
        sent: Output = []
        while self._waiting and not self._off_line:
            token = self._waiting.popleft()
            self._waiting_bytes -= len(token.raw)
            before = self._roll.left
            rest = self._obey(token)
            if rest:  # the paper ended inside a piece of text: what follows waits for a new roll
                self._waiting.appendleft(Token("text", rest, rest))
                self._waiting_bytes += len(rest)
            cutting = CUT_S if token.name in CUTS else 0.0
            done = self._pace.done_at(now, max(0, before - self._roll.left) * LINE_S + cutting)
            if (answer := self._asked(token)) is not None:
                sent.append((done, answer))
        return sent

    def _obey(self, token: Token) -> bytes:
        self._cuts += token.name in CUTS
        return self._page.obey(token)

    def _asked(self, token: Token) -> bytes | None:
        """The answer to a command that asks; it comes after all printing before it, unlike a real-time one."""
        if token.name == "GS a":
            self._watched, self._told = token.args[0], b""
            return None
        if token.name == "GS r":
            paper = self._roll.low * 0x03 | self._roll.out * 0x0C
            return bytes((paper if token.args[0] in (1, 49) else 0,))
        if token.name == "GS g":
            return f"_{self._cuts}\0".encode() if token.args == CUTS_OF_ITS_LIFE else None
        if token.name == "GS I":
            serial = f"_{self._seed % 10**8:08d}\0".encode()
            told = {**INFORMATION, 65: self._firmware, 67: self._model, 68: serial}
            return told.get(token.args[0])
        return None

    def _clear_buffers(self) -> None:
        self._waiting.clear()
        self._waiting_bytes = 0
        self._roll.discard_line()

    # --- people and faults ----------------------------------------------------------------------------------

    def _paper_out(self) -> None:
        self._roll.left = 0
        self._roll.tear_off()

    def _paper_low(self) -> None:
        self._roll.left = min(self._roll.left, self._roll.near_end)

    def _load_paper(self) -> None:
        self._roll.tear_off()
        self._roll.load()

    def _open_cover(self) -> None:
        self._cover_open = True

    def _close_cover(self) -> None:
        self._cover_open = False

    def _jam(self) -> None:
        if self._roll.out:
            raise ButtonRefused("jam: expected paper in the printer, there is none")
        self._jammed = True

    def _clear_jam(self) -> None:
        self._jammed = False

    def _cutter_fault(self) -> None:
        self._cutter_broken = True

    def _mend_cutter(self) -> None:
        self._cutter_broken = False

    def _power_cycle(self) -> None:
        self._clear_buffers()
        self._stream.clear()
        self._page.reset()
        self._watched = 0
