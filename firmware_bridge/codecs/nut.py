"""Answers of a NUT server (upsd): lines of text, one by one or as a list.

Source: NUT developer guide, network protocol; aionut reads the same (two sources; the tests compare). TCP port 3493.
``BEGIN LIST VAR ups`` .. ``END LIST VAR ups``, ``OK ..``, ``ERR CODE ..``. There is no checksum; what looks like no
answer is passed over. In a value, quotes and backslashes stand behind a backslash.
"""

import re
from dataclasses import dataclass

from firmware_bridge.framing.buffer import NEED_MORE, Found, FrameBuffer, frame, skip

LONGEST_ANSWER = 32 * 1024  # a list of variables has about a hundred lines

_BEGIN = b"BEGIN LIST "
_HEADS = (_BEGIN, b"OK", b"ERR ")
_SINGLE = re.compile(rb"(?:OK(?: [^\x00-\x1f]*)?|ERR [A-Z-]+(?: [^\x00-\x1f]*)?)\n")
_OPENING = re.compile(rb"BEGIN LIST ((UPS|VAR|RW|CMD)(?: [^\x00-\x1f]+)?)\n")
_CANDIDATE = re.compile(rb"B(?:E|\Z)|O(?:K|\Z)|E(?:R|\Z)")
_CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f]")  # all but the line's end
_WORD = re.compile(r"[!#-\[\]-~]+")  # no blanks, quotes, backslashes or control characters
_LINES = {kind: re.compile(rb"(?:%s [^\x00-\x1f]*\n)*" % kind) for kind in (b"UPS", b"VAR", b"RW", b"CMD")}
_SUPPLY = re.compile(rb"^UPS ([!#-\[\]-~]+) ", re.MULTILINE)
_VARIABLE = re.compile(r'^VAR [!-~]+ ([!-~]+) "([^"\\\n]*(?:\\.[^"\\\n]*)*)"$', re.MULTILINE)
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Listing:
    """A whole list; ``of`` is what was asked for (``VAR myups``), ``text`` all its lines with both ends."""

    of: str
    text: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """``OK``, with the rest of its line."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """``ERR``: ``code`` such as ACCESS-DENIED or DATA-STALE."""

    code: str


Reply = Listing | Done | Refused


def encode_username(name: str) -> bytes:
    """The first half of a login."""
    return f"USERNAME {_checked('user name', name)}\n".encode("ascii")


def encode_password(password: str) -> bytes:
    """The second half; never logged, and an error does not repeat it."""
    return f"PASSWORD {_checked('password', password)}\n".encode("ascii")


def encode_list(of: str) -> bytes:
    """Ask for ``UPS`` (the supplies) or ``VAR`` and the name of a supply."""
    kind, *names = of.split(" ")
    return " ".join(("LIST", kind, *(_checked("ups", name) for name in names))).encode("ascii") + b"\n"


def encode_command(ups: str, name: str) -> bytes:
    """Run an instant command."""
    return f"INSTCMD {_checked('ups', ups)} {_checked('command', name)}\n".encode("ascii")


def encode_set(ups: str, variable: str, value: str) -> bytes:
    """Set a variable."""
    return f'SET VAR {_checked("ups", ups)} {_checked("variable", variable)} "{_checked("value", value)}"\n'.encode()


def parse_supplies(listing: Listing) -> list[str]:
    """The names in a list of supplies."""
    return sorted(name.decode("ascii") for name in _SUPPLY.findall(listing.text))


def parse_variables(listing: Listing) -> dict[str, str]:
    """The values in a list of variables; what is no text in UTF-8 is replaced."""
    found: list[tuple[str, str]] = _VARIABLE.findall(listing.text.decode("utf-8", "replace"))
    return {name: _ESCAPED.sub(r"\1", value) if "\\" in value else value for name, value in found}


class NutCodec:
    """The receiving side."""

    def __init__(self) -> None:
        self._buffer = FrameBuffer(_find, LONGEST_ANSWER)

    @property
    def discarded(self) -> int:
        return self._buffer.discarded

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def next_reply(self) -> Reply | None:
        found = self._buffer.next()
        return None if found is None else _reply(found)

    def reset(self) -> None:
        self._buffer.reset()


def _find(pending: bytes) -> Found:
    found = _find_here(pending[:LONGEST_ANSWER])
    if found >= 0:
        return found
    candidate = _CANDIDATE.search(pending, 1)
    return skip(candidate.start() if candidate else len(pending))


def _find_here(pending: bytes) -> Found:
    if not any(head.startswith(pending[: len(head)]) for head in _HEADS):
        return skip(1)
    end = pending.find(b"\n") + 1
    if not end:
        return skip(1) if _CONTROL.search(pending) or len(pending) == LONGEST_ANSWER else NEED_MORE
    if not pending.startswith(_BEGIN):
        return frame(end) if _SINGLE.fullmatch(pending, 0, end) else skip(1)
    opening = _OPENING.fullmatch(pending, 0, end)
    return skip(1) if opening is None else _find_list(pending, end, opening[1], opening[2])


def _find_list(pending: bytes, start: int, of: bytes, kind: bytes) -> Found:
    """A list is a list of one kind: a line of another kind means that its end was lost."""
    lines = _LINES[kind].match(pending, start)
    end = start if lines is None else lines.end()
    closing = b"END LIST " + of + b"\n"
    if pending.startswith(closing, end):
        return frame(end + len(closing))
    return NEED_MORE if pending.find(b"\n", end) < 0 and len(pending) < LONGEST_ANSWER else skip(1)


def _reply(data: bytes) -> Reply:
    if data.startswith(_BEGIN):
        return Listing(data[len(_BEGIN) : data.index(b"\n")].decode("utf-8", "replace"), data)
    if data.startswith(b"OK"):
        return Done(data)
    return Refused(data.split()[1].decode("ascii"))


def _checked(what: str, text: str) -> str:
    if not _WORD.fullmatch(text):
        raise ValueError(f"{what}: expected printable ASCII without blanks, quotes and backslashes")
    return text
