"""Scanners that act as a keyboard: the last resort where a model has no serial mode.

Such a device cannot be asked or switched off. That it is there is asked of the kernel, which hands certain events back
to who writes them; that it scans shows only when somebody holds a code in front.
"""

from pydantic import Field, model_validator

from device_profiles.capabilities.barcode_reader import BarcodeReaderStatus
from device_profiles.capabilities.model import Command, DeviceState, Effect, Event, Identity, Shape
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.scanned_text import Scanned
from firmware_bridge.codecs.wedge import US_LAYOUT, Kind, Struck, WedgeCodec, encode_echo
from firmware_bridge.drivers import options_of
from firmware_bridge.drivers._kept import kept
from firmware_bridge.drivers._scan import Scan, ScanOptions
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport

_TO_THE_END_S = 5.0  # how long a code that began in time may go on

_status = kept(BarcodeReaderStatus)


class Options(ScanOptions):
    """Quirks of a scanner."""

    gap_s: float = Field(default=0.05, gt=0, le=1, description="a silence of so long ends a code that has no Enter")
    layout: dict[int, str] = Field(
        default_factory=dict, description="key code to its one or two characters (shifted), over the US layout"
    )
    echo: bool = Field(
        default=True, description="ask the kernel whether the device is there (read from its source, not tried)"
    )

    @model_validator(mode="after")
    def _typable(self) -> "Options":
        for code, typed in self.layout.items():
            if len(typed) not in (1, 2) or not typed.isprintable():
                raise ValueError(f"layout: key {code}: expected one or two printable characters, got {typed!r}")
            if typed.encode(self.charset, "replace").decode(self.charset) != typed:
                raise ValueError(f"layout: key {code}: expected characters of {self.charset}, got {typed!r}")
        return self


class Driver:
    """A scanner without a switch: what is typed while nobody reads is thrown away, so is the rest of such a code."""

    capability = "barcode_reader"

    def __init__(self, link: Link[Struck], clock: Clock, options: Options) -> None:
        self._link = link
        self._clock = clock
        self._options = options
        self._echoes = 0

    async def identify(self) -> Identity:
        await self._check_there()
        return Identity(model="keyboard wedge")

    async def status(self) -> BarcodeReaderStatus:
        await self._check_there()
        return _status(device=DeviceState.ONLINE)

    async def execute(self, command: Command, args: Shape) -> Shape:
        scan = Scan(command, args, self._options)
        return scan.output(await self._read(scan))

    async def poll(self) -> list[Event]:
        return []

    async def confirm(self, event: Event) -> None:
        """A scanner holds no events."""

    def counters(self) -> dict[str, float]:
        return self._link.counters.as_metrics()

    async def close(self) -> None:
        await self._link.close()

    async def _check_there(self) -> None:
        """Raises LinkTimeout or TransportLost. What was typed before is thrown away."""
        if not self._options.echo:
            while await self._link.receive(0.0) is not None:
                pass
            return
        self._echoes = (self._echoes + 1) & 0xFFFF
        number = self._echoes
        await self._link.request(
            encode_echo(number),
            effect=Effect.IDEMPOTENT,
            accept=lambda struck: struck.kind is Kind.ECHO and struck.number == number,
        )

    async def _read(self, scan: Scan) -> Scanned:
        give_up = self._clock.monotonic() + scan.wait_s
        await self._check_there()
        while await self._link.receive(self._options.gap_s) is not None:  # a code that began before: let it end
            if self._clock.monotonic() >= give_up:
                raise scan.nothing_came()
        while (now := self._clock.monotonic()) < give_up:
            struck = await self._link.receive(give_up - now)
            if struck is not None and struck.kind not in (Kind.END, Kind.ECHO):
                return await self._to_the_end(struck, give_up + _TO_THE_END_S)
        raise scan.nothing_came()

    async def _to_the_end(self, first: Struck, give_up: float) -> Scanned:
        """The code that begins with ``first``: up to Enter, or up to a gap."""
        text, whole = "", True
        struck: Struck | None = first
        while struck is not None and struck.kind is not Kind.END:
            whole = whole and struck.kind is Kind.CHARACTER and len(text) < self._options.longest_code
            text = text + struck.text if whole else ""
            if self._clock.monotonic() >= give_up:
                return Scanned(b"", whole=False)
            struck = await self._link.receive(self._options.gap_s)
        return Scanned(text.encode(self._options.charset), whole)


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one scanner; ``transport`` is open before the first call."""
    options = options_of(profile, Options)
    timing = profile.timing
    codec = WedgeCodec({**US_LAYOUT, **options.layout})
    link: Link[Struck] = Link(transport, codec, clock, reply_s=timing.reply_ms / 1000, attempts=timing.attempts)
    return Driver(link, clock, options)
