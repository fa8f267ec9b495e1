"""How many papers a printer has cut in its life: evidence for a print whose outcome is unknown.

The question waits in the printer's queue behind everything that was sent before. An answer that did not come in time
is still on its way: it is waited for and thrown away, or an old count would be taken for a new one.
"""

from typing import cast

from device_profiles.capabilities.model import Effect
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.escpos import ASK_CUTS, EscPosReply, Information
from firmware_bridge.errors import LinkTimeout
from firmware_bridge.link import Exchange

PROBE_S = 0.5
FORGET_S = 30.0  # a question that long without an answer was lost: the printer was switched off and on


class CutCounter:
    """The counter of one printer. ``works``: it has answered since the printer was identified last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open_since: float | None = None
        self.works = False

    async def read(self, line: Exchange[EscPosReply]) -> int | None:
        """The count now, after everything that was sent; None when it cannot be told now."""
        if self._open_since is not None and not await self._drained(line):
            return None
        await line.send(ASK_CUTS)
        self._open_since = self._clock.monotonic()
        text = await self._answer(line)
        if text is None or not text.isdigit():
            return None
        self.works = True
        return int(text)

    async def _drained(self, line: Exchange[EscPosReply]) -> bool:
        """Whether no answer to an earlier question can come any more."""
        asked = self._open_since
        if await self._answer(line) is not None:
            return True
        if asked is not None and self._clock.monotonic() - asked <= FORGET_S:
            return False
        self._open_since = None
        return True

    async def _answer(self, line: Exchange[EscPosReply]) -> str | None:
        try:
            reply = await line.reply(effect=Effect.READ, accept=_is_information, deadline_s=PROBE_S)
        except LinkTimeout:
            return None
        self._open_since = None
        return cast(Information, reply).text


def _is_information(reply: EscPosReply) -> bool:
    return isinstance(reply, Information)
