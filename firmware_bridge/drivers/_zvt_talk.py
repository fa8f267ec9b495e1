"""How a command of ours runs on a ZVT terminal: handed over, answered, reported on, ended by the terminal.

The terminal has the word until it ends the command with completion or abort; whatever it says meanwhile is acknowledged
on the line and answered. A frame refused with NAK was damaged on the way and not begun, so it is sent again whatever
its effect. After the line's ACK a command with effect ONCE is never sent again: a missing end is OutcomeUnknown.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from math import inf

from device_profiles.capabilities.model import Effect
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.zvt import ACK_BYTE, NAK_BYTE, Apdu, Control, Reply, Sign, ZvtCodec, encode
from firmware_bridge.codecs.zvt_fields import Fields, parse_fields
from firmware_bridge.errors import LinkTimeout, OutcomeUnknown, TransportLost
from firmware_bridge.link import Exchange, Link

_LEFTOVERS = 16  # frames of an earlier command; a terminal that goes on and on is no reason to wait for ever
_DONE = ACK_BYTE + encode(Control.DONE)


@dataclass(frozen=True, slots=True)
class Timers:
    """Seconds. ``t1``: between two bytes of a frame; ``t2``: until the line acknowledges a command with effect ONCE;
    ``t3``: until the terminal answers it; ``t4``: between two steps of a command that runs."""

    t1: float
    t2: float
    t3: float
    t4: float


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ended: ``completed``, or not begun or aborted with ``code``; ``told`` is the terminal's report."""

    completed: bool
    code: int = 0
    data: bytes = field(default=b"", repr=False)
    told: Fields | None = None


class Talk:
    """Runs commands, one at a time."""

    def __init__(self, link: Link[Reply], codec: ZvtCodec, clock: Clock, timers: Timers, attempts: int) -> None:
        self._link = link
        self._codec = codec
        self._clock = clock
        self._timers = timers
        self._attempts = attempts
        self._broken_off = False

    async def run(
        self, control: Control, data: bytes, *, effect: Effect, wait_s: float | None = None, known: str | None = None
    ) -> Ending:
        """The end of the command. After ``wait_s`` the terminal is asked to abort it; its end is awaited all the same.

        With ``known``, the name of the payment before, only a completion behind the report of another one is the end.

        Raises LinkTimeout (READ, IDEMPOTENT, or every try refused as damaged: nothing was begun), OutcomeUnknown
        (ONCE), TransportLost.
        """
        async with self._link.exchange() as line:
            await self._let_finish(line)
            self._broken_off = True
            try:
                await self._hand_over(line, encode(control, data), effect)
                answer = await self._answer(line)
                if answer.refusal is not None:
                    ending = Ending(completed=False, code=answer.refusal)
                else:
                    ending = await self._end(line, wait_s, known)
            except (LinkTimeout, TransportLost) as error:
                if effect is Effect.ONCE and not isinstance(error, _NotBegun):
                    raise OutcomeUnknown(f"{control.name}: {error}; ask the terminal for its last payment") from error
                raise
            self._broken_off = False
            return ending

    async def abort(self) -> None:
        """Ask the terminal to end what runs; its end is not awaited here."""
        await self._link.send(encode(Control.ABORT_COMMAND))

    async def _let_finish(self, line: Exchange[Reply]) -> None:
        """Take what the terminal still has to say about an earlier command, so that it gives the word back."""
        patience_s = self._timers.t1 if self._broken_off else 0.0
        for _ in range(_LEFTOVERS):
            reply = await line.receive(patience_s)
            if reply is None:
                return
            if isinstance(reply, Apdu):
                await line.send(ACK_BYTE if reply.is_answer else _DONE)
                patience_s = self._timers.t1

    async def _hand_over(self, line: Exchange[Reply], data: bytes, effect: Effect) -> None:
        """Returns when the terminal has acknowledged the frame."""
        within_s = self._timers.t2 if effect is Effect.ONCE else None
        for _ in range(self._attempts):
            sign = await line.request(data, effect=effect, accept=_is_verdict, deadline_s=within_s)
            if sign is Sign.ACK:
                return
        raise _NotBegun(
            f"expected ACK, the terminal refused the frame {self._attempts} times as damaged: a noisy line?"
        )

    async def _answer(self, line: Exchange[Reply]) -> Apdu:
        """The terminal's answer to our command; what it says about an earlier one is acknowledged and passed over."""
        give_up = self._clock.monotonic() + self._timers.t3
        while (apdu := await self._apdu(line, give_up - self._clock.monotonic())) is not None:
            if apdu.is_answer:
                await line.send(ACK_BYTE)
                return apdu
            await line.send(_DONE)
        raise LinkTimeout(f"expected an answer to the command within {self._timers.t3:g} s, none came")

    async def _end(self, line: Exchange[Reply], wait_s: float | None, known: str | None) -> Ending:
        told: Fields | None = None
        now = self._clock.monotonic()
        silent_until, abort_at, aborts = now + self._timers.t4, inf if wait_s is None else now + wait_s, 0
        while True:
            apdu = await self._apdu(line, min(silent_until, abort_at) - now)
            now = self._clock.monotonic()
            if apdu is None:
                if now >= silent_until:
                    raise LinkTimeout(f"expected the end of the command, nothing came for {self._timers.t4:g} s")
                await line.send(encode(Control.ABORT_COMMAND))  # twice does no harm
                aborts += 1
                abort_at = now + self._timers.t3 if aborts < self._attempts else inf
                continue
            silent_until = now + self._timers.t4
            if apdu.control == Control.STATUS_INFORMATION:
                report = parse_fields(apdu.data)
                told = told if report.name == known else report
            stale = apdu.control == Control.COMPLETION and known is not None and told is None
            if apdu.control in (Control.COMPLETION, Control.ABORT) and not stale:
                with suppress(TransportLost, LinkTimeout):  # the end is known; a lost line shows at the next command
                    await line.send(_DONE)
                completed = apdu.control == Control.COMPLETION
                return Ending(completed, 0 if completed else _code(apdu), apdu.data, told)
            await line.send(ACK_BYTE if apdu.is_answer else _DONE)

    async def _apdu(self, line: Exchange[Reply], within_s: float) -> Apdu | None:
        """The next APDU, or None. Half a frame that does not go on for T1, or a damaged one, is refused with NAK."""
        give_up = self._clock.monotonic() + within_s
        half = 0
        while (left_s := give_up - self._clock.monotonic()) > 0:
            reply = await line.receive(min(left_s, self._timers.t1))
            if isinstance(reply, Apdu):
                return reply
            stuck = reply is None and 0 < self._codec.half == half
            if stuck or reply is Sign.DAMAGED:
                self._codec.reset()
                await line.send(NAK_BYTE)
            half = self._codec.half
        self._link.counters.timeouts += 1
        return None


class _NotBegun(LinkTimeout):
    """Every try was refused as damaged: nothing has happened, whatever the effect."""


def _is_verdict(reply: Reply) -> bool:
    return reply is Sign.ACK or reply is Sign.NAK


def _code(apdu: Apdu) -> int:
    return apdu.data[0] if apdu.data else 0xFF  # FF: system error
