"""The link against a peer that follows a script, on a virtual clock."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from device_profiles.capabilities.model import Effect
from firmware_bridge.errors import LinkTimeout, OutcomeUnknown, TransportLost
from firmware_bridge.framing.buffer import NEED_MORE, Found, FrameBuffer, frame
from firmware_bridge.link import LATE_REPLY_S, ROUND_TRIPS, Link
from firmware_bridge.transports.memory import MemoryTransport, VirtualClock

Answers = Sequence[tuple[float, bytes]]


class Words:
    """A codec of words that end with a full stop."""

    def __init__(self) -> None:
        self._buffer = FrameBuffer(_word, 32)

    @property
    def discarded(self) -> int:
        return self._buffer.discarded

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def next_reply(self) -> str | None:
        found = self._buffer.next()
        return None if found is None else found[:-1].decode()

    def reset(self) -> None:
        self._buffer.reset()


def _word(pending: bytes) -> Found:
    end = pending.find(b".")
    return frame(end + 1) if end >= 0 else NEED_MORE


class Scripted:
    """Answers the first thing it hears with the first entry of the script, as (delay, bytes), and so on."""

    def __init__(self, *script: Answers) -> None:
        self._script = list(script)
        self.heard: list[bytes] = []
        self.unasked: list[tuple[float, bytes]] = []

    def receive(self, data: bytes, now: float) -> list[tuple[float, bytes]]:
        self.heard.append(data)
        answers = self._script.pop(0) if self._script else []
        return [(now + delay, answer) for delay, answer in answers]

    def advance(self, now: float) -> list[tuple[float, bytes]]:
        due, self.unasked = self.unasked, []
        return due


class Line:
    def __init__(self, *script: Answers) -> None:
        self.clock = VirtualClock()
        self.peer = Scripted(*script)
        self.transport = MemoryTransport(self.peer, self.clock)
        self.unwanted: list[str] = []
        self.link = Link(
            self.transport, Words(), self.clock, reply_s=1.0, attempts=3, on_unsolicited=self.unwanted.append
        )

    async def ask(self, data: bytes = b"?", effect: Effect = Effect.READ, want: str = "") -> str:
        accept: Callable[[str], bool] = (lambda reply: reply == want) if want else (lambda _reply: True)
        return await self.link.request(data, effect=effect, accept=accept)


async def opened(*script: Answers) -> Line:
    line = Line(*script)
    await line.transport.open()
    return line


async def test_an_answer_comes_back_and_is_timed() -> None:
    line = await opened([(0.25, b"yes.")])
    assert await line.ask() == "yes"
    metrics = line.link.counters.as_metrics()
    assert metrics["requests"] == 1
    assert metrics["retries"] == 0
    assert metrics["rtt_ms_last"] == pytest.approx(250)


async def test_the_quantiles_of_the_round_trip_come_from_the_last_answers() -> None:
    line = await opened(*[[(n / 200, b"yes.")] for n in range(1, 101)])
    assert "rtt_ms_p50" not in line.link.counters.as_metrics()
    for _ in range(100):
        await line.ask()
    metrics = line.link.counters.as_metrics()
    assert metrics["rtt_ms_p50"] == pytest.approx(250)
    assert metrics["rtt_ms_p99"] == pytest.approx(495)
    line.link.counters.round_trips_s.extend([0.001] * ROUND_TRIPS)
    assert line.link.counters.as_metrics()["rtt_ms_p99"] == pytest.approx(1)


async def test_the_names_of_the_metrics_are_those_that_are_documented(repo_root: Path) -> None:
    line = await opened([(0.1, b"yes.")])
    await line.ask()
    documented = (repo_root / "docs" / "line.md").read_text()
    for name in line.link.counters.as_metrics():
        assert f"`{name}`" in documented


@pytest.mark.parametrize("effect", [Effect.READ, Effect.IDEMPOTENT])
async def test_what_may_be_repeated_is_tried_again_until_it_is_answered(effect: Effect) -> None:
    line = await opened([], [], [(0.1, b"yes.")])
    assert await line.ask(effect=effect) == "yes"
    assert line.peer.heard == [b"?", b"?", b"?"]
    assert line.link.counters.retries == 2
    assert line.link.counters.timeouts == 2


@pytest.mark.parametrize("effect", [Effect.READ, Effect.IDEMPOTENT])
async def test_silence_ends_in_a_time_out_after_all_tries(effect: Effect) -> None:
    line = await opened()
    with pytest.raises(LinkTimeout, match="3 tries"):
        await line.ask(effect=effect)
    assert len(line.peer.heard) == 3
    assert line.clock.monotonic() == pytest.approx(3 * 1.0 + 2 * LATE_REPLY_S)


async def test_what_has_an_effect_is_written_once_and_its_outcome_is_unknown() -> None:
    line = await opened([])
    with pytest.raises(OutcomeUnknown):
        await line.ask(effect=Effect.ONCE)
    assert line.peer.heard == [b"?"]


async def test_a_reply_to_something_else_is_passed_on_and_the_wait_goes_on() -> None:
    line = await opened([(0.1, b"other."), (0.2, b"yes.")])
    assert await line.ask(want="yes") == "yes"
    assert line.unwanted == ["other"]
    assert line.link.counters.stale == 1
    assert line.peer.heard == [b"?"]


async def test_a_flood_of_unwanted_replies_does_not_keep_a_request_alive() -> None:
    line = await opened(*[[(n * 0.05, b"other.") for n in range(1, 100)]] * 3)
    with pytest.raises(LinkTimeout):
        await line.ask(want="yes")
    assert line.clock.monotonic() < 5


async def test_a_late_answer_is_not_taken_for_the_answer_to_the_next_request() -> None:
    line = await opened([(1.05, b"late.")], [(0.1, b"yes.")])
    with pytest.raises(OutcomeUnknown):
        await line.ask(effect=Effect.ONCE)
    assert await line.ask() == "yes"
    assert line.unwanted == ["late"]


async def test_a_second_answer_after_a_retry_is_not_taken_for_the_next_one() -> None:
    line = await opened([(1.4, b"first.")], [(0.9, b"first.")], [(0.1, b"second.")])
    assert await line.ask() == "first"
    assert await line.ask() == "second"


async def test_a_cancelled_request_leaves_the_link_usable_and_its_answer_aside() -> None:
    line = await opened([(0.8, b"cancelled.")], [(0.1, b"yes.")])
    task = asyncio.ensure_future(line.ask())
    line.clock.at(0.5, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await line.ask() == "yes"
    assert line.unwanted == ["cancelled"]


async def test_input_from_before_a_request_is_discarded_and_counted() -> None:
    line = await opened([(0.1, b"yes.")])
    line.peer.unasked = [(0.0, b"old.")]
    assert await line.ask() == "yes"
    assert line.link.counters.discarded_bytes == 4


async def test_half_a_frame_is_discarded_before_the_next_try() -> None:
    line = await opened([(0.1, b"ye")], [(0.1, b"yes.")])
    assert await line.ask() == "yes"
    assert line.link.counters.discarded_bytes == 2


async def test_a_line_lost_while_waiting_is_lost_for_a_read() -> None:
    line = await opened([(0.8, b"yes.")])
    line.clock.at(0.5, line.transport.unplug)
    with pytest.raises(TransportLost):
        await line.ask()
    assert len(line.peer.heard) == 1


async def test_a_line_lost_after_an_effect_was_asked_for_leaves_it_unknown() -> None:
    line = await opened([(0.8, b"yes.")])
    line.clock.at(0.5, line.transport.unplug)
    with pytest.raises(OutcomeUnknown, match="unplugged"):
        await line.ask(effect=Effect.ONCE)


async def test_a_line_known_to_be_lost_refuses_an_effect_before_any_byte_goes_out() -> None:
    line = await opened()
    line.transport.unplug()
    with pytest.raises(TransportLost):
        await line.ask(effect=Effect.ONCE)


async def test_an_exchange_takes_several_steps_even_when_their_answers_come_at_once() -> None:
    line = await opened([(0.1, b"ack.done.")])
    async with line.link.exchange() as steps:
        await steps.request(b"go", effect=Effect.ONCE, accept=lambda reply: reply == "ack")
        assert await steps.reply(effect=Effect.ONCE, accept=lambda reply: reply == "done") == "done"
        await steps.send(b"thanks")
    assert line.peer.heard == [b"go", b"thanks"]


async def test_a_missing_later_step_is_unknown_for_an_effect_and_a_time_out_otherwise() -> None:
    line = await opened()
    async with line.link.exchange() as steps:
        with pytest.raises(OutcomeUnknown):
            await steps.reply(effect=Effect.ONCE, accept=lambda _reply: True)
        with pytest.raises(LinkTimeout):
            await steps.reply(effect=Effect.READ, accept=lambda _reply: True, deadline_s=0.2)


async def test_nobody_gets_between_the_steps_of_an_exchange() -> None:
    line = await opened([(0.5, b"ack.")], [], [(0.1, b"yes.")])

    async def several() -> None:
        async with line.link.exchange() as steps:
            await steps.request(b"go", effect=Effect.ONCE, accept=lambda _reply: True)
            await steps.send(b"thanks")

    async with asyncio.TaskGroup() as group:
        group.create_task(several())
        group.create_task(line.ask(b"other"))
    assert line.peer.heard == [b"go", b"thanks", b"other"]


async def test_unasked_replies_are_received_one_by_one_until_the_deadline() -> None:
    line = await opened()
    line.peer.unasked = [(0.3, b"one.two.")]
    assert await line.link.receive(1.0) == "one"
    assert await line.link.receive(0.0) == "two"
    assert await line.link.receive(0.5) is None
    assert line.link.counters.unsolicited == 2
    assert line.clock.monotonic() == pytest.approx(0.8)


async def test_a_nested_deadline_ends_only_its_own_block() -> None:
    clock = VirtualClock()
    async with clock.timeout(10):
        with pytest.raises(TimeoutError):
            async with clock.timeout(1):
                await clock.sleep(5)
        assert clock.monotonic() == 1
        await clock.sleep(2)
    with pytest.raises(TimeoutError):
        async with clock.timeout(1), clock.timeout(20):
            await clock.sleep(5)
    assert clock.monotonic() == 4
