"""Ticket and receipt printers that speak ESC/POS. Printing is proven, never assumed.

A document goes out in portions; after each one the printer is asked a question that it answers only when everything
before it was processed (GS r 1). So its buffer cannot overflow, and the last answer proves the print.
"""

import contextlib
from collections.abc import Iterable
from typing import cast

from device_profiles.capabilities.model import Command, Effect, Event, Identity, Nothing, Shape
from device_profiles.capabilities.printer import PrintArgs, PrinterStatus, PrintOutput, QrBlock
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.escpos import (
    ASK_PAPER,
    CLEAR_BUFFERS,
    INITIALISE,
    WATCH_ALL,
    Condition,
    EscPosCodec,
    EscPosReply,
    Information,
    Queued,
    ask_information,
)
from firmware_bridge.codecs.escpos_document import render
from firmware_bridge.drivers import arguments, options_of, unsupported
from firmware_bridge.drivers._escpos_count import CutCounter
from firmware_bridge.drivers._escpos_options import Options
from firmware_bridge.drivers._escpos_sensors import PROBE_S, Line, Sensors
from firmware_bridge.drivers._escpos_status import raise_if_stopped, status_of
from firmware_bridge.errors import DeviceFault, LinkTimeout, OutcomeUnknown, TransportLost
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport

PORTION = 2048  # bytes between two questions; the smallest receive buffers in use hold 4 KiB
LOOK_S = 0.5  # pace of looking whether a ticket was taken
FIRMWARE, MODEL, SERIAL_NUMBER = 65, 67, 68


class Driver:
    """A printer. ``status`` asks it; what it reports by itself (automatic status) ends a print early."""

    capability = "printer"

    def __init__(self, transport: Transport, clock: Clock, profile: PeripheralProfile) -> None:
        self._options = options = options_of(profile, Options)
        self._clock = clock
        self._sensors = Sensors(options, clock)
        self._cuts = CutCounter(clock)
        self._link: Link[EscPosReply] = Link(
            transport,
            EscPosCodec(full_status=options.presenter == "custom"),
            clock,
            reply_s=profile.timing.reply_ms / 1000,
            attempts=profile.timing.attempts,
            on_unsolicited=self._sensors.noticed,
        )

    async def identify(self) -> Identity:
        async with self._link.exchange() as line:
            condition = await self._sensors.probe(line)
            if condition.off_line:
                return Identity()
            identity = await _identity(line) if self._options.information else Identity()
            if self._options.counter:
                await self._cuts.read(line)
            return identity

    async def status(self) -> PrinterStatus:
        async with self._link.exchange() as line:
            condition = await self._sensors.condition(line)
            asked = self._options.counter and self._cuts.works and not condition.off_line
            return status_of(condition, await self._cuts.read(line) if asked else None)

    async def execute(self, command: Command, args: Shape) -> Shape:
        if command.name == "print":
            return await self._print(arguments(args, PrintArgs))
        if command.name == "reset":
            await self._reset()
            return Nothing()
        raise unsupported(self.capability, command)

    def declared(self) -> list[str]:
        return self._options.declared()

    def observed(self) -> list[str]:
        return sorted(self._sensors.observed | ({"counter"} if self._cuts.works else set()))

    def proved(self) -> list[str]:
        return sorted(self._sensors.proved)

    async def poll(self) -> list[Event]:
        return []

    async def confirm(self, event: Event) -> None:
        """A printer holds no events."""

    def counters(self) -> dict[str, float]:
        return self._link.counters.as_metrics()

    async def close(self) -> None:
        await self._link.close()

    async def _print(self, args: PrintArgs) -> PrintOutput:
        options = self._options
        portions = list(_portions(render(args, options.charset, options.columns, cutter=options.cutter)))
        async with self._link.exchange() as line:
            raise_if_stopped(await self._sensors.condition(line), "nothing was printed")
            await self._sensors.settle(line)
            for done, portion in enumerate(portions):
                await self._print_portion(line, portion, f"printing stopped in part {done + 1} of {len(portions)}")
            self._sensors.used(cut=args.cut, qr=any(isinstance(block, QrBlock) for block in args.blocks))
            return PrintOutput(taken=await self._taken(line) if args.cut else None)

    async def _print_portion(self, line: Line, portion: bytes, stopped: str) -> None:
        try:
            await line.send(portion + ASK_PAPER)
            answer = await line.reply(effect=Effect.ONCE, accept=_ends_portion, deadline_s=self._options.portion_s)
        except (OutcomeUnknown, LinkTimeout) as unanswered:
            self._sensors.question_open()
            await self._explain(line, unanswered, stopped)
        except TransportLost as lost:
            raise OutcomeUnknown(f"{stopped}: {lost}") from lost
        else:
            self._sensors.noticed(answer)
            condition = answer if isinstance(answer, Condition) else Condition(paper_out=_paper_out(answer))
            await _give_up_if_stopped(line, condition, stopped)

    async def _explain(self, line: Line, unanswered: OutcomeUnknown | LinkTimeout, stopped: str) -> None:
        """No proof came: let the printer say why, or leave the outcome unknown."""
        try:
            condition = await self._sensors.condition(line)
        except (LinkTimeout, TransportLost) as silent:
            raise OutcomeUnknown(f"{stopped}: {unanswered}; its status cannot be read either: {silent}") from silent
        if condition.stuck:  # it does not understand CLEAR_BUFFERS either: the rest comes out once it is mended
            raise OutcomeUnknown(f"{stopped}: {unanswered}; it answers but processes nothing: look at paper and cover")
        await _give_up_if_stopped(line, condition, stopped)
        raise OutcomeUnknown(f"{stopped}: {unanswered}; the printer reports no fault") from unanswered

    async def _taken(self, line: Line) -> bool | None:
        """Whether the customer took the ticket out of the presenter; None when nobody saw it lie there."""
        give_up = self._clock.monotonic() + self._options.taken_s
        seen = False
        while self._options.taken_s and (left := give_up - self._clock.monotonic()) > 0:
            try:
                lies_there = (await self._sensors.condition(line)).ticket_in_presenter
            except (LinkTimeout, TransportLost):
                return None  # it is printed: whether it was taken shows in the status as soon as there is one
            if seen and not lies_there:
                return True
            seen = seen or bool(lies_there)
            await self._clock.sleep(min(LOOK_S, left))
        return False if seen else None

    async def _reset(self) -> None:
        async with self._link.exchange() as line:
            await line.send(CLEAR_BUFFERS + INITIALISE + WATCH_ALL)
            await self._sensors.condition(line)


