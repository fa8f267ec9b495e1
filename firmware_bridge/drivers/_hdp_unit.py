"""One unit of the hall device profile (HDP), whatever carries it: who it is, how it is, what it shows, its event.

``_hdp_modbus`` and ``_hdp_smp`` are the two bindings. The drivers of pad, display and caller know only this.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from device_profiles.capabilities.model import DeviceState, Identity
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.hdp_model import MAGIC, VERSIONS, DeviceClass, EventBlock, Show
from firmware_bridge.errors import PeerBrokeProtocol
from firmware_bridge.link import LinkCounters

_FRESH_S = 0.1  # a poll that follows the status at once uses what that has read


@dataclass(frozen=True, slots=True)
class Sighting:
    """The event block, the clock's time just before it was asked for (the try that was answered), and of the answer."""

    block: EventBlock
    asked_at: float
    answered_at: float


@dataclass(frozen=True, slots=True)
class Picture:
    """What a display shows; ``prefix`` and ``number`` 0: no ticket."""

    mode: Show
    prefix: int
    number: int
    counter: int
    text: str


class HdpUnit(ABC):
    """Typed access to one unit. Every call raises LinkTimeout, TransportLost, or PeerBrokeProtocol."""

    def __init__(self, clock: Clock, device_class: DeviceClass) -> None:
        self.clock = clock
        self._class = device_class
        self._for_poll: Sighting | None = None

    @property
    @abstractmethod
    def counters(self) -> LinkCounters:
        """What the line has been through."""

    @abstractmethod
    async def event_block(self) -> EventBlock:
        """The state of the unit now."""

    @abstractmethod
    async def event_seen(self) -> int:
        """The number of the event that the host has let go of last."""

    @abstractmethod
    async def let_go(self, sequence: int) -> None:
        """Tell the unit that the host has made the event of that number durable."""

    @abstractmethod
    async def show_mode(self, mode: Show) -> None:
        """Change the mode and nothing else."""

    @abstractmethod
    async def show(self, picture: Picture) -> None:
        """Show this; a citizen never sees a new number that half belongs."""

    @abstractmethod
    async def close(self) -> None:
        """Give the line back."""

    async def identify(self) -> Identity:
        """Who is there. Raises PeerBrokeProtocol when it is a unit of another class."""
        block = (await self.look()).block
        if block.device_class != self._class:
            raise PeerBrokeProtocol(f"class: expected {self._class:d} ({self._class.name}), got {block.device_class}")
        return Identity(model=f"HDP {self._class.name.lower()}", firmware=f"profile {block.version}")

    async def state(self) -> DeviceState:
        """Online, or hardware error when a fault bit is set."""
        self._for_poll = await self.look()
        return DeviceState.HARDWARE_ERROR if self._for_poll.block.faults else DeviceState.ONLINE

    async def look(self) -> Sighting:
        """The event block now."""
        block = await self.event_block()
        if block.magic != MAGIC or block.version not in VERSIONS:
            got = f"{block.magic:04X}h version {block.version}"
            raise PeerBrokeProtocol(f"hall device profile: expected {MAGIC:04X}h and version 1, got {got}")
        # Not the time of the call: the line may have been somebody else's for a while, or the first tries were lost.
        now = self.clock.monotonic()
        return Sighting(block, now - self.counters.round_trips_s[-1], now)

    async def look_for_poll(self) -> Sighting:
        """What ``state`` saw a moment ago, once; else a new look."""
        seen, self._for_poll = self._for_poll, None
        if seen is None or self.clock.monotonic() - seen.answered_at > _FRESH_S:
            return await self.look()
        return seen
