"""A roll of thermal paper under a print head: text set in columns, QR codes, cuts, and an end."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import segno

DOTS_PER_LINE = 30  # the default line spacing of a 203 dpi head, 3.75 mm
PAPERS_KEPT = 50


@dataclass
class Sheet:
    """What has come out since the last cut."""

    lines: list[str] = field(default_factory=list)
    qr: list[str] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)

    def done(self, cut: bool) -> dict[str, Any]:
        """The sheet as an onlooker reads it; empty lines at its end do not count."""
        lines = self.lines[:]
        while lines and not lines[-1]:
            lines.pop()
        return {"lines": lines, "qr": self.qr, "cut": cut, "raw_hex": self.raw.hex()}


class PaperRoll:
    """``left`` lines of paper; ``columns`` narrow characters fit on one line, a Chinese one takes two."""

    def __init__(self, lines: int, near_end: int, columns: int) -> None:
        self.length, self.near_end, self._columns = lines, near_end, columns
        self.left = lines
        self.papers: deque[dict[str, Any]] = deque(maxlen=PAPERS_KEPT)
        self.printed_total = 0
        self.partial_total = 0
        self._sheet = Sheet()
        self._line = ""
        self._used = 0
        self._tallest = 1

    @property
    def low(self) -> bool:
        """The near-end sensor: set by an almost empty roll and by no paper at all."""
        return self.left <= self.near_end

    @property
    def out(self) -> bool:
        """The paper-end sensor."""
        return self.left <= 0

    def record(self, raw: bytes) -> None:
        """Bytes that belong to the sheet being printed."""
        self._sheet.raw += raw

    def put(self, character: str, width: int, height: int) -> None:
        """Set one character; a full line is printed first."""
        if self._used + width > self._columns:
            self.end_line()
        self._line += character
        self._used += width
        self._tallest = max(self._tallest, height)

    def end_line(self) -> None:
        """Print what has been set, and feed."""
        line, tall = self._line, self._tallest
        self.discard_line()
        self._sheet.lines.append(line)
        self._feed(tall)

    def discard_line(self) -> None:
        """Forget what has been set and not printed."""
        self._line, self._used, self._tallest = "", 0, 1

    def feed(self, lines: int) -> None:
        """Print what has been set and feed that many lines."""
        if self._line:
            self.end_line()
            lines -= 1
        self._sheet.lines += [""] * max(0, lines)
        self._feed(max(0, lines))

    def picture(self, dots: int) -> None:
        """An image of that height."""
        if self._line:
            self.end_line()
        self._feed(-(-dots // DOTS_PER_LINE))

    def qr(self, data: bytes, level: str, module: int) -> None:
        """A QR code with modules of so many dots."""
        text = data.decode(errors="replace")
        # Only its size matters here, so the search for the best mask is left out.
        size = segno.make_qr(data, error=level, boost_error=False, mask=0).symbol_size(border=0)[1]
        self.picture(int(size) * module)
        self._sheet.qr.append(text)

    def cut(self) -> None:
        """Part the sheet from the roll; a cut where nothing was printed makes no paper."""
        if self._line:
            self.end_line()
        if self._sheet.lines or self._sheet.qr:
            self._keep(cut=True)

    def tear_at_edge(self) -> None:
        """A citizen tears a whole sheet off at the edge that it was fed to."""
        if self._sheet.lines or self._sheet.qr:
            self.printed_total += 1
            self._keep(cut=False)

    def tear_off(self) -> None:
        """The roll was changed or ran out: what was printed falls out without a cut."""
        if self._sheet.lines or self._sheet.qr:
            self.partial_total += 1
            self._keep(cut=False)
        self.discard_line()

    def load(self) -> None:
        """A new roll."""
        self.left = self.length

    def _keep(self, cut: bool) -> None:
        self.papers.append(self._sheet.done(cut))
        self.printed_total += cut
        self._sheet = Sheet()

    def _feed(self, lines: int) -> None:
        self.left = max(0, self.left - lines)
        if self.out:
            self.tear_off()
