"""The ESC/POS printers there are: an honest one, a kiosk printer with a presenter, and a cheap clone that lies."""

from collections.abc import Callable, Mapping
from typing import Any

from simulators.errors import ButtonRefused
from simulators.peripherals.escpos_printer import FIXED, REAL_TIME_S, TicketPrinter
from simulators.peripherals.escpos_stream import Token
from simulators.peripherals.peer import Output, Surroundings

FULL_STATUS = 0x14
LINES_TO_EDGE = 3  # between head and tear-off edge


class LyingClone(TicketPrinter):
    """A cheap printer that says "all well" (12) to every DLE EOT, also to those that do not exist.

    It has no automatic status, no GS I, no DLE DC4 and no cutter: a sheet that was fed to the edge is torn off there.
    The near-end bits of GS r are always set. While the paper is out it processes what it gets, so the text is lost and
    GS r tells; with the cover open it does nothing.
    """

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "lost_bytes": self._lost}

    @property
    def _off_line(self) -> bool:
        return self._cover_open or self._error

    def _real_time(self, token: Token, now: float) -> Output:
        return [(now + REAL_TIME_S, bytes((FIXED,)))] if token.name == "DLE EOT" else []

    def _obey(self, token: Token) -> bytes:
        if self._roll.out:
            self._lost += len(token.raw)
            return b""
        rest = b"" if token.name == "GS V" else super()._obey(token)
        if token.name == "ESC d" and token.args[0] >= LINES_TO_EDGE:
            self._roll.tear_at_edge()
        return rest

    def _asked(self, token: Token) -> bytes | None:
        return bytes((0x03 | self._roll.out * 0x0C,)) if token.name == "GS r" else None


class PresenterPrinter(TicketPrinter):
    """A kiosk printer of Custom's kind: a cut ticket waits in the presenter, and ``DLE EOT 14h`` tells all in 6 bytes.

    The frame of that answer is in the KPM150-H manual; its bits are from memory. It has no automatic status.
    """

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "presenter": self._presented, "taken_total": self._taken}

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {**super().buttons, "take_ticket": self._take_ticket}

    def _real_time(self, token: Token, now: float) -> Output:
        if token.name == "DLE EOT" and token.args[0] == FULL_STATUS:
            return [(now + REAL_TIME_S, self._full_status())]
        return super()._real_time(token, now)

    def _full_status(self) -> bytes:
        paper = self._roll.out * 0x01 | self._roll.low * 0x04 | self._presented * 0x20
        return bytes((0x10, 0x0F, paper, self._cover_open * 0x02, self._jammed * 0x40, self._cutter_broken * 0x01))

    def _obey(self, token: Token) -> bytes:
        before = self._roll.printed_total
        rest = super()._obey(token)
        self._presented = self._presented or self._roll.printed_total > before
        return rest

    def _asked(self, token: Token) -> bytes | None:
        return None if token.name == "GS a" else super()._asked(token)

    def _take_ticket(self) -> None:
        if not self._presented:
            raise ButtonRefused("take_ticket: expected a ticket in the presenter, there is none")
        self._presented = False
        self._taken += 1


BEHAVIOUR: dict[str, type[TicketPrinter]] = {
    "honest": TicketPrinter, "lies": LyingClone, "presenter": PresenterPrinter
}  # fmt: skip


def open_peer(around: Surroundings) -> TicketPrinter:
    """A printer with a full roll and a shut cover; the profile's simulator option ``behaviour`` says of which kind."""
    return BEHAVIOUR[around.word("behaviour", "honest")](around)
