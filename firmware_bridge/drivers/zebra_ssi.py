"""QR and barcode scanners of Zebra (Symbol, Motorola) that speak the Simple Serial Interface."""

from contextlib import suppress

from pydantic import Field

from device_profiles.capabilities.barcode_reader import BarcodeReaderStatus, Scanner
from device_profiles.capabilities.model import Action, Command, DeviceState, Effect, Event, Identity, Shape
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.scanned_text import Scanned
from firmware_bridge.codecs.zebra_ssi import PACKETED, WAKE, Cause, CodeInParts, Opcode, Packet, SsiCodec, encode
from firmware_bridge.drivers import options_of
from firmware_bridge.drivers._kept import kept
from firmware_bridge.drivers._scan import Scan, ScanOptions
from firmware_bridge.errors import BridgeError, DeviceFault, LinkTimeout, PeerBrokeProtocol
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport

_AFTER_WAKING_S = 0.05
_ACK = encode(Opcode.ACK)

_status = kept(BarcodeReaderStatus)


class Options(ScanOptions):
    """Quirks of a scanner."""

    set_packeted: bool = Field(
        default=False, description="tell the scanner to send codes as packets (from memory; else by its set-up code)"
    )
    session_s: float = Field(default=3.0, gt=0, le=10, description="start the session again after so long")
    wake_after_s: float = Field(
        default=0.0, ge=0, le=600, description="idle time after which a 00 byte goes first (from memory); 0: never"
    )


class Driver:
    """A scanner: lit only while ``read`` waits. What it decoded before is flushed, in the scanner and on the line."""

    capability = "barcode_reader"

    def __init__(self, link: Link[Packet], clock: Clock, options: Options, attempts: int) -> None:
        self._link = link
        self._clock = clock
        self._options = options
        self._attempts = attempts
        self._spoke_at = clock.monotonic()

    async def identify(self) -> Identity:
        revision = await self._ask(Opcode.REQUEST_REVISION, answer=Opcode.REVISION)
        words = _printable(revision)
        if self._options.set_packeted:
            _accepted(await self._ask(Opcode.PARAMETER, PACKETED))
        _accepted(await self._ask(Opcode.ENABLE))
        # "software, board type, engine, checksum of the program", separated by spaces (SE-923 integration guide).
        return Identity(model=f"SSI engine {words[2]}" if len(words) > 2 else "SSI scanner", firmware=words[0])

    async def status(self) -> BarcodeReaderStatus:
        reply = await self._ask(Opcode.REQUEST_REVISION, answer=Opcode.REVISION)
        dead = reply.opcode == Opcode.NAK
        return _status(device=DeviceState.ONLINE, scanner=Scanner.INOPERATIVE if dead else Scanner.OFF)

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
        _accepted(await self._ask(Opcode.FLUSH_QUEUE))
        try:
            parts = CodeInParts(self._options.longest_code)
            first = await self._ask(Opcode.START_SESSION, or_code=True)
            # A code may overtake the ACK of the session: either proves that the scanner is lit.
            if first.opcode == Opcode.DECODED and (scanned := await self._take(parts, first)) is not None:
                return scanned
            _accepted(first)
            return await self._wait_for_code(scan, parts, give_up)
        finally:
            with suppress(BridgeError):  # what came of the scan counts; a scanner that died shows at its next status
                await self._ask(Opcode.STOP_SESSION)

    async def _wait_for_code(self, scan: Scan, parts: CodeInParts, give_up: float) -> Scanned:
        again_at = self._clock.monotonic() + self._options.session_s
        while (now := self._clock.monotonic()) < give_up:
            if now >= again_at:
                # Sent, not requested: a request would throw away the packets that have already come.
                await self._link.send(encode(Opcode.START_SESSION))
                again_at = now + self._options.session_s
            packet = await self._link.receive(min(give_up, again_at) - now)
            if packet is None or packet.opcode != Opcode.DECODED:
                continue
            if (scanned := await self._take(parts, packet)) is not None:
                return scanned
            again_at = self._clock.monotonic() + self._options.session_s
        raise scan.nothing_came()

    async def _take(self, parts: CodeInParts, packet: Packet) -> Scanned | None:
        await self._link.send(_ACK)
        return parts.add(packet)

    async def _ask(
        self, opcode: Opcode, data: bytes = b"", *, answer: Opcode = Opcode.ACK, or_code: bool = False
    ) -> Packet:
        """The scanner's answer, or its NAK. A packet that was damaged or lost on the way is sent again, marked as such.

        Raises LinkTimeout, TransportLost.
        """
        wanted = {answer, Opcode.NAK} | ({Opcode.DECODED} if or_code else set())
        await self._wake()
        for attempt in range(self._attempts):
            if attempt:
                self._link.counters.retries += 1
            with suppress(LinkTimeout):
                reply = await self._link.request(
                    encode(opcode, data, again=attempt > 0),
                    effect=Effect.IDEMPOTENT,
                    accept=lambda packet: packet.opcode in wanted,
                )
                self._spoke_at = self._clock.monotonic()
                if not (reply.opcode == Opcode.NAK and reply.data == bytes((Cause.RESEND,))):
                    return reply
        raise LinkTimeout(
            f"{opcode.name}: expected an answer, none came in {self._attempts} tries; check the cable, the power and "
            "the speed of the line"
        )

    async def _wake(self) -> None:
        idle_s = self._clock.monotonic() - self._spoke_at
        if 0 < self._options.wake_after_s <= idle_s:
            await self._link.send(WAKE)
            await self._clock.sleep(_AFTER_WAKING_S)


def _accepted(reply: Packet) -> None:
    if reply.opcode == Opcode.NAK:
        cause = reply.data[:1].hex().upper() or "none"
        raise DeviceFault("scanner_inoperative", Action.MAINTENANCE, f"expected ACK, got NAK with cause {cause}")


def _printable(revision: Packet) -> list[str]:
    if revision.opcode == Opcode.NAK and revision.data != bytes((Cause.BAD_CONTEXT,)):
        _accepted(revision)
    text = revision.data.decode("ascii", "replace").strip("\0 ")
    if revision.opcode != Opcode.REVISION or not text or not text.isprintable() or not text.isascii():
        raise PeerBrokeProtocol("revision: expected words in ASCII: is this a scanner with SSI?")
    return text.split()


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one scanner; ``transport`` is open before the first call."""
    options = options_of(profile, Options)
    timing = profile.timing
    # One try each: a packet that is sent again carries a mark, so the driver repeats it itself.
    link: Link[Packet] = Link(transport, SsiCodec(), clock, reply_s=timing.reply_ms / 1000, attempts=1)
    return Driver(link, clock, options, timing.attempts)
