"""What an ESC/POS printer really answers, and its condition by the answers that mean something.

Cheap printers lie: they answer 12 ("all well") to every real-time question, have no automatic status, or a near-end
bit that never changes. So the printer is probed when it is identified, and what it has shown is kept beside what its
profile declares. Silence is never taken for "all well": what cannot be asked is unknown, and a printer that answers at
once but does not get to a question in its queue is stuck.
"""

import dataclasses
from collections.abc import Callable
from typing import cast

from device_profiles.capabilities.model import Effect
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.escpos import (
    ASK_FULL_STATUS,
    ASK_NONSENSE,
    ASK_PAPER,
    ASK_TYPE,
    WATCH_ALL,
    Condition,
    EscPosReply,
    FullStatus,
    Queued,
    RealTime,
    ask_real_time,
    condition_of_full_status,
    condition_of_queued,
    condition_of_real_time,
)
from firmware_bridge.drivers._escpos_near_end import NearEnd
from firmware_bridge.drivers._escpos_options import Options
from firmware_bridge.errors import LinkTimeout
from firmware_bridge.link import Exchange

PROBE_S = 0.3  # real-time answers come at once; a printer that takes longer has not understood
FORGET_S = 30.0  # a queued question that long without an answer was lost (the printer was switched off and on)
CUTTER = 0x02  # bit of the answer to ASK_TYPE
PRESENTER = 5

Line = Exchange[EscPosReply]


