"""What the agent's parts ask of each other. Adapters and fakes satisfy these; only ``app`` chooses one."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from device_profiles.capabilities.evidence import Evidence
from device_profiles.capabilities.model import Fault, Shape, Status
from device_profiles.messages.twin import DesiredAgent
from firmware_bridge import clock


class Clock(clock.Clock, Protocol):
    """Monotonic time, and the time of day in UTC."""

    def now(self) -> datetime:
        """The time of day; may jump when the machine's clock is set."""


class Lane(StrEnum):
    """How much a row matters. BUSINESS is never dropped; TELEMETRY gives way, oldest first."""

    BUSINESS = "business"
    TELEMETRY = "telemetry"


@dataclass(frozen=True, slots=True)
class Row:
    """One fact, sample set or result that waits for the cloud's acknowledgement."""

    sequence: int
    lane: Lane
    slot: str
    type: str
    at: datetime
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Depth:
    """How full the outbox is. ``fill`` is the part of its room that business rows take (0 to 1).

    ``dropped``: telemetry rows given up since the epoch began.
    """

    epoch: int
    last_sequence: int
    business: int
    telemetry: int
    oldest_at: datetime | None
    fill: float
    dropped: int = 0


class Outbox(Protocol):
    """Durable, ordered, bounded. Sequences count from 1 without gaps, across restarts, within one epoch."""

    @property
    def epoch(self) -> int:
        """Rises when the outbox is new, so that a lost file is a fact and not a silence."""

    @property
    def last_sequence(self) -> int:
        """The sequence of the row appended last; 0 at the start of an epoch."""

    async def append(
        self,
        slot: str,
        fact_type: str,
        data: dict[str, Any],
        at: datetime,
        lane: Lane = Lane.BUSINESS,
        *,
        origin: str = "",
    ) -> int:
        """Store a row and return its sequence once it is durable. Raises OutboxFull.

        ``origin`` is a device's own name for the event: it is durable in the same moment as the row, so that an event
        which the device still holds after a crash is not told twice.
        """

    async def last_origin(self, slot: str) -> str:
        """The origin of the slot's newest row that had one; empty when none had."""

    async def peek(self, after: int, limit: int) -> list[Row]:
        """Up to ``limit`` rows with a sequence above ``after``, in order."""

    async def dropped(self, first: int, last: int) -> list[Row]:
        """The ``agent.dropped`` rows that speak of sequences in ``first`` to ``last``."""

    async def freed(self, at: datetime) -> Row:
        """The ``agent.freed`` row that speaks of everything acknowledged so far; appended when there is none."""

    async def give_up(self, through: int, *, keep: int, reason: str, at: datetime) -> int:
        """Drop telemetry up to sequence ``through``, oldest first, but for the ``keep`` newest rows.

        Returns how many went, a few hundred at a time: 0 when there are none left.

        ``agent.dropped`` rows say which, and ``reason``.
        """

    async def late_up_to(self, before: datetime, after: datetime) -> int:
        """The highest sequence that waits with a time before ``before``, or after ``after`` (a clock set back); 0."""

    async def acknowledged(self) -> int:
        """The highest sequence that the cloud has acknowledged; 0 at the start of an epoch."""

    async def ack(self, epoch: int, sequence: int) -> None:
        """The cloud has everything up to ``sequence``: free it. Another epoch, or what was never sent, is ignored."""

    async def depth(self) -> Depth:
        """How full it is."""

    async def accepts_flows(self) -> bool:
        """Whether something new may be begun for a citizen: False when business rows fill 80 % of the room."""

    async def wait_beyond(self, sequence: int) -> None:
        """Returns when a row above ``sequence`` has been appended."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device file of the kernel, and what its bus says of what is behind it; empty where the bus says nothing.

    ``path`` is the socket (``1-1.2``: bus 1, port 1 of the root, port 2 of the hub). ``mark`` is another one each time
    the device is plugged in.
    """

    subsystem: str
    node: str
    usb_id: str = ""
    serial: str = ""
    path: str = ""
    interface: int | None = None
    product: str = ""
    mark: str = ""

    def __str__(self) -> str:
        interface = "" if self.interface is None else f", interface {self.interface}"
        return (
            f"{self.node} (usb {self.usb_id or '-'}, path {self.path or '-'}, serial {self.serial or '-'}{interface})"
        )


