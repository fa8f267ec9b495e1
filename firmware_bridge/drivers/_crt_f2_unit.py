"""The exchange with a card unit of CREATOR's F2 family: questions, jams, and a unit whose power came back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from device_profiles.capabilities.model import Effect
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.crt_f2 import (
    CLEAR_LINE,
    DEVICE_STATUS,
    Answer,
    Cm,
    Init,
    Negative,
    Positive,
    Reply,
    encode,
)
from firmware_bridge.drivers._crt_f2_faults import JAMMED, NOT_RESET, fault
from firmware_bridge.drivers._handshake import Handshaker
from firmware_bridge.errors import BridgeError, DeviceFault
from firmware_bridge.link import Link

_JAM_PROBE_S = 5.0


class CardUnit:
    """One unit on its line. ``jammed`` from a movement that met a jam until one succeeds or a probe does; of a unit
    whose status tells of jams also until its status is good again.

    A unit refuses everything (B0) after its power came back. It is initialised then, the card left where it is, and
    the command sent again, which is safe because B0 says that it was not carried out.
    """

    def __init__(self, link: Link[Reply], clock: Clock, *, address: int, attempts: int, ack_s: float) -> None:
        self.link = link
        self.jammed = False
        self._status_tells = False  # not every model answers its status with error 10 while a card is jammed
        self._clock = clock
        self._address = address
        self._line = Handshaker[Answer](link, attempts=attempts, ack_s=ack_s, clear_line=CLEAR_LINE)
        self._next_probe = 0.0

    async def place(self) -> int:
        """ST0: see ``CardPlace``."""
        return (await self.ask(Cm.STATUS, DEVICE_STATUS)).card

    async def probe(self) -> None:
        """Initialise without moving a card; whether that works is the evidence for or against a jam."""
        self._next_probe = self._clock.monotonic() + _JAM_PROBE_S
        with suppress(DeviceFault):  # a unit that cannot move is still there: its status tells
            await self.ask(Cm.INIT, Init.LEAVE, effect=Effect.IDEMPOTENT)

    async def probe_if_due(self) -> None:
        """``probe``, but not at the pace of polling: it lets the motor try."""
        if self._clock.monotonic() >= self._next_probe:
            await self.probe()

    @asynccontextmanager
    async def bracketed(self, begin: tuple[int, int], end: tuple[int, int]) -> AsyncIterator[None]:
        """``begin`` before and ``end`` after, also when the body fails or is cancelled: then that is what counts."""
        try:
            await self.ask(*begin, effect=Effect.IDEMPOTENT)
            yield
        except BaseException:
            with suppress(BridgeError):
                await self.ask(*end, effect=Effect.IDEMPOTENT)
            raise
        await self.ask(*end, effect=Effect.IDEMPOTENT)

    async def ask(self, command: int, parameter: int, data: bytes = b"", *, effect: Effect = Effect.READ) -> Positive:
        answer = await self._answer(command, parameter, data, effect)
        if isinstance(answer, Negative) and answer.error == NOT_RESET:
            self._positive(await self._answer(Cm.INIT, Init.LEAVE, b"", Effect.IDEMPOTENT))
            answer = await self._answer(command, parameter, data, effect)
        return self._positive(answer)

    async def _answer(self, command: int, parameter: int, data: bytes, effect: Effect) -> Answer:
        def accept(answer: Answer) -> bool:
            echoed = (answer.address, answer.command, answer.parameter)
            return echoed == (self._address, command, parameter)

        return await self._line.ask(encode(self._address, command, parameter, data), effect=effect, accept=accept)

    def _positive(self, answer: Answer) -> Positive:
        if isinstance(answer, Negative):
            self.jammed = self.jammed or answer.error == JAMMED
            self._status_tells = self._status_tells or (answer.error == JAMMED and answer.command == Cm.STATUS)
            raise fault(answer)
        if answer.command in (Cm.INIT, Cm.MOVE) or (answer.command == Cm.STATUS and self._status_tells):
            self.jammed = False
        return answer
