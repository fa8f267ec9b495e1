"""The exchange with a Sanwa CRP-1231: frame, ACK, then ENQ until the unit no longer runs the command."""

from device_profiles.capabilities.model import Effect
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.handshake import Handshake
from firmware_bridge.codecs.sanwa_crp import ENQUIRY, Answer, Job, Reply, encode
from firmware_bridge.errors import LinkTimeout, OutcomeUnknown, TransportLost
from firmware_bridge.link import Exchange, Link

_STRANGE_ANSWERS = 3  # so many in a row about another command: the unit has forgotten ours


class SanwaLine:
    """One unit on its line.

    The answer to ENQ names the command it is about. It is the evidence when an ACK or an answer is lost: a command that
    the unit names was heard, and one that it does not name was not, unless the same was asked just before. So a command
    with effect ONCE must follow another one.
    """

    def __init__(
        self, link: Link[Reply], clock: Clock, *, attempts: int, ack_s: float, poll_s: float, run_s: float
    ) -> None:
        self.link = link
        self._clock = clock
        self._attempts = attempts
        self._ack_s = ack_s
        self._poll_s = poll_s
        self._run_s = run_s

    async def run(self, command: int, data: bytes = b"", *, effect: Effect = Effect.READ) -> Answer:
        """The unit's answer when the command has ended, or waits for a card.

        Raises LinkTimeout (READ, IDEMPOTENT, or a command that was provably not heard), OutcomeUnknown (ONCE),
        TransportLost.
        """
        async with self.link.exchange() as line:
            await self._hand_over(line, command, encode(command, data), effect)
            return await self._ended(line, command, effect)

    async def _hand_over(self, line: Exchange[Reply], command: int, frame: bytes, effect: Effect) -> None:
        """Returns when the unit is known to have the command."""
        for _ in range(self._attempts):
            told: Reply | None = None
            try:
                told = await line.request(
                    frame, effect=Effect.ONCE, accept=lambda reply: isinstance(reply, Handshake), deadline_s=self._ack_s
                )
            except OutcomeUnknown:
                if await self._heard(line, command, effect):
                    return
            if told is Handshake.ACK:
                return
        raise LinkTimeout(
            f"command {command:02X}: sent {self._attempts} times and never taken: a noisy line? Nothing was done"
        )

    async def _heard(self, line: Exchange[Reply], command: int, effect: Effect) -> bool:
        """Asked twice, since the first answer may be a late one about the command before."""
        told = [(await self._asked(line, effect)).command for _ in range(2)]
        return command in told

    async def _ended(self, line: Exchange[Reply], command: int, effect: Effect) -> Answer:
        give_up = self._clock.monotonic() + self._run_s
        strange = 0
        while (told := await self._asked(line, effect)).command != command or told.job == Job.RUNNING:
            strange = strange + 1 if told.command != command else 0
            if strange >= _STRANGE_ANSWERS:
                raise _unfinished(effect, f"the unit tells of command {told.command:02X}: was its power off?")
            if self._clock.monotonic() >= give_up:
                raise _unfinished(effect, f"still running after {self._run_s:g} s")
            await self._clock.sleep(self._poll_s)
        return told

    async def _asked(self, line: Exchange[Reply], effect: Effect) -> Answer:
        """The answer to one ENQ, which changes nothing and may be repeated."""
        try:
            told = await line.request(
                ENQUIRY, effect=Effect.READ, accept=lambda reply: isinstance(reply, Answer), deadline_s=self._ack_s
            )
        except (LinkTimeout, TransportLost) as error:
            if effect is not Effect.ONCE:
                raise
            raise OutcomeUnknown(f"the unit could not be asked what became of the command: {error}") from error
        if not isinstance(told, Answer):
            raise TypeError(f"expected an answer, got {told!r}")
        return told


def _unfinished(effect: Effect, told: str) -> LinkTimeout | OutcomeUnknown:
    if effect is Effect.ONCE:
        return OutcomeUnknown(f"expected the end of the command, {told}: look at the card, do not repeat")
    return LinkTimeout(f"expected the end of the command, {told}")