class DeviceSource(Protocol):
    """Which devices are plugged in."""

    @property
    def name(self) -> str:
        """For the log: how it knows."""

    def open(self) -> None:
        """Begin; needs a running event loop."""

    def devices(self) -> Sequence[Device]:
        """All there are now, or a moment ago; quick enough to be asked twice a second."""

    def close(self) -> None:
        """Twice is allowed."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a device that is there is not used. ``words`` say what was expected, what is there and what to do."""

    fault: Fault
    words: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is at a slot's place now; equal as long as nothing was plugged in or pulled out.

    ``addresses`` are what ``firmware_bridge.registry.transport_for`` takes. With ``certain`` the only one of them is
    the slot's device or a wrong one; without, they may as well belong to other slots: what each says of itself decides.
    """

    addresses: tuple[str, ...] = ()
    certain: bool = True
    refusal: Refusal | None = None
    marks: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing is there."""
        return not self.addresses and self.refusal is None


class Place(Protocol):
    """Where one slot's device is looked for."""

    @property
    def turn(self) -> asyncio.Lock:
        """Held while uncertain devices are asked who they are: one slot at a time."""

    def look(self) -> Sighting:
        """What is there now; quick enough to be asked twice a second."""

    def hold(self, address: str) -> None:
        """The device at ``address`` is this slot's: no other slot is offered it until ``release``."""

    def release(self) -> None:
        """It has left; twice is allowed."""

    def pass_over(self, address: str) -> None:
        """The device at ``address`` is not this slot's: it is not offered for a while."""


class Remembered(Protocol):
    """Small values that outlive the process, JSON by name."""

    async def get(self, name: str) -> Any:
        """The value, or None when it was never put."""

    async def put(self, name: str, value: Any) -> None:
        """Durable when this returns."""


BeforeEffect = Callable[[Mapping[str, Any]], Awaitable[None]]


class SlotView(Protocol):
    """A slot as commands and local flows see it: one call at a time, in the order asked."""

    @property
    def capability(self) -> str: ...

    @property
    def ready(self) -> bool:
        """Whether the device answers now."""

    @property
    def status(self) -> Status:
        """The last known status."""

    async def settled(self) -> None:
        """Returns when the slot runs, or has tried and failed; at the start of the agent this takes a moment."""

    async def execute(
        self,
        name: str,
        args: Shape,
        *,
        run_for_s: float,
        before_effect: BeforeEffect | None = None,
    ) -> Shape:
        """Run a command. ``before_effect`` is awaited when the device is ours and ready, right before it is asked; it
        is given what the device shows then, when the command declares evidence.

        Raises SlotNotReady (nothing was asked), TimeoutError (not done within ``run_for_s`` of having the device),
        and what the driver raises.
        """

    async def look(self, evidence: Evidence) -> Mapping[str, Any]:
        """What the device shows now of ``evidence``. Raises SlotNotReady, and what the driver raises."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message from the cloud. ``confirm`` tells the broker that it need not be delivered again."""

    topic: str
    payload: bytes
    confirm: Callable[[], None]


class Link(Protocol):
    """One connection to the broker that is up."""

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> "asyncio.Future[None]":
        """Send at QoS 1; the future ends with the broker's word: done, LinkLost or PublishRefused. Raises LinkLost."""

    async def receive(self) -> Incoming:
        """The next message. Raises LinkLost."""


class Uplink(Protocol):
    """Where the cloud is to be found."""

    def connect(self) -> AbstractAsyncContextManager[Link]:
        """A link, subscribed to this machine's ``down`` and the cloud's presence. Raises LinkLost."""


class DesiredView(Protocol):
    """What the cloud last wanted of this machine; kept, so that the machine works from it with the link down."""

    @property
    def agent(self) -> DesiredAgent: ...
