"""What may be asked of a NUT server, over the link: a request has a deadline, a stale answer is passed over, a command
with an effect goes out once, and nothing is logged, the password least of all.
"""

from device_profiles.capabilities.model import Action, Effect
from firmware_bridge.codecs.nut import (
    Done,
    Listing,
    Refused,
    Reply,
    encode_command,
    encode_list,
    encode_password,
    encode_set,
    encode_username,
    parse_supplies,
    parse_variables,
)
from firmware_bridge.errors import BridgeError, DeviceFault, PeerBrokeProtocol
from firmware_bridge.link import Link

_NOT_THERE = ("DATA-STALE", "DRIVER-NOT-CONNECTED")
_NOT_ALLOWED = ("ACCESS-DENIED", "USERNAME-REQUIRED", "PASSWORD-REQUIRED", "INVALID-USERNAME", "INVALID-PASSWORD")
_AGAIN = ("ALREADY-SET-USERNAME", "ALREADY-SET-PASSWORD")


class SupplyAbsent(BridgeError):
    """The server answers, but its driver has lost the supply."""

    transient = True


class NutClient:
    """A server's lists and commands. Every call raises SupplyAbsent, DeviceFault, PeerBrokeProtocol, LinkTimeout or
    TransportLost.
    """

    def __init__(self, link: Link[Reply]) -> None:
        self._link = link

    async def log_in(self, name: str, password: str) -> None:
        """Tell the server who we are; a second time on one connection is allowed."""
        for data in (encode_username(name), encode_password(password)):
            await self._ordered(data, Effect.IDEMPOTENT, harmless=_AGAIN)

    async def supplies(self) -> list[str]:
        """The names of the supplies that the server has."""
        return parse_supplies(await self._listed("UPS"))

    async def variables(self, ups: str) -> dict[str, str]:
        """All variables of a supply."""
        return parse_variables(await self._listed(f"VAR {ups}"))

    async def command(self, ups: str, name: str, effect: Effect) -> None:
        """Run an instant command. Raises OutcomeUnknown when it has an effect and there is no answer."""
        await self._ordered(encode_command(ups, name), effect)

    async def set_variable(self, ups: str, name: str, value: str) -> None:
        """Set a variable."""
        await self._ordered(encode_set(ups, name, value), Effect.IDEMPOTENT)

    async def _listed(self, of: str) -> Listing:
        def accept(reply: Reply) -> bool:
            return reply.of == of if isinstance(reply, Listing) else isinstance(reply, Refused)

        reply = await self._link.request(encode_list(of), effect=Effect.READ, accept=accept)
        if isinstance(reply, Refused):
            raise fault(reply.code)
        if not isinstance(reply, Listing):
            raise TypeError(f"expected a list, got {reply!r}")
        return reply

    async def _ordered(self, data: bytes, effect: Effect, harmless: tuple[str, ...] = ()) -> None:
        reply = await self._link.request(data, effect=effect, accept=lambda reply: isinstance(reply, Done | Refused))
        if isinstance(reply, Refused) and reply.code not in harmless:
            raise fault(reply.code)


def fault(code: str) -> BridgeError:
    """What an ``ERR`` means to the caller."""
    if code in _NOT_THERE:
        return SupplyAbsent(f"the server has lost the supply ({code}); look at its cable and at NUT's driver")
    if code in _NOT_ALLOWED:
        return DeviceFault(
            "access_denied", Action.CONFIGURATION, f"{code}: expected a user of upsd.users with this instcmd and SET"
        )
    if code == "UNKNOWN-UPS":
        return PeerBrokeProtocol("the server has no supply of the name in the profile's options")
    return DeviceFault("command_refused", Action.CONFIGURATION, f"the NUT server answered ERR {code}")
