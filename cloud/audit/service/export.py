"""The record as JSON lines that can be checked without the database.

Every line is one entry as it was hashed, with its ``hash``. The last line is the tail: how many entries there are, the
hash before the first and of the last, and the SHA-256 of everything above it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

from cloud.audit.model import Anchor, Entry, Head, Kind, Problem, Verdict
from cloud.audit.states import Checker, shape
from cloud.audit.states.chain import canonical
from cloud.audit.store import entries
from cloud.core.errors import Invalid
from cloud.storage.reading import Connection

TAIL = "tail"
_NUMBERS = ("sequence", "at_ms")
_WORDS = ("actor", "action", "hall", "machine", "slot", "subject", "algorithm", "previous", "hash")
FIELDS = (*_NUMBERS, *_WORDS, "detail")


def export(conn: Connection, from_ms: int | None = None, to_ms: int | None = None) -> Iterator[str]:
    """Lines of what was written at or after ``from_ms`` and before ``to_ms``, the tail last. No gap: what lies between
    the first and the last such entry is all there.
    """
    found, whole = entries.bounds(conn, from_ms, to_ms), sha256()
    first, last, count = Head(), Head(), 0
    for entry in entries.walk(conn, *found) if found else ():
        if not count:
            first = Head(entry.sequence, entry.previous)
        line = canonical({**shape(entry), "hash": entry.hash}) + "\n"
        whole.update(line.encode())
        last, count = Head(entry.sequence, entry.hash), count + 1
        yield line
    tail = {
        "entries": count,
        "first": first.sequence,
        "last": last.sequence,
        "previous": first.hash,
        "hash": last.hash,
        "sha-256": whole.hexdigest(),
    }
    yield canonical({TAIL: tail}) + "\n"


def check_export(lines: Iterable[str], anchors: Iterable[Anchor] = ()) -> Verdict:
    """Check exported lines against themselves, their tail and ``anchors``. Raises Invalid for a line that is none."""
    whole, tail = sha256(), None
    checker: Checker | None = None
    for number, line in enumerate(lines, 1):
        if tail is not None:
            raise Invalid(f"line {number}: expected nothing behind the tail")
        found = _read(number, line)
        if TAIL in found:
            tail = found[TAIL]
            continue
        entry = _entry(number, found)
        checker = checker or Checker(anchors, Head(entry.sequence - 1, entry.previous))
        whole.update(line.encode())
        checker.see(entry)
    verdict = (checker or Checker((), Head())).verdict()
    return replace(verdict, problems=(*verdict.problems, *_against_tail(verdict, tail, whole.hexdigest())))


def _against_tail(verdict: Verdict, tail: object, whole: str) -> Iterator[Problem]:
    after = verdict.last + 1
    if not isinstance(tail, Mapping):
        yield Problem(
            Kind.TRUNCATED, after, after, "the tail is missing: the file does not end where it was written to"
        )
    elif tail.get("last") != verdict.last or tail.get("first") != verdict.first:
        what = f"the tail says entries {tail.get('first')} to {tail.get('last')}"
        yield Problem(Kind.TRUNCATED, after, after, f"{what}, the file holds {verdict.first} to {verdict.last}")
    elif (tail.get("entries"), tail.get("sha-256")) != (verdict.entries, whole):
        first = verdict.first_bad or verdict.first
        yield Problem(Kind.CHANGED, first, verdict.last, "the file is not the one that the tail was written for")


def _read(number: int, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Invalid(f"line {number}: expected a JSON object, one entry or the tail")
    return found


def _entry(number: int, found: Mapping[str, Any]) -> Entry:
    numbers = all(isinstance(found.get(name), int) for name in _NUMBERS)
    words = all(isinstance(found.get(name), str) for name in _WORDS)
    if not numbers or not words or not isinstance(found.get("detail"), dict) or len(found) != len(FIELDS):
        raise Invalid(f"line {number}: expected an entry with {', '.join(FIELDS)}")
    return Entry(**found)
