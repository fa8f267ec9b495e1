"""A dispenser that works on ENQ: its questions, and movements that are proved by its flags."""

from dataclasses import dataclass

from device_profiles.capabilities.model import Action, Effect
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.dispenser_enq import ANSWERED_AS, ENQUIRY, Answer, Command, Flag, Reply, encode, parse_flags
from firmware_bridge.drivers._handshake import Handshaker
from firmware_bridge.errors import BridgeError, DeviceFault, LinkTimeout, OutcomeUnknown, PeerBrokeProtocol
from firmware_bridge.link import Link

_UNMOVED_S = 2.0  # a dispenser that heard ENQ and has not begun for so long never will


@dataclass(frozen=True, slots=True)
class Movement:
    """A command that moves a card, and the flags that tell of it."""

    command: Command
    under_way: Flag
    proof: Flag  # any of these: it was carried out
    vain: Flag  # this: somebody was quicker, there is nothing left to move


OUT = Movement(Command.DISPENSE, Flag.DISPENSING, Flag.AT_TAKING_PLACE | Flag.TAKEN_AWAY, Flag(0))
BACK = Movement(Command.CALL_BACK, Flag.CALLING_BACK, Flag.CALLED_BACK, Flag.TAKEN_AWAY)


class Dispenser:
    """One dispenser on its line. ``all_told``: it knows PB, PC and GV, so every flag can be read at any time."""

    def __init__(
        self,
        link: Link[Reply],
        clock: Clock,
        *,
        attempts: int,
        ack_s: float,
        look_s: float,
        move_s: float,
        all_told: bool,
    ) -> None:
        self.link = link
        self.all_told = all_told
        self._clock = clock
        self._attempts = attempts
        self._look_s = look_s
        self._move_s = move_s
        self._line = Handshaker[Answer](link, attempts=attempts, ack_s=ack_s, enquiry=ENQUIRY)

    async def ask(self, command: Command, effect: Effect = Effect.READ) -> bytes:
        """The three bytes of the answer."""
        return (await self._answer(command, effect)).data

    async def flags(self) -> Flag:
        """All flags, or only the most urgent (see ``all_told``)."""
        answer = await self._answer(Command.FLAGS if self.all_told else Command.STATE, Effect.READ)
        if (flags := parse_flags(answer)) is None:
            told = answer.data.hex(" ")
            raise PeerBrokeProtocol(f"flags: expected three bytes 30 to 3F, got {told}: is this a QU-CD-720M?")
        return flags

    async def pause(self) -> None:
        """Until it is worth looking again."""
        await self._clock.sleep(self._look_s)

    async def at_rest(self) -> Flag:
        """The flags when no card is on its way."""
        give_up = self._clock.monotonic() + self._move_s
        while (flags := await self.flags()) & (Flag.DISPENSING | Flag.CALLING_BACK):
            if self._clock.monotonic() >= give_up:
                raise DeviceFault("command_sequence", Action.RESET, f"a card is still on its way (flags {flags:03X})")
            await self.pause()
        return flags

    async def reset(self) -> None:
        """Reset, and wait until nothing moves."""
        try:
            await self._line.order(encode(Command.RESET))
        except OutcomeUnknown as error:  # a reset may be asked for again: not done is all that anybody has to know
            raise LinkTimeout(f"reset: {error}") from error
        await self.at_rest()

    async def carry_out(self, movement: Movement) -> Flag:
        """Order a movement and prove it; the flags at its end.

        Orders again what has provably not begun. Raises DeviceFault, LinkTimeout (nothing has moved), OutcomeUnknown.
        """
        for _ in range(self._attempts):
            if self.all_told:
                await self.ask(Command.CLEAR_FLAGS, Effect.IDEMPOTENT)
            before = await self.flags()
            missed = self.link.counters.timeouts
            await self._line.order(encode(movement.command))
            try:
                ended = await self._followed(movement, before, missed)
            except (DeviceFault, OutcomeUnknown):
                raise
            except BridgeError as error:
                raise OutcomeUnknown(f"{movement.command}: what became of the card cannot be read: {error}") from error
            if ended is not None:
                return ended
        raise LinkTimeout(f"{movement.command}: acknowledged {self._attempts} times and never begun: nothing has moved")

    async def _followed(self, movement: Movement, before: Flag, missed: int) -> Flag | None:
        """The flags when the movement has ended; None when it has provably not begun."""
        began = self._clock.monotonic()
        moved = False
        while True:
            flags = await self.flags()
            passed = self._clock.monotonic() - began
            if flags & movement.proof & ~before:
                return flags
            raise_trouble(flags)
            if flags & movement.vain:
                raise DeviceFault("no_media", Action.RESET, "the card was taken meanwhile")
            under_way = bool(flags & movement.under_way)
            if under_way and passed >= self._move_s:
                raise OutcomeUnknown(f"{movement.command}: the card is still on its way after {passed:.1f} s")
            sure = self.link.counters.timeouts == missed  # no look was missed
            if moved and not under_way:
                return _ended_unseen(flags, sure and not self.all_told)
            if not under_way and passed >= _UNMOVED_S:
                return _not_begun(flags, sure and self.all_told and flags == before)
            moved = under_way
            await self.pause()

    async def _answer(self, command: Command, effect: Effect) -> Answer:
        name = ANSWERED_AS[command]
        return await self._line.ask(encode(command), effect=effect, accept=lambda answer: answer.name == name)


def _ended_unseen(flags: Flag, sure: bool) -> Flag:
    """The movement was seen and left no proof: a card taken at once, where only the most urgent state is told."""
    if not sure:
        raise OutcomeUnknown(f"the movement ended and left no proof (flags {flags:03X}): was the power off?")
    return flags


def _not_begun(flags: Flag, sure: bool) -> Flag | None:
    if not sure:
        raise OutcomeUnknown(f"no movement was seen, and none can be excluded (flags {flags:03X})")
    return None


def raise_trouble(flags: Flag) -> None:
    """DeviceFault for a jam or a failure."""
    if Flag.JAMMED in flags:
        raise DeviceFault("media_jam", Action.MAINTENANCE, "card jam")
    if Flag.DISPENSE_FAILED in flags:
        raise DeviceFault("hardware_error", Action.MAINTENANCE, "the card could not be dispensed")
