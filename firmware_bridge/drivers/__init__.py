"""One file per device family. A module here is found by the name that a profile gives as ``driver``.

It has a class ``Driver`` that follows ``Driver`` below, a pydantic model ``Options`` of its quirks when it has any, and
``open_driver(profile, transport, clock)``. The caller opens the transport first; ``Driver.close`` closes it.
"""

from typing import Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ValidationError

from device_profiles.capabilities.model import Command, Event, Identity, Shape, Status
from device_profiles.errors import ProfileError
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.errors import UnsupportedCommand

Model = TypeVar("Model", bound=BaseModel)
Arguments = TypeVar("Arguments", bound=Shape)


class Driver(Protocol):
    """One device as its capability: typed calls in, typed answers or a BridgeError out.

    ``execute`` runs alone: the caller never runs ``status`` or ``poll`` beside it. Every await can be cancelled.
    """

    capability: str

    async def identify(self) -> Identity:
        """Who is there; also prepares the device. Raises PeerBrokeProtocol when it is another kind of device."""

    async def status(self) -> Status:
        """The capability's own status; ``device`` is online when it answers. Raises LinkTimeout when it does not."""

    async def execute(self, command: Command, args: Shape) -> Shape:
        """Raises DeviceFault, OutcomeUnknown, UnsupportedCommand, LinkTimeout, TransportLost."""

    async def poll(self) -> list[Event]:
        """Events since the last poll; a device that holds an event reports it again until ``confirm``."""

    async def confirm(self, event: Event) -> None:
        """The event is durable elsewhere: the device may forget it."""

    def counters(self) -> dict[str, float]:
        """Telemetry of the link."""

    async def close(self) -> None:
        """Leave the device in a safe state if it answers, and give the line back."""


@runtime_checkable
class Features(Protocol):
    """What a driver has, beside ``Driver``, when its devices differ in what they can do, or claim more than they do.

    Names are snake case and not those of commands; each list is sorted. The inventory shows them beside the commands.
    """

    def declared(self) -> list[str]:
        """What the profile says that the model can do."""

    def observed(self) -> list[str]:
        """What this device has answered as its document says, since it was identified last; empty before that."""

    def proved(self) -> list[str]:
        """What it was seen to do since the driver was opened: it told a change, or a command that needs it was done."""


@runtime_checkable
class Prepares(Protocol):
    """What a driver has, beside ``Driver``, when its device must forget the past to be evidence of what comes."""

    async def prepare(self, command: Command) -> None:
        """Before ``command``: nothing moves, and the status afterwards tells of this command alone."""


def options_of(profile: PeripheralProfile, model: type[Model]) -> Model:
    """The profile's ``[options]`` as the driver's own model; raises ProfileError naming the key."""
    try:
        return model.model_validate(profile.options)
    except ValidationError as error:
        known = ", ".join(sorted(model.model_fields)) or "none"
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise ProfileError(f"{profile.id}.toml: options: {wrong} (options of this driver: {known})") from error


def arguments(args: Shape, expected: type[Arguments]) -> Arguments:
    """``args`` as the type that the command declares."""
    if isinstance(args, expected):
        return args
    raise UnsupportedCommand(f"expected arguments of type {expected.__name__}, got {type(args).__name__}")


def unsupported(capability: str, command: Command) -> UnsupportedCommand:
    """The error for a command that the driver does not have."""
    return UnsupportedCommand(f"{capability}: this driver has no command {command.name!r}")
