"""Writes down what happens, in the transaction in which it happens, and checks what was written."""

from collections.abc import Iterable, Mapping
from typing import Any

from cloud.audit.model import Anchor, Head, Verdict
from cloud.audit.states import Checker, Draft, canonical, chained
from cloud.audit.states.wording import RULES, Rule, status_words, word, words_of
from cloud.audit.store import entries
from cloud.audit.store.anchors import AnchorFile
from cloud.core.bus import Bus
from cloud.core.clock import Clock, to_ms
from cloud.core.facts import Fact
from cloud.storage.reading import Connection
from cloud.storage.tx import Tx
from device_profiles.capabilities import CAPABILITIES


class AuditService:
    """The record. ``anchors`` is where its heads are kept apart from the database."""

    def __init__(self, anchors: AnchorFile, clock: Clock) -> None:
        self._anchors = anchors
        self._clock = clock

    def subscribe(self, bus: Bus[Tx]) -> None:
        """Write down what features and machines tell."""
        for name in CAPABILITIES:
            bus.on(f"{name}.*", self.on_status)
        for pattern, rule in RULES.items():
            bus.on(pattern, self._reaction(rule))

    def on_status(self, tx: Tx, fact: Fact) -> None:
        """A status field of a peripheral took another value. The subject is the id of the machine's message."""
        detail = status_words(fact)
        if detail is not None:
            detail["happened_ms"] = to_ms(fact.at)
            self.record(tx, word(fact.type), fact, f"{fact.machine}/{fact.epoch}/{fact.sequence}", detail)

    def record(self, tx: Tx, action: str, fact: Fact, subject: str, detail: Mapping[str, Any]) -> None:
        """Write down one thing, on behalf of whom the unit works; the place is that of ``fact``."""
        now_ms = to_ms(self._clock.now())
        draft = Draft(now_ms, str(tx.actor), action, fact.hall, fact.machine, fact.slot, subject, canonical(detail))
        tx.keep("audit.tail", lambda: _Tail(tx.conn)).append(draft)

    def note(self, tx: Tx, action: str, subject: str, detail: Mapping[str, Any]) -> None:
        """Write down something that no feature tells: the cloud's own acts."""
        self.record(tx, action, Fact(action, self._clock.now(), slot=""), subject, detail)

    def head(self, conn: Connection) -> Head:
        """Where the chain ends."""
        return entries.read_head(conn)

    def anchor(self, head: Head) -> None:
        """Keep a head apart from the database; nothing when it is the one that was kept last."""
        known = self._anchors.read()
        if head.sequence and (not known or (known[-1].sequence, known[-1].hash) != (head.sequence, head.hash)):
            self._anchors.add(Anchor(to_ms(self._clock.now()), head.sequence, head.hash))

    def anchors(self) -> list[Anchor]:
        """The heads that were kept."""
        return self._anchors.read()

    def check(self, conn: Connection, anchors: Iterable[Anchor], newest: int | None = None) -> Verdict:
        """Check the whole chain, or its ``newest`` entries, against itself, its head and the anchors."""
        return check(conn, anchors, newest)

    def _reaction(self, rule: Rule) -> "_Reaction":
        return _Reaction(self, rule)


class _Reaction:
    """Writes down the facts of one pattern."""

    def __init__(self, service: AuditService, rule: Rule) -> None:
        self._service = service
        self._rule = rule

    def __call__(self, tx: Tx, fact: Fact) -> None:
        subject, detail = words_of(self._rule, fact)
        self._service.record(tx, fact.type, fact, subject, detail)


class _Tail:
    """The end of the chain in one unit of work: read once, written once."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._head: Head | None = None
        self._new: list[Draft] = []
        self.append = self._new.append

    def flush(self) -> None:
        """Chain and write what is new."""
        if not self._new:
            return
        head, rows = self._head or entries.read_head(self._conn), []
        for draft in self._new:
            row = chained(head, draft)
            rows.append(row)
            head = Head(row["sequence"], row["hash"])
        self._head = head
        self._new.clear()
        entries.append(self._conn, rows)


def check(conn: Connection, anchors: Iterable[Anchor], newest: int | None = None) -> Verdict:
    """Check a database's chain, or its ``newest`` entries, against itself, its head and ``anchors``."""
    head = entries.read_head(conn)
    before = None if newest is None or newest >= head.sequence else entries.one(conn, head.sequence - newest)
    if before is None:
        checker, walk = Checker(anchors), entries.walk_all(conn)
    else:
        start = Head(before.sequence, before.hash)
        checker, walk = Checker(anchors, start), entries.walk(conn, before.sequence + 1)
    for entry in walk:
        checker.see(entry)
    return checker.verdict(head)
