"""Door and tamper contacts on GPIO lines. Both are normally-closed loops: an open door or a cut wire breaks them.

Source: see ``codecs.contacts`` for the records, ``transports.gpio`` for the lines.
"""

from pydantic import model_validator

from device_profiles.capabilities.auxiliaries import AuxiliariesStatus, Cabinet, ReadingsOutput, Tamper
from device_profiles.capabilities.model import Command, DeviceState, Effect, Event, Identity, Nothing, Shape
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.contacts import ASK_LEVELS, ContactsCodec, Edge, Levels, Reply
from firmware_bridge.drivers import arguments, options_of, unsupported
from firmware_bridge.drivers._kept import kept
from firmware_bridge.errors import PeerBrokeProtocol
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport
from firmware_bridge.transports.gpio import Wires

_status = kept(AuxiliariesStatus)


class Options(Wires):
    """Which line is which contact."""

    @model_validator(mode="after")
    def _not_empty(self) -> "Options":
        if not self.in_order():
            raise ValueError("expected door, tamper or both; got neither")
        return self


class Driver:
    """A loop that was broken between two looks, however shortly, is told by the next status as broken."""

    capability = "auxiliaries"

    def __init__(self, options: Options, transport: Transport, clock: Clock, profile: PeripheralProfile) -> None:
        timing = profile.timing
        self._link: Link[Reply] = Link(
            transport,
            ContactsCodec(),
            clock,
            reply_s=timing.reply_ms / 1000,
            attempts=timing.attempts,
            on_unsolicited=self._note,
        )
        self._names = [name for name in ("door", "tamper") if getattr(options, name) is not None]
        self._broken: set[str] = set()  # since the last status

    async def identify(self) -> Identity:
        await self._levels()
        return Identity(model=f"contacts: {', '.join(self._names)}")

    async def status(self) -> AuxiliariesStatus:
        levels = await self._levels()
        broken = self._broken | {name for name, active in levels.items() if active}
        self._broken.clear()
        cabinet = Cabinet.OPEN if "door" in broken else Cabinet.CLOSED
        tamper = Tamper.ALARM if "tamper" in broken else Tamper.OK
        return _status(
            device=DeviceState.ONLINE,
            cabinet=cabinet if "door" in self._names else None,
            tamper=tamper if "tamper" in self._names else None,
        )

    async def execute(self, command: Command, args: Shape) -> Shape:
        if command.name != "read":
            raise unsupported(self.capability, command)
        arguments(args, Nothing)
        return ReadingsOutput()  # contacts measure nothing

    async def poll(self) -> list[Event]:
        return []

    async def confirm(self, event: Event) -> None:
        """Contacts hold no events."""

    def counters(self) -> dict[str, float]:
        return self._link.counters.as_metrics()

    async def close(self) -> None:
        await self._link.close()

    async def _levels(self) -> dict[str, bool]:
        # A request begins by throwing away what has come: the edges must be taken out before.
        while (waiting := await self._link.receive(0)) is not None:
            self._note(waiting)
        reply = await self._link.request(ASK_LEVELS, effect=Effect.READ, accept=lambda reply: isinstance(reply, Levels))
        if not isinstance(reply, Levels) or len(reply.active) != len(self._names):
            raise PeerBrokeProtocol(f"expected the levels of {len(self._names)} lines, got {reply!r}")
        return dict(zip(self._names, reply.active, strict=True))

    def _note(self, reply: Reply) -> None:
        if isinstance(reply, Edge) and reply.active and reply.line < len(self._names):
            self._broken.add(self._names[reply.line])


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of a machine's contacts; ``transport`` is open before the first call."""
    return Driver(options_of(profile, Options), transport, clock, profile)