async def _identity(line: Line) -> Identity:
    words: list[str] = []
    for n in (MODEL, SERIAL_NUMBER, FIRMWARE):
        try:
            reply = await line.request(
                ask_information(n), effect=Effect.READ, accept=_is_information, deadline_s=PROBE_S
            )
        except LinkTimeout:
            break  # a printer without GS I stays silent: it is known by its real-time answers only
        words.append(cast(Information, reply).text)
    model, serial_number, firmware = (words + [""] * 3)[:3]
    return Identity(model=model, serial_number=serial_number, firmware=firmware)


async def _give_up_if_stopped(line: Line, condition: Condition, stopped: str) -> None:
    try:
        raise_if_stopped(condition, stopped)
    except DeviceFault:
        with contextlib.suppress(
            TransportLost, LinkTimeout
        ):  # the fault is the news; a dead line shows at the next call
            await line.send(CLEAR_BUFFERS)  # or the rest would come out, unasked, as soon as the paper is back
        raise


def _portions(pieces: Iterable[bytes]) -> Iterable[bytes]:
    """Pieces joined up to ``PORTION`` bytes; a piece is never split, for the question must not fall into a command."""
    portion = b""
    for piece in pieces:
        if portion and len(portion) + len(piece) > PORTION:
            yield portion
            portion = b""
        portion += piece
    yield portion


def _ends_portion(reply: EscPosReply) -> bool:
    return isinstance(reply, Queued) or (isinstance(reply, Condition) and reply.stopped)


def _is_information(reply: EscPosReply) -> bool:
    return isinstance(reply, Information)


def _paper_out(reply: EscPosReply) -> bool:
    return isinstance(reply, Queued) and reply.paper_out


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one printer; ``transport`` is open before the first call."""
    return Driver(transport, clock, profile)
