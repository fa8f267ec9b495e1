"""The exchange of CREATOR and Star TCP devices: frame, ACK, (ENQ,) the device's answer, ACK back."""

from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar, cast

from device_profiles.capabilities.model import Action, Effect
from firmware_bridge.codecs.handshake import ACK, Handshake
from firmware_bridge.errors import DeviceFault, LinkTimeout, OutcomeUnknown, TransportLost
from firmware_bridge.link import Exchange, Link

Answer = TypeVar("Answer")


class CommandRejected(DeviceFault):
    """The device understood the frame and will not carry it out now, or not at all."""

    def __init__(self) -> None:
        super().__init__("command_rejected", Action.SUSPEND, "the device rejected the command: busy, or wrong data")


class Handshaker(Generic[Answer]):
    """Asks over a link, one exchange at a time.

    A frame refused with NAK was damaged on the way and not carried out, so it is sent again whatever its effect. After
    an ACK a command with effect ONCE is never sent again. ``clear_line`` goes first when the last exchange broke off;
    ``enquiry`` follows each ACK of a device that answers only when it is asked to.
    """

    def __init__(
        self,
        link: Link[Handshake | Answer],
        *,
        attempts: int,
        ack_s: float,
        clear_line: bytes = b"",
        enquiry: bytes = b"",
    ) -> None:
        self._link = link
        self._attempts = attempts
        self._ack_s = ack_s
        self._clear_line = clear_line
        self._enquiry = enquiry
        self._broken_off = False

    async def ask(self, data: bytes, *, effect: Effect, accept: Callable[[Answer], bool]) -> Answer:
        """The device's answer to the frame ``data``.

        Raises CommandRejected, LinkTimeout (READ, IDEMPOTENT, or every try refused as damaged: nothing was carried
        out), OutcomeUnknown (ONCE), TransportLost.
        """

        def is_answer(reply: Handshake | Answer) -> bool:
            return not isinstance(reply, Handshake) and accept(reply)

        async with self._link.exchange() as line:
            if self._broken_off and self._clear_line:
                await line.send(self._clear_line)
            self._broken_off = True
            reply = await self._answered(line, data, effect, is_answer)
            self._broken_off = False
            with suppress(TransportLost, LinkTimeout):  # the outcome is known; a lost line shows at the next request
                await line.send(ACK)
        return cast(Answer, reply)

    async def order(self, data: bytes) -> None:
        """Hand over a command that the device carries out on ENQ and never answers; returns when ENQ is written.

        Until then nothing is carried out, so a frame without acknowledgement is sent again. Raises CommandRejected,
        LinkTimeout (nothing was carried out), OutcomeUnknown (the line failed while ENQ was written), TransportLost.
        """
        async with self._link.exchange() as line:
            await self._hand_over(line, data, Effect.IDEMPOTENT, enquired=Effect.ONCE)

    async def _answered(
        self,
        line: Exchange[Handshake | Answer],
        data: bytes,
        effect: Effect,
        is_answer: Callable[[Handshake | Answer], bool],
    ) -> Handshake | Answer:
        for _ in range(1, 1 if effect is Effect.ONCE else self._attempts):
            await self._hand_over(line, data, effect)
            with suppress(LinkTimeout):  # counted by the link; the command may be asked again
                return await line.reply(effect=effect, accept=is_answer)
        await self._hand_over(line, data, effect)
        return await line.reply(effect=effect, accept=is_answer)

    async def _hand_over(
        self, line: Exchange[Handshake | Answer], data: bytes, effect: Effect, *, enquired: Effect | None = None
    ) -> None:
        """Returns when the device has acknowledged the frame and was asked for its answer, where it wants that."""
        for _ in range(self._attempts):
            told = await line.request(data, effect=effect, accept=_is_handshake, deadline_s=self._ack_s)
            if told is Handshake.ACK:
                await self._enquire(line, enquired or effect)
                return
            if told is Handshake.REJECT:
                raise CommandRejected
        raise LinkTimeout(
            f"expected ACK, the device refused the frame {self._attempts} times as damaged: a noisy line?"
        )

    async def _enquire(self, line: Exchange[Handshake | Answer], effect: Effect) -> None:
        if not self._enquiry:
            return
        try:
            await line.send(self._enquiry)
        except (TransportLost, LinkTimeout) as error:
            if effect is not Effect.ONCE:
                raise
            raise OutcomeUnknown(f"the line failed between the acknowledgement and ENQ: {error}") from error


def _is_handshake(reply: object) -> bool:
    return isinstance(reply, Handshake)
