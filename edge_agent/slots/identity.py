"""Whether the device that answers is the one that the slot is made for."""

import re
from collections.abc import Awaitable, Callable

from device_profiles.capabilities.model import AMBIGUOUS_DEVICE, WRONG_DEVICE, Identity
from device_profiles.schema.peripheral import PeripheralProfile
from edge_agent.errors import AgentError
from edge_agent.ports import Place, Refusal, Sighting
from firmware_bridge.drivers import Driver
from firmware_bridge.errors import BridgeError, PeerBrokeProtocol, TransportLost

Connect = Callable[[str], Awaitable[Driver]]
"""Opens what is at an address and gives the driver on it. Raises BridgeError."""


class DeviceRefused(AgentError):
    """A device is there and must not be used as this slot's."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.words)
        self.refusal = refusal


async def identified(driver: Driver, slot: str, profile: PeripheralProfile, address: str) -> Identity:
    """Who is there. Raises DeviceRefused when it is no device of ``profile``, and BridgeError."""
    try:
        identity = await driver.identify()
    except PeerBrokeProtocol as error:
        raise DeviceRefused(_wrong(slot, profile, address, f"an answer of another kind ({error})")) from error
    pattern = profile.match.identify
    if pattern and identity.model and not re.search(pattern, identity.model):
        raise DeviceRefused(_wrong(slot, profile, address, f"one that calls itself {identity.model!r}"))
    return identity


async def sort_out(slot: str, profile: PeripheralProfile, place: Place, sighting: Sighting, connect: Connect) -> str:
    """The address of the one device among several that is this slot's, held for it.

    Every one is asked who it is. Raises TransportLost when none is ours, DeviceRefused when more than one is.
    """
    async with place.turn:
        ours = [address for address in sighting.addresses if await _is_ours(address, slot, profile, place, connect)]
        if not ours:
            looked_at = ", ".join(sighting.addresses)
            raise TransportLost(f"{looked_at}: none of these says that it is {profile.name}")
        if len(ours) > 1:
            words = (
                f"{' and '.join(ours)} all say that they are {profile.name}; nobody can tell which one belongs into "
                f"ports.{slot}: write its socket there, such as 'usb:path=1-1.2' (hallfleet edge check shows them)"
            )
            raise DeviceRefused(Refusal(AMBIGUOUS_DEVICE, words))
        place.hold(ours[0])
        return ours[0]


async def _is_ours(address: str, slot: str, profile: PeripheralProfile, place: Place, connect: Connect) -> bool:
    try:
        driver = await connect(address)
        try:
            await identified(driver, slot, profile, address)
        finally:
            await driver.close()
    except (BridgeError, DeviceRefused):
        place.pass_over(address)
        return False
    return True


def _wrong(slot: str, profile: PeripheralProfile, address: str, got: str) -> Refusal:
    model = f", model matching {profile.match.identify!r}" if profile.match.identify else ""
    words = (
        f"{address}: expected {profile.name}{model} for slot {slot}, got {got}; "
        f"plug in the right device, or correct ports.{slot}"
    )
    return Refusal(WRONG_DEVICE, words)
