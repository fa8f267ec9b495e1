"""QR and barcode scanners of Honeywell in serial mode, driven by menu commands."""

from contextlib import suppress

from pydantic import Field

from device_profiles.capabilities.barcode_reader import BarcodeReaderStatus, Scanner
from device_profiles.capabilities.model import Command, DeviceState, Effect, Event, Identity, Shape
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.honeywell import TRIGGER_OFF, TRIGGER_ON, HoneywellCodec, MenuAnswer, Reply, encode_menu
from firmware_bridge.codecs.honeywell import Verdict as Said
from firmware_bridge.codecs.scanned_text import Scanned
from firmware_bridge.drivers import options_of
from firmware_bridge.drivers._kept import kept
from firmware_bridge.drivers._scan import Scan, ScanOptions, named_values, wait_for_code
from firmware_bridge.errors import BridgeError, PeerBrokeProtocol
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport

_IDENTITY = "REVINF"
_ON_TRIGGER = "0"

_status = kept(BarcodeReaderStatus)


class Options(ScanOptions):
    """Quirks of a scanner."""

    trigger_mode: str = Field(
        default="TRGMOD", pattern=r"^[A-Z0-9]{6}$", description="setting that is 0 when it reads on command only"
    )
    read_time_s: float = Field(
        default=3.0, gt=0, le=300, description="the scanner stops by itself after so long or more"
    )


class Driver:
    """A scanner: lit only while ``read`` waits. What it decodes at other times is thrown away.

    A scanner that reads without being asked, since somebody has shown it a set-up code, tells ``scanner: on``.
    """

    capability = "barcode_reader"

    def __init__(self, link: Link[Reply], clock: Clock, options: Options) -> None:
        self._link = link
        self._clock = clock
        self._options = options

    async def identify(self) -> Identity:
        lines: list[bytes] = []
        answer = await self._ask(_IDENTITY, lines=lines)
        values = named_values(line.decode("ascii", "replace") for line in lines)
        if answer.verdict is not Said.DONE or not values.get("product name"):
            raise PeerBrokeProtocol(
                f"{_IDENTITY}: expected a product name, got {answer!r}: is this a Honeywell scanner?"
            )
        return Identity(
            model=values["product name"],
            serial_number=values.get("serial number", ""),
            firmware=values.get("software part number", ""),
        )

    async def status(self) -> BarcodeReaderStatus:
        answer = await self._ask(self._options.trigger_mode, query="?")
        if answer.verdict is not Said.DONE:  # a model without this setting is on line all the same
            return _status(device=DeviceState.ONLINE)
        on_trigger = answer.value_of(self._options.trigger_mode) == _ON_TRIGGER
        return _status(device=DeviceState.ONLINE, scanner=Scanner.OFF if on_trigger else Scanner.ON)

    async def execute(self, command: Command, args: Shape) -> Shape:
        scan = Scan(command, args, self._options)
        return scan.output(await self._scan(scan))

    async def poll(self) -> list[Event]:
        return []

    async def confirm(self, event: Event) -> None:
        """A scanner holds no events."""

    def counters(self) -> dict[str, float]:
        return self._link.counters.as_metrics()

    async def close(self) -> None:
        await self._link.close()

    async def _scan(self, scan: Scan) -> Scanned:
        give_up = self._clock.monotonic() + scan.wait_s
        # The trigger has no answer: a question before it shows that somebody is there, and clears the line.
        await self._ask(self._options.trigger_mode, query="?")
        try:
            await self._link.send(TRIGGER_ON)
            again_s = self._options.read_time_s
            return await wait_for_code(self._link, self._clock, scan, give_up, TRIGGER_ON, again_s)
        finally:
            with suppress(BridgeError):  # what came of the scan counts; a line that died shows at the next status
                await self._link.send(TRIGGER_OFF)

    async def _ask(self, command: str, *, query: str = "", lines: list[bytes] | None = None) -> MenuAnswer:
        """The answer to a menu command; the lines before it are put into ``lines``."""

        def accept(reply: Reply) -> bool:
            if isinstance(reply, MenuAnswer):
                return reply.value_of(command) is not None
            if lines is not None and reply.whole:
                lines.append(reply.data)
            return False

        reply = await self._link.request(
            encode_menu(command + query, for_good=True), effect=Effect.IDEMPOTENT, accept=accept
        )
        assert isinstance(reply, MenuAnswer)
        return reply


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one scanner; ``transport`` is open before the first call."""
    options = options_of(profile, Options)
    timing = profile.timing
    codec = HoneywellCodec(options.longest_code)
    link: Link[Reply] = Link(transport, codec, clock, reply_s=timing.reply_ms / 1000, attempts=timing.attempts)
    return Driver(link, clock, options)
