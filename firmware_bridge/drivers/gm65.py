"""QR and barcode scanners of the GM65 / GM60 family in serial mode."""

from contextlib import suppress

from pydantic import Field

from device_profiles.capabilities.barcode_reader import BarcodeReaderStatus, Scanner
from device_profiles.capabilities.model import Action, Command, DeviceState, Effect, Event, Identity, Shape
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.gm65 import Answer, Gm65Codec, Reply, Zone, encode_read, encode_write
from firmware_bridge.codecs.scanned_text import Scanned
from firmware_bridge.drivers import options_of
from firmware_bridge.drivers._kept import kept
from firmware_bridge.drivers._scan import Scan, ScanOptions, wait_for_code
from firmware_bridge.errors import BridgeError, DeviceFault
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport

_ON, _OFF = b"\x01", b"\x00"

_status = kept(BarcodeReaderStatus)


class Options(ScanOptions):
    """Quirks of a scanner."""

    check_crc: bool = Field(default=True, description="send a real CRC, not AB CD which switches the check off")
    read_time_s: float = Field(default=3.0, gt=0, le=25, description="the module stops by itself after 5 s or more")


class Driver:
    """A scanner: lit and listening only while ``read`` waits. What it decodes at other times is thrown away.

    A module ends a read by itself after a time of its own (5 s by default): it is triggered again until then.
    """

    capability = "barcode_reader"

    def __init__(self, link: Link[Reply], clock: Clock, options: Options) -> None:
        self._link = link
        self._clock = clock
        self._options = options

    async def identify(self) -> Identity:
        identity = _data_of(await self._answer(encode_read(Zone.IDENTITY, checked=self._options.check_crc)))
        return Identity(model=f"GM65 family {identity.hex().upper()}")

    async def status(self) -> BarcodeReaderStatus:
        answer = await self._answer(encode_read(Zone.TRIGGER, checked=self._options.check_crc))
        if answer.state != 0 or not answer.data:
            return _status(device=DeviceState.ONLINE, scanner=Scanner.INOPERATIVE)
        lit = bool(answer.data[0] & 1)
        return _status(device=DeviceState.ONLINE, scanner=Scanner.ON if lit else Scanner.OFF)

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
        on = self._trigger(_ON)
        try:
            # A code may be decoded before the answer to the trigger has gone out: either proves that it listens.
            first = await self._link.request(on, effect=Effect.IDEMPOTENT, accept=_anything)
            if isinstance(first, Scanned):
                return first
            _data_of(first)
            return await wait_for_code(self._link, self._clock, scan, give_up, on, self._options.read_time_s)
        finally:
            with suppress(BridgeError):  # what came of the scan counts; a scanner that died shows at its next status
                await self._answer(self._trigger(_OFF))

    def _trigger(self, value: bytes) -> bytes:
        return encode_write(Zone.TRIGGER, value, checked=self._options.check_crc)

    async def _answer(self, data: bytes) -> Answer:
        reply = await self._link.request(data, effect=Effect.IDEMPOTENT, accept=_is_answer)
        assert isinstance(reply, Answer)
        return reply


def _data_of(answer: Answer) -> bytes:
    if answer.state != 0 or not answer.data:
        raise DeviceFault("scanner_inoperative", Action.MAINTENANCE, f"expected state 00 and data, got {answer!r}")
    return answer.data


def _is_answer(reply: Reply) -> bool:
    return isinstance(reply, Answer)


def _anything(reply: Reply) -> bool:
    return True


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one scanner; ``transport`` is open before the first call."""
    options = options_of(profile, Options)
    timing = profile.timing
    codec = Gm65Codec(options.longest_code)
    link: Link[Reply] = Link(transport, codec, clock, reply_s=timing.reply_ms / 1000, attempts=timing.attempts)
    return Driver(link, clock, options)
