"""Door and tamper loop behind a small board that tells their levels and edges.

Written from the records' document: ``47 3F 78`` asks for all levels, ``47 4C mask count xor`` answers, ``47 45 line
level xor`` is told unasked when a level changes. Active (1) is a broken loop. Lines: door, tamper, as far as wired.
"""

from collections.abc import Callable, Mapping
from typing import Any

from simulators.errors import ButtonRefused
from simulators.peripherals.peer import Inbox, Output, Surroundings, xor

ASK = bytes((0x47, 0x3F, 0x78))
REPLY_S = 0.001


class Board:
    """Loops that people open and cut."""

    def __init__(self, around: Surroundings) -> None:
        self._lines = [name for name in ("door", "tamper") if around.profile.options.get(name)]
        self._broken = dict.fromkeys(self._lines, False)
        self._inbox = Inbox()
        self._edges: list[bytes] = []

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {
            "open_door": lambda: self._set("door", True), "close_door": lambda: self._set("door", False),
            "cut_wire": lambda: self._set("tamper", True), "mend_wire": lambda: self._set("tamper", False),
        }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        return {"broken": [name for name, broken in self._broken.items() if broken]}

    def advance(self, now: float) -> Output:
        told, self._edges = self._edges, []
        return [(now, edge) for edge in told]

    def receive(self, data: bytes, now: float) -> Output:
        sent = self.advance(now)
        self._inbox.add(data, now)
        while self._inbox.seek(ASK[:2]) and len(self._inbox.data) >= len(ASK):
            if self._inbox.data[: len(ASK)] != ASK:
                self._inbox.drop(1)
                continue
            self._inbox.take(len(ASK))
            mask = sum(broken << line for line, broken in enumerate(self._broken.values()))
            sent.append((now + REPLY_S, _record(0x4C, mask, len(self._lines))))
        return sent

    def _set(self, name: str, broken: bool) -> None:
        if name not in self._broken:
            raise ButtonRefused(f"{name}: expected a loop that is wired ({', '.join(self._lines)})")
        if self._broken[name] != broken:
            self._broken[name] = broken
            self._edges.append(_record(0x45, self._lines.index(name), int(broken)))


def _record(kind: int, first: int, second: int) -> bytes:
    body = bytes((0x47, kind, first, second))
    return body + bytes((xor(body),))


def open_peer(around: Surroundings) -> Board:
    """All loops closed."""
    return Board(around)