class Sensors:
    """The senses of one printer. ``observed``: has answered as declared; ``proved``: was seen to tell a change."""

    def __init__(self, options: Options, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._asks = list(options.real_time)  # the n that are worth asking
        self._honest = True
        self._has_presenter = False
        self._near_end = NearEnd(options.near_end)
        self._asked_at: float | None = None  # when the queued question that is still open was put
        self._told: Condition | None = None  # the last automatic status
        self.observed: set[str] = set()
        self.proved: set[str] = set()

    async def probe(self, line: Line) -> Condition:
        """Find out what answers, and how; raises LinkTimeout when nothing does."""
        self.observed.clear()
        self._asked_at = None
        answers = await self._real_time(line, self._options.real_time, PROBE_S)
        if not answers:
            raise LinkTimeout(f"expected an answer to DLE EOT within {PROBE_S:g} s, none came; is this a printer?")
        self._asks = sorted(answers)
        self._has_presenter = False
        self._honest = await self._is_watching(line) or not await self._answers_nonsense(line)
        if self._honest:
            self.observed |= {f"real_time_{n}" for n in answers}
        await self._probe_presenter(line)
        condition = await self.condition(line)
        if not condition.off_line:
            await self._probe_queue(line)
        return condition

    async def condition(self, line: Line) -> Condition:
        """The printer's state now. Raises LinkTimeout when a question that it has answered before stays unanswered."""
        found = await (self._by_real_time(line) if self._honest else self._by_queue(line))
        if self._options.presenter == "custom" and self._has_presenter:
            full = await line.request(ASK_FULL_STATUS, effect=Effect.READ, accept=_is_full_status)
            found = _worse(found, condition_of_full_status(cast(FullStatus, full)))
        return self._noticed(found)

    def noticed(self, reply: EscPosReply) -> None:
        """A reply that nobody waited for."""
        if isinstance(reply, Condition):
            self.observed.add("automatic_status")
            self.proved |= {"automatic_status"} if self._told not in (None, reply) else set()
            self._told = reply
        elif isinstance(reply, Queued):
            self._asked_at = None

    def used(self, *, cut: bool, qr: bool) -> None:
        """A document with these parts was processed to its end without a fault."""
        self.proved |= {name for name, was in (("cutter", cut), ("qr", qr)) if was and getattr(self._options, name)}

    def question_open(self) -> None:
        """A queued question was put and not answered: its answer may still come."""
        self._asked_at = self._clock.monotonic()

    async def settle(self, line: Line) -> None:
        """Let the answer to an open question come, so that nobody takes it for the answer to the next one."""
        if self._asked_at is not None:
            await self._queued(line)
            self._asked_at = None

    @property
    def honest(self) -> bool:
        """Whether its real-time answers mean something."""
        return self._honest

    # --- probing ------------------------------------------------------------------------------------------------

    async def _real_time(self, line: Line, wanted: list[int], within_s: float | None = None) -> dict[int, int]:
        """Answers by n; with ``within_s`` those that stay silent are left out, without it they are a LinkTimeout."""
        answers: dict[int, int] = {}
        for n in wanted:
            try:
                reply = await line.request(
                    ask_real_time(n), effect=Effect.READ, accept=_is_real_time, deadline_s=within_s
                )
            except LinkTimeout:
                if within_s is None:
                    raise
            else:
                answers[n] = cast(RealTime, reply).bits
        return answers

    async def _is_watching(self, line: Line) -> bool:
        """Whether automatic status comes when it is switched on."""
        told = await _answer(line, WATCH_ALL, _is_automatic)
        if told is None:
            return False
        self.noticed(told)
        return True

    async def _answers_nonsense(self, line: Line) -> bool:
        return await _answer(line, ASK_NONSENSE, _is_real_time) is not None

    async def _probe_presenter(self, line: Line) -> None:
        if self._options.presenter == "none":
            return
        if self._options.presenter == "custom":
            self._has_presenter = await _answer(line, ASK_FULL_STATUS, _is_full_status) is not None
        elif self._honest:  # who answers nonsense answers n = 5 as well
            self._has_presenter = await _answer(line, ask_real_time(PRESENTER), _is_real_time) is not None
        if self._has_presenter:
            self.observed.add("presenter")

    async def _probe_queue(self, line: Line) -> None:
        if self._options.information and self._options.cutter:
            answer = await _answer(line, ASK_TYPE, _is_queued)
            if answer is not None and cast(Queued, answer).bits & CUTTER:
                self.observed.add("cutter")
        if await self._queued(line) is not None:
            self.observed.add("queued_status")
        if self._near_end.usable and {"real_time_4", "queued_status"} & self.observed:
            self.observed.add("near_end")

    # --- asking -------------------------------------------------------------------------------------------------

    async def _by_real_time(self, line: Line) -> Condition:
        by_real_time = self._has_presenter and self._options.presenter == "dle_eot_5"
        found = condition_of_real_time(await self._real_time(line, self._asks + [PRESENTER] * by_real_time))
        self._prove(found)
        if found.paper_out is not None or found.off_line:
            return found
        queued = await self._queued(line)  # no real-time answer tells about paper
        if queued is None:
            return dataclasses.replace(found, off_line=True, stuck=True)
        paper = condition_of_queued(queued)
        return dataclasses.replace(found, paper_out=paper.paper_out, paper_low=paper.paper_low)

    async def _by_queue(self, line: Line) -> Condition:
        """Of a printer that says "all well" to everything: only what it processes tells something."""
        await self._real_time(line, self._asks[:1])  # LinkTimeout when it is gone
        queued = await self._queued(line)
        if queued is not None:
            return condition_of_queued(queued)
        unknown = Condition(cover_open=None, paper_out=None, mechanical_error=None, cutter_error=None)
        return dataclasses.replace(unknown, off_line=True, stuck=True)

    async def _queued(self, line: Line) -> Queued | None:
        """The answer to GS r 1, or None. One question at a time: those that wait fill the printer's buffer."""
        now = self._clock.monotonic()
        is_open = self._asked_at is not None and now - self._asked_at <= FORGET_S
        if not is_open:
            self._asked_at = now
        answer = await _answer(line, b"" if is_open else ASK_PAPER, _is_queued)
        if answer is None:
            return None
        self._asked_at = None
        return cast(Queued, answer)

    def _prove(self, found: Condition) -> None:
        """A real-time answer that complains of something is more than the 12 that every clone can say."""
        broken = found.mechanical_error or found.cutter_error or found.unrecoverable or found.head_hot
        told = (found.off_line, found.cover_open, broken, found.paper_low or found.paper_out)
        self.proved |= {f"real_time_{n}" for n, is_so in enumerate(told, 1) if is_so and n in self._asks}

    def _noticed(self, found: Condition) -> Condition:
        low = self._near_end.judge(found.paper_low, found.paper_out)
        if not self._near_end.usable:
            self.observed.discard("near_end")
        if self._near_end.proved:
            self.proved.add("near_end")
        if found.ticket_in_presenter:
            self.proved.add("presenter")
        return dataclasses.replace(found, paper_low=low)


def _worse(one: Condition, other: Condition) -> Condition:
    """Both tell about one printer: what one of them complains of is so."""
    pairs = ((field.name, getattr(one, field.name), getattr(other, field.name)) for field in dataclasses.fields(one))
    return Condition(**{name: here if there is None else bool(here or there) for name, here, there in pairs})


async def _answer(line: Line, question: bytes, accept: Callable[[EscPosReply], bool]) -> EscPosReply | None:
    """The answer to a question that not every printer understands, or None."""
    if question:
        await line.send(question)
    try:
        return await line.reply(effect=Effect.READ, accept=accept, deadline_s=PROBE_S)
    except LinkTimeout:
        return None


def _is_real_time(reply: EscPosReply) -> bool:
    return isinstance(reply, RealTime)


def _is_automatic(reply: EscPosReply) -> bool:
    return isinstance(reply, Condition)


def _is_queued(reply: EscPosReply) -> bool:
    return isinstance(reply, Queued)


def _is_full_status(reply: EscPosReply) -> bool:
    return isinstance(reply, FullStatus)
