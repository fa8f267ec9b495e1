"""Finds an SAM_V module that was left at another speed and brings it to the one of its profile (command 60)."""

from device_profiles.capabilities.model import Effect
from device_profiles.errors import ProfileError
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.sam_v import BAUD_RATES, STATUS, SamCodec, set_baud
from firmware_bridge.errors import LinkTimeout
from firmware_bridge.link import Link
from firmware_bridge.transports import AdjustableSpeed, Transport

PROBE_S = 0.3  # a module answers the status command at once


class Speed:
    """The line's speed. A line without one (USB, TCP) is left as it is. Raises ProfileError for an unknown rate."""

    def __init__(self, profile: PeripheralProfile, transport: Transport, clock: Clock) -> None:
        self._wanted = profile.line.baud
        if self._wanted not in BAUD_RATES:
            rates = ", ".join(map(str, BAUD_RATES))
            raise ProfileError(
                f"{profile.id}.toml: line.baud: with find_baud expected one of {rates}, got {self._wanted}"
            )
        self._transport = transport
        self._probe = Link(transport, SamCodec(), clock, reply_s=PROBE_S, attempts=1)

    async def settle(self) -> None:
        """Leave line and module at the profile's rate, or only the line when no module answers at any.

        Raises TransportLost; LinkTimeout when the module answers at another rate and does not take the command.
        """
        if not isinstance(self._transport, AdjustableSpeed):
            return
        found = await self._find(self._transport)
        if found not in (None, self._wanted):
            change = set_baud(self._wanted)
            await self._probe.request(change.encode(), effect=Effect.IDEMPOTENT, accept=change.is_answered_by)
        self._transport.set_baud(self._wanted)

    async def _find(self, line: AdjustableSpeed) -> int | None:
        others = (baud for baud in BAUD_RATES if baud != self._wanted)
        for baud in (self._wanted, *others):
            line.set_baud(baud)
            try:
                await self._probe.request(STATUS.encode(), effect=Effect.READ, accept=STATUS.is_answered_by)
            except LinkTimeout:
                continue
            return baud
        return None
