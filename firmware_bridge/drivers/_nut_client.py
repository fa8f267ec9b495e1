"""aionut on our own line: it makes the requests and reads the answers, the link carries them.

aionut opens a connection of its own, forgets nothing after a time-out (a late answer would answer the next request),
repeats a command after a lost connection, and writes what it sends, the password too, into the debug log. On the link a
request has a deadline, a stale answer is passed over, and a command with an effect goes out once. Only its ``_connect``
is replaced; the login does not go through it.
"""

import logging
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

from aionut import AIONUTClient, NUTError

from device_profiles.capabilities.model import Action, Effect
from firmware_bridge.codecs.nut import Done, Listing, Refused, Reply, encode_password, encode_set, encode_username
from firmware_bridge.errors import BridgeError, DeviceFault, PeerBrokeProtocol
from firmware_bridge.link import Link

Answer = TypeVar("Answer")

logging.getLogger("aionut").setLevel(logging.INFO)  # at DEBUG it writes whole answers

_BACKSTOP_S = 3600.0  # the link has the deadlines; aionut's own must never come first
_NOT_THERE = ("DATA-STALE", "DRIVER-NOT-CONNECTED")
_NOT_ALLOWED = ("ACCESS-DENIED", "USERNAME-REQUIRED", "PASSWORD-REQUIRED", "INVALID-USERNAME", "INVALID-PASSWORD")
_AGAIN = ("ALREADY-SET-USERNAME", "ALREADY-SET-PASSWORD")


class SupplyAbsent(BridgeError):
    """The server answers, but its driver has lost the supply."""

    transient = True


class NutClient(AIONUTClient):
    """aionut's methods, raising our errors."""

    def __init__(self, link: Link[Reply]) -> None:
        super().__init__(timeout=_BACKSTOP_S)
        self._carrier = _Carrier(link)
        self._link = link

    async def _connect(self) -> None:
        self._reader = cast(StreamReader, self._carrier)
        self._writer = cast(StreamWriter, self._carrier)
        self._connected = True

    async def log_in(self, name: str, password: str) -> None:
        """Tell the server who we are; a second time on one connection is allowed. Raises DeviceFault."""
        for data in (encode_username(name), encode_password(password)):
            reply = await self._link.request(data, effect=Effect.IDEMPOTENT, accept=_is_done_or_refused)
            if isinstance(reply, Refused) and reply.code not in _AGAIN:
                raise fault(reply.code)

    async def supplies(self) -> list[str]:
        """The names of the supplies that the server has."""
        return sorted(await self._told(self.list_ups()))

    async def variables(self, ups: str) -> dict[str, str]:
        """All variables of a supply. Raises SupplyAbsent, DeviceFault."""
        return await self._told(self.list_vars(ups))

    async def command(self, ups: str, name: str, effect: Effect) -> None:
        """Run an instant command. Raises OutcomeUnknown when it has an effect and there is no answer."""
        self._carrier.effect = effect
        try:
            await self._told(self.run_command(ups, name))
        finally:
            self._carrier.effect = Effect.READ

    async def set_variable(self, ups: str, name: str, value: str) -> None:
        """Set a variable, which aionut cannot."""
        data = encode_set(ups, name, value)
        reply = await self._link.request(data, effect=Effect.IDEMPOTENT, accept=_is_done_or_refused)
        if isinstance(reply, Refused):
            raise fault(reply.code)

    async def _told(self, call: Coroutine[Any, Any, Answer]) -> Answer:
        try:
            return await call
        except NUTError as error:
            raise PeerBrokeProtocol(f"the answer of the NUT server is not as its protocol says: {error}") from error


class _Carrier:
    """What aionut takes for the two streams of its connection: a request written is answered by a line and its rest."""

    def __init__(self, link: Link[Reply]) -> None:
        self._link = link
        self._request = b""
        self._answer = b""
        self.effect = Effect.READ

    def write(self, data: bytes) -> None:
        self._request = data

    def close(self) -> None:
        """The line stays with the driver."""
        self._request = self._answer = b""

    async def readline(self) -> bytes:
        request, self._request, self._answer = self._request, b"", b""
        reply = await self._link.request(request, effect=self.effect, accept=_answers(request))
        if isinstance(reply, Refused):
            raise fault(reply.code)
        line, newline, self._answer = _ascii(reply.text).partition(b"\n")
        return line + newline

    async def readuntil(self, separator: bytes) -> bytes:
        rest, self._answer = self._answer, b""
        if not rest.endswith(separator):
            raise PeerBrokeProtocol(f"expected a list that ends with {separator!r}")
        return rest


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


def _answers(request: bytes) -> Callable[[Reply], bool]:
    """Whether a reply may answer this request: a list names what it is a list of; OK and ERR do not."""
    words = request.decode("ascii").split(maxsplit=1)
    of = words[1].strip() if words[0] == "LIST" else None

    def accept(reply: Reply) -> bool:
        if isinstance(reply, Listing):
            return reply.of == of
        return isinstance(reply, Refused) or of is None

    return accept


def _is_done_or_refused(reply: Reply) -> bool:
    return isinstance(reply, Done | Refused)


def _ascii(text: bytes) -> bytes:
    """aionut reads ASCII; a description may be in any script."""
    return bytes(byte if byte < 0x80 else 0x3F for byte in text)
