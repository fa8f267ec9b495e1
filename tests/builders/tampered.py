"""A line between a driver and a simulated device on which a test decides what becomes of each answer."""

from collections.abc import Callable, Mapping
from typing import Any

from simulators.peripherals.peer import Output, Peer
from tests.builders.bench import Bench, open_bench

Change = Callable[[bytes, Output], Output]
"""(what the host sent, the device's answers) -> what arrives at the host."""


class Tampered:
    """``change`` may be set while the test runs; None leaves the line alone. ``heard`` is what the host has sent."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.change: Change | None = None
        self.instead: Callable[[bytes], bytes | None] | None = None
        self.heard: list[bytes] = []

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return self.peer.buttons

    def snapshot(self) -> dict[str, Any]:
        return self.peer.snapshot()

    def receive(self, data: bytes, now: float) -> Output:
        """``instead`` answers in the device's place, which then hears nothing."""
        self.heard.append(data)
        if self.instead is not None and (answer := self.instead(data)) is not None:
            return [(now, answer)] if answer else []
        answers = self.peer.receive(data, now)
        return answers if self.change is None else self.change(data, answers)

    def advance(self, now: float) -> Output:
        return self.peer.advance(now)

    def count(self, start: str) -> int:
        """How often the host has sent a frame that starts so (hex)."""
        return sum(data.startswith(bytes.fromhex(start)) for data in self.heard)


async def open_tampered(
    profile_id: str, *, options: dict[str, Any] | None = None, shared: dict[str, Any] | None = None
) -> tuple[Bench, Tampered]:
    """A bench whose driver has identified its device, and the line between them; ``heard`` starts empty."""
    lines: list[Tampered] = []

    def wrap(peer: Peer) -> Tampered:
        lines.append(Tampered(peer))
        return lines[0]

    bench = await open_bench(profile_id, wrap=wrap, options=options, shared=shared)
    await bench.driver.identify()
    lines[0].heard.clear()
    return bench, lines[0]


def once(answer: Callable[[bytes], bytes | None]) -> Callable[[bytes], bytes | None]:
    """``answer`` until it has answered one time."""
    left = [1]

    def first(data: bytes) -> bytes | None:
        reply = answer(data) if left else None
        if reply is not None:
            left.clear()
        return reply

    return first


def losing(start: str, part: int, times: int = 1) -> Change:
    """Lose the ``part``-th answer (0 is the first) to the first ``times`` frames that start so."""
    left = [times]

    def change(data: bytes, answers: Output) -> Output:
        if left[0] and data.startswith(bytes.fromhex(start)):
            left[0] -= 1
            return [answer for at, answer in enumerate(answers) if at != part]
        return answers

    return change


def losing_enquired(start: str, times: int = 1) -> Change:
    """Lose the answers to the first ``times`` ENQ (05) that follow frames that start so."""
    left, asked = [times], [False]

    def change(data: bytes, answers: Output) -> Output:
        if data != b"\x05":
            asked[0] = data.startswith(bytes.fromhex(start))
            return answers
        if left[0] and asked[0]:
            left[0] -= 1
            return []
        return answers

    return change
