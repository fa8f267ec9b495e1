"""Which sequences of one machine's epoch have arrived: everything up to a number, and ranges ahead of a gap."""

from dataclasses import dataclass, field

MAX_RANGES = 500  # a machine with more holes than this is told to send again from the first one


@dataclass(slots=True)
class Stream:
    """``contiguous``: 1 to here has arrived (0: nothing). ``ahead``: inclusive ranges behind the first gap,
    in order.
    """

    contiguous: int = 0
    ahead: list[tuple[int, int]] = field(default_factory=list)

    def add(self, first: int, last: int) -> int:
        """Note that ``first`` to ``last`` arrived; returns how many of them are new.

        0 also when the range would open more holes than we keep: it counts as not arrived and will be sent again.
        """
        if first == self.contiguous + 1 and not self.ahead:
            self.contiguous = last
            return last - first + 1
        first = max(first, self.contiguous + 1)
        new = _missing(self.ahead, first, last)
        if new and not self._merge(first, last):
            return 0
        return new

    def gap(self) -> tuple[int, int] | None:
        """The first range that is missing, if something behind it has arrived."""
        return (self.contiguous + 1, self.ahead[0][0] - 1) if self.ahead else None

    def holes(self) -> list[tuple[int, int]]:
        """Every range that is missing below the highest sequence, in order."""
        ends = [self.contiguous, *(last for _, last in self.ahead)]
        return [(end + 1, first - 1) for end, (first, _) in zip(ends, self.ahead, strict=False)]

    def missing(self) -> int:
        """How many sequences below the highest one have not arrived."""
        arrived = sum(last - first + 1 for first, last in self.ahead)
        return self.ahead[-1][1] - self.contiguous - arrived if self.ahead else 0

    def _merge(self, first: int, last: int) -> bool:
        touching = [item for item in self.ahead if item[1] >= first - 1 and item[0] <= last + 1]
        apart = [item for item in self.ahead if item[1] < first - 1 or item[0] > last + 1]
        whole = (min([first, *(item[0] for item in touching)]), max([last, *(item[1] for item in touching)]))
        merged = sorted([*apart, whole])
        if merged[0][0] == self.contiguous + 1:
            self.contiguous = merged.pop(0)[1]
        if len(merged) > MAX_RANGES:
            return False
        self.ahead = merged
        return True


def _missing(ranges: list[tuple[int, int]], first: int, last: int) -> int:
    overlap = sum(max(0, min(last, end) - max(first, start) + 1) for start, end in ranges)
    return max(0, last - first + 1 - overlap)
