"""Ticket and receipt printers that speak ESC/POS. Printing is proven, never assumed.

A document goes out in portions; after each one the printer is asked a question that it answers only when everything
before it was processed (GS r 1). So its buffer cannot overflow, and the last answer proves the print.
"""

import contextlib
from collections.abc import Iterable
from typing import cast

from pydantic import BaseModel, ConfigDict, Field

from device_profiles.capabilities.model import Command, Effect, Event, Identity, Nothing, Shape
from device_profiles.capabilities.printer import PrintArgs, PrinterStatus
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
    RealTime,
    ask_information,
    ask_real_time,
    condition_of_real_time,
)
from firmware_bridge.codecs.escpos_document import Charset, render
from firmware_bridge.drivers import arguments, options_of, unsupported
from firmware_bridge.drivers._escpos_status import raise_if_stopped, status_of
from firmware_bridge.errors import DeviceFault, LinkTimeout, OutcomeUnknown, TransportLost
from firmware_bridge.link import Exchange, Link
from firmware_bridge.transports import Transport

PORTION = 2048  # bytes between two questions; the smallest receive buffers in use hold 4 KiB
FIRMWARE, MODEL, SERIAL_NUMBER = 65, 67, 68

Line = Exchange[EscPosReply]


class Options(BaseModel):
    """Quirks of a printer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    charset: str = Field(default="gb18030", pattern=r"^(gb18030|gbk|utf-8)$", description="of its firmware's text")
    columns: int = Field(default=48, ge=16, le=96, description="narrow characters on one line")
    portion_s: float = Field(default=20.0, gt=0, le=120, description="longest time that one portion may take to print")
    information: bool = Field(default=True, description="answers GS I (model, serial number, firmware)")


class Driver:
    """A printer. ``status`` asks it; what it reports by itself (automatic status) ends a print early."""

    capability = "printer"

    def __init__(self, transport: Transport, clock: Clock, profile: PeripheralProfile) -> None:
        self._options = options_of(profile, Options)
        timing = profile.timing
        self._link: Link[EscPosReply] = Link(
            transport, EscPosCodec(), clock, reply_s=timing.reply_ms / 1000, attempts=timing.attempts
        )

    async def identify(self) -> Identity:
        async with self._link.exchange() as line:
            condition = await _condition(line)
            await line.send(WATCH_ALL)
            if condition.off_line or not self._options.information:
                return Identity()
            return await _identity(line)

    async def status(self) -> PrinterStatus:
        async with self._link.exchange() as line:
            return status_of(await _condition(line))

    async def execute(self, command: Command, args: Shape) -> Shape:
        if command.name == "print":
            await self._print(arguments(args, PrintArgs))
        elif command.name == "reset":
            await self._reset()
        else:
            raise unsupported(self.capability, command)
        return Nothing()

    async def poll(self) -> list[Event]:
        return []

    async def confirm(self, event: Event) -> None:
        """A printer holds no events."""

    def counters(self) -> dict[str, float]:
        return self._link.counters.as_metrics()

    async def close(self) -> None:
        await self._link.close()

    async def _print(self, args: PrintArgs) -> None:
        pieces = render(args, cast(Charset, self._options.charset), self._options.columns)
        portions = list(_portions(pieces))
        async with self._link.exchange() as line:
            raise_if_stopped(await _condition(line), "nothing was printed")
            for done, portion in enumerate(portions):
                await self._print_portion(line, portion, f"printing stopped in part {done + 1} of {len(portions)}")

    async def _print_portion(self, line: Line, portion: bytes, stopped: str) -> None:
        try:
            await line.send(portion + ASK_PAPER)
            answer = await line.reply(effect=Effect.ONCE, accept=_ends_portion, deadline_s=self._options.portion_s)
        except (OutcomeUnknown, LinkTimeout) as unanswered:
            await _explain(line, unanswered, stopped)
        except TransportLost as lost:
            raise OutcomeUnknown(f"{stopped}: {lost}") from lost
        else:
            condition = answer if isinstance(answer, Condition) else Condition(paper_out=_paper_out(answer))
            await _give_up_if_stopped(line, condition, stopped)

    async def _reset(self) -> None:
        async with self._link.exchange() as line:
            await line.send(CLEAR_BUFFERS + INITIALISE + WATCH_ALL)
            await _condition(line)


async def _condition(line: Line) -> Condition:
    bits = [
        cast(RealTime, await line.request(ask_real_time(n), effect=Effect.READ, accept=_is_real_time)).bits
        for n in (1, 2, 3, 4)
    ]
    return condition_of_real_time(*bits)


async def _identity(line: Line) -> Identity:
    words: list[str] = []
    for n in (MODEL, SERIAL_NUMBER, FIRMWARE):
        try:
            reply = await line.request(ask_information(n), effect=Effect.READ, accept=_is_information)
        except LinkTimeout:
            break  # a printer without GS I stays silent: it is known by its real-time answers only
        words.append(cast(Information, reply).text)
    model, serial_number, firmware = (words + [""] * 3)[:3]
    return Identity(model=model, serial_number=serial_number, firmware=firmware)


async def _explain(line: Line, unanswered: OutcomeUnknown | LinkTimeout, stopped: str) -> None:
    """No proof came: let the printer say why, or leave the outcome unknown."""
    try:
        condition = await _condition(line)
    except (LinkTimeout, TransportLost) as silent:
        raise OutcomeUnknown(f"{stopped}: {unanswered}; its status cannot be read either: {silent}") from silent
    await _give_up_if_stopped(line, condition, stopped)
    raise OutcomeUnknown(f"{stopped}: {unanswered}; the printer reports no fault") from unanswered


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


def _is_real_time(reply: EscPosReply) -> bool:
    return isinstance(reply, RealTime)


def _is_information(reply: EscPosReply) -> bool:
    return isinstance(reply, Information)


def _paper_out(reply: EscPosReply) -> bool:
    return isinstance(reply, Queued) and reply.paper_out


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one printer; ``transport`` is open before the first call."""
    return Driver(transport, clock, profile)
