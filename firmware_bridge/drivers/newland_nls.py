"""QR and barcode scanners of Newland in serial mode (the 7E 01 dialect, not the older $$%^ one)."""

from contextlib import suppress

from pydantic import Field

from device_profiles.capabilities.barcode_reader import BarcodeReaderStatus, Scanner
from device_profiles.capabilities.model import Action, Command, DeviceState, Effect, Event, Identity, Shape
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.newland_nls import Answer, NewlandCodec, Reply, Verdict, encode
from firmware_bridge.codecs.scanned_text import Scanned
from firmware_bridge.drivers import options_of
from firmware_bridge.drivers._kept import kept
from firmware_bridge.drivers._scan import Scan, ScanOptions, named_values, wait_for_code
from firmware_bridge.errors import BridgeError, DeviceFault, PeerBrokeProtocol
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport

# The manuals at hand describe the frame; these words stand in the maker's Android SDK and in public programs.
_IDENTITY, _HEALTH, _HEALTHY = "QRYSYS", "DEVQRY", "0"
_ON, _OFF, _ON_COMMAND = "SCNTRG1", "SCNTRG0", "SCNMOD0"

_status = kept(BarcodeReaderStatus)


class Options(ScanOptions):
    """Quirks of a scanner."""

    set_trigger_mode: bool = Field(
        default=True, description="switch to reading on command, until power is lost, whatever a set-up code has done"
    )
    read_time_s: float = Field(
        default=3.0, gt=0, le=25, description="the scanner stops by itself after so long or more"
    )


class Driver:
    """A scanner: lit only while ``read`` waits. What it decodes at other times is thrown away."""

    capability = "barcode_reader"

    def __init__(self, link: Link[Reply], clock: Clock, options: Options) -> None:
        self._link = link
        self._clock = clock
        self._options = options

    async def identify(self) -> Identity:
        answer = await self._ask(_IDENTITY, for_good=True)
        text = answer.value_of(_IDENTITY)
        if answer.verdict is not Verdict.DONE or not text:
            raise PeerBrokeProtocol(f"{_IDENTITY}: expected who it is, got {answer!r}: is this a Newland scanner?")
        if self._options.set_trigger_mode:
            self._done(await self._ask(_ON_COMMAND), "set_trigger_mode = false leaves this command out")
        values = named_values(text.splitlines())
        return Identity(
            model=values.get("product name") or values.get("product model") or text.split("\r")[0][:60],
            serial_number=values.get("serial number", ""),
            firmware=values.get("firmware version", ""),
        )

    async def status(self) -> BarcodeReaderStatus:
        answer = await self._ask(_HEALTH, query="*", for_good=True)
        if answer.verdict is not Verdict.DONE:  # a model without this question is on line all the same
            return _status(device=DeviceState.ONLINE)
        well = answer.value_of(_HEALTH) == _HEALTHY
        return _status(device=DeviceState.ONLINE, scanner=Scanner.OFF if well else Scanner.INOPERATIVE)

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
        try:
            # A code may be decoded before the answer to the trigger has gone out: either proves that it listens.
            first = await self._link.request(
                encode(_ON),
                effect=Effect.IDEMPOTENT,
                accept=lambda reply: isinstance(reply, Scanned) or _is(reply, _ON),
            )
            if isinstance(first, Scanned):
                return first
            self._done(first, "the trigger was refused")
            return await wait_for_code(self._link, self._clock, scan, give_up, encode(_ON), self._options.read_time_s)
        finally:
            with suppress(BridgeError):  # what came of the scan counts; a scanner that died shows at its next status
                await self._ask(_OFF)

    async def _ask(self, command: str, *, query: str = "", for_good: bool = False) -> Answer:
        reply = await self._link.request(
            encode(command + query, for_good=for_good),
            effect=Effect.IDEMPOTENT,
            accept=lambda reply: _is(reply, command),
        )
        assert isinstance(reply, Answer)
        return reply

    def _done(self, answer: Answer, hint: str) -> None:
        if answer.verdict is not Verdict.DONE:
            raise DeviceFault("scanner_inoperative", Action.MAINTENANCE, f"expected DONE, got {answer!r}; {hint}")


def _is(reply: Reply, command: str) -> bool:
    return isinstance(reply, Answer) and reply.value_of(command) is not None


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one scanner; ``transport`` is open before the first call."""
    options = options_of(profile, Options)
    timing = profile.timing
    codec = NewlandCodec(options.longest_code)
    link: Link[Reply] = Link(transport, codec, clock, reply_s=timing.reply_ms / 1000, attempts=timing.attempts)
    return Driver(link, clock, options)
