"""Walks a chain entry by entry and says where it is broken."""

from collections.abc import Iterable

from cloud.audit.model import GENESIS, Anchor, Entry, Head, Kind, Problem, Verdict
from cloud.audit.states.chain import digest

PURGED = "audit.purged"
MOST_PROBLEMS = 100


class Checker:
    """Give it every entry in order with ``see``, then ask ``verdict``.

    ``after``: where the walk begins (None: at the first entry there is, which must be sequence 1 or follow what an
    ``audit.purged`` entry says was removed when its time was over).
    """

    def __init__(self, anchors: Iterable[Anchor] = (), after: Head | None = None) -> None:
        self._anchors = {(anchor.sequence, anchor.hash): anchor for anchor in anchors}
        self._expected: dict[int, set[str]] = {}
        for anchor in self._anchors.values():
            self._expected.setdefault(anchor.sequence, set()).add(anchor.hash)
        self._whole = after is None
        self._last = after or Head()
        self._began = after or Head()
        self._last_was_sound = True
        self._proved = self._last.sequence
        self._purges: set[Head] = set()
        self._count = self._seen_anchors = 0
        self._problems: list[Problem] = []

    def see(self, entry: Entry) -> None:
        """Look at the next entry."""
        if self._count == 0 and self._whole and entry.sequence > 1:
            self._began = self._last = Head(entry.sequence - 1, entry.previous)
            self._proved = self._last.sequence
        self._count += 1
        if entry.sequence > self._last.sequence + 1:
            first, until = self._last.sequence + 1, entry.sequence - 1
            self._add(Kind.MISSING, first, until, f"entries {first} to {until} are gone")
        sound = self._check_hash(entry)
        if entry.sequence <= self._last.sequence + 1:
            self._check_link(entry, sound)
        self._check_anchor(entry)
        if entry.action == PURGED:
            self._purges.add(Head(int(entry.detail.get("through", 0)), str(entry.detail.get("hash", ""))))
        self._last, self._last_was_sound = Head(entry.sequence, entry.hash), sound

    def verdict(self, head: Head | None = None) -> Verdict:
        """What was found. ``head``: where the chain must end, as the cloud remembers it; None for a part of a chain."""
        self._check_beginning()
        if head is not None:
            self._check_end(head)
            self._check_later_anchors()
        found = sorted(self._problems, key=lambda problem: (problem.sequence, problem.until))
        first = self._began.sequence + 1 if self._count else 0
        return Verdict(
            self._count, first, self._last.sequence, self._last.hash, self._seen_anchors, tuple(found[:MOST_PROBLEMS])
        )

    def _check_hash(self, entry: Entry) -> bool:
        wanted = digest(entry)
        if wanted is None:
            self._add(Kind.CHANGED, entry.sequence, entry.sequence, f"algorithm {entry.algorithm[:20]!r} is not known")
        elif wanted != entry.hash:
            self._add(Kind.CHANGED, entry.sequence, entry.sequence, "its content does not give the hash written in it")
        return wanted == entry.hash

    def _check_link(self, entry: Entry, sound: bool) -> None:
        if entry.previous == self._last.hash or not sound or not self._last_was_sound:
            return  # it fits, or the bad one is named already
        bad = max(self._last.sequence, 1)
        self._add(Kind.UNLINKED, bad, entry.sequence, f"entry {entry.sequence} remembers another hash of entry {bad}")

    def _check_anchor(self, entry: Entry) -> None:
        wanted = self._expected.get(entry.sequence)
        if wanted is None:
            return
        self._seen_anchors += 1
        if wanted == {entry.hash}:
            self._proved = entry.sequence
            return
        first = min(self._proved + 1, entry.sequence)
        what = f"an anchor saw another entry {entry.sequence}; what follows entry {self._proved} was written anew"
        self._add(Kind.REWRITTEN, first, entry.sequence, what)

    def _check_beginning(self) -> None:
        began = self._began
        if self._whole and began.sequence and began not in self._purges:
            what = f"entries 1 to {began.sequence} are gone, and no entry {PURGED} says that their time was over"
            self._add(Kind.MISSING, 1, began.sequence, what)

    def _check_end(self, head: Head) -> None:
        last = self._last
        if head.sequence > last.sequence:
            what = f"the cloud wrote up to {head.sequence}, the last entry is {last.sequence}"
            self._add(Kind.TRUNCATED, last.sequence + 1, head.sequence, what)
        elif head.sequence < last.sequence:
            what = f"the cloud wrote up to {head.sequence}, there are entries up to {last.sequence}"
            self._add(Kind.APPENDED, head.sequence + 1, last.sequence, what)
        elif head.hash != last.hash and head.hash != GENESIS:
            what = f"the cloud remembers another hash of the last entry, {last.sequence}"
            self._add(Kind.UNLINKED, last.sequence, last.sequence, what)

    def _check_later_anchors(self) -> None:
        beyond = [sequence for sequence in self._expected if sequence > self._last.sequence]
        if beyond:
            what = f"an anchor saw entry {max(beyond)}, the last entry is {self._last.sequence}"
            self._add(Kind.TRUNCATED, self._last.sequence + 1, max(beyond), what)

    def _add(self, kind: Kind, first: int, until: int, what: str) -> None:
        if len(self._problems) < MOST_PROBLEMS * 10:
            self._problems.append(Problem(kind, first, until, what))
