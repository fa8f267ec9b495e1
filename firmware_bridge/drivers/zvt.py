"""Payment terminals that speak ZVT on a serial line."""

import asyncio
from contextlib import suppress

from pydantic import BaseModel, ConfigDict, Field

from device_profiles.capabilities.model import Command, DeviceState, Effect, Event, Identity, Nothing, Shape
from device_profiles.capabilities.payment import PayArgs, PaymentOutput, PaymentStatus, ReverseArgs, Terminal
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.zvt import Control, Reply, ZvtCodec
from firmware_bridge.codecs.zvt_fields import Fields, amount_fields, bcd, parse_fields, parse_state, receipt_field
from firmware_bridge.drivers import arguments, options_of, unsupported
from firmware_bridge.drivers._zvt_talk import Ending, Talk, Timers
from firmware_bridge.drivers._zvt_words import ABORTED, FAULTS, NOT_POSSIBLE, NOT_REGISTERED, reason_of, status_of
from firmware_bridge.errors import BridgeError, DeviceFault, OutcomeUnknown, PeerBrokeProtocol, UnsupportedCommand
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport

_SERVICE = b"\x03"
_TELL_AND_PRINT_NOTHING = 0x03  # service byte of repeat receipt: bit 0 status information, bit 1 no print-out
_LARGEST_RECEIPT = 9999


class Options(BaseModel):
    """Set-up and quirks of a terminal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    password: str = Field(default="000000", pattern=r"^[0-9]{6}$", description="of the cashier, as the terminal has it")
    currency: int = Field(default=156, ge=1, le=999, description="ISO 4217 number that the terminal is registered with")
    configuration: int = Field(
        default=0x3E,
        ge=0,
        le=0xFF,
        description="of the registration: 02 04 we print receipts, 08 progress is told, 10 20 amounts come from us",
    )
    t1_s: float = Field(default=0.2, gt=0, le=5, description="T1: between two bytes of a frame")
    t2_s: float = Field(default=15.0, gt=0, le=60, description="T2: until the line acknowledges a payment")
    t3_s: float = Field(default=5.0, gt=0, le=60, description="T3: until the terminal answers a command")
    t4_s: float = Field(default=180.0, gt=0, le=600, description="T4: between two steps of a command that runs")


class Driver:
    """A terminal. A payment whose end was not heard is OutcomeUnknown: ``last`` tells what the terminal made of it."""

    capability = "payment"

    def __init__(self, link: Link[Reply], talk: Talk, options: Options) -> None:
        self._link = link
        self._talk = talk
        self._options = options
        self._password = bytes.fromhex(options.password)
        self._seen: str | None = None  # the last payment or reversal that was told; "" when there was none
        self._uncertain = False

    async def identify(self) -> Identity:
        terminal = await self._register()
        ending = await self._enquire()
        software, _ = parse_state(ending.data) if ending.completed else ("", None)
        return Identity(model="ZVT terminal", serial_number=terminal, firmware=software)

    async def status(self) -> PaymentStatus:
        ending = await self._enquire()
        if ending.completed:
            return status_of(parse_state(ending.data)[1])
        if ending.code == NOT_REGISTERED:
            return PaymentStatus(device=DeviceState.ONLINE, terminal=Terminal.NOT_REGISTERED)
        return status_of(ending.code)

    async def execute(self, command: Command, args: Shape) -> Shape:
        if command.name == "pay":
            return await self._pay(arguments(args, PayArgs))
        if command.name == "reverse":
            return await self._reverse(arguments(args, ReverseArgs))
        if command.name == "last":
            arguments(args, Nothing)
            return await self._last()
        if command.name == "end_of_day":
            arguments(args, Nothing)
            return await self._end_of_day()
        raise unsupported(self.capability, command)

    async def poll(self) -> list[Event]:
        return []

    async def confirm(self, event: Event) -> None:
        """A terminal holds no events."""

    def counters(self) -> dict[str, float]:
        return self._link.counters.as_metrics()

    async def close(self) -> None:
        await self._link.close()

    async def _register(self) -> str:
        """Tell the terminal how we work together; returns its id. Raises PeerBrokeProtocol when it is no terminal."""
        data = self._password + bytes((self._options.configuration,)) + bcd(self._options.currency, 2)
        ending = await self._talk.run(Control.REGISTRATION, data, effect=Effect.IDEMPOTENT)
        if not ending.completed:
            if ending.code == NOT_POSSIBLE:
                raise PeerBrokeProtocol(f"registration: {reason_of(ending.code)}: is this a ZVT payment terminal?")
            raise _fault(ending.code, "registration")
        return parse_fields(ending.data).terminal

    async def _enquire(self) -> Ending:
        return await self._talk.run(Control.STATUS_ENQUIRY, self._password, effect=Effect.READ)

    async def _pay(self, wanted: PayArgs) -> PaymentOutput:
        await self._look_before()
        data = amount_fields(wanted.amount_minor, wanted.currency)
        ending = await self._once(Control.AUTHORISATION, data, wanted.wait_s, self._seen)
        output = self._result(ending)
        if output.outcome == "approved" and ending.told is not None:
            if ending.told.amount not in (None, wanted.amount_minor):
                raise self._unknown(
                    f"expected {wanted.amount_minor} minor units to be paid, the terminal told another sum"
                )
            output = output.model_copy(update={"amount_minor": wanted.amount_minor})
        return self._told(output)

    async def _reverse(self, wanted: ReverseArgs) -> PaymentOutput:
        if not wanted.receipt.isdecimal() or int(wanted.receipt) > _LARGEST_RECEIPT:
            raise UnsupportedCommand(f"receipt: expected a number up to {_LARGEST_RECEIPT}, as ``pay`` told it")
        await self._look_before()
        data = self._password + receipt_field(int(wanted.receipt))
        return self._told(self._result(await self._once(Control.REVERSAL, data, None, self._seen)))

    async def _end_of_day(self) -> PaymentOutput:
        """Hand the day's payments in; ``amount_minor`` is their sum when the terminal tells it."""
        ending = await self._once(Control.END_OF_DAY, self._password)
        told = ending.told
        if not ending.completed or (told is not None and told.result):
            code = ending.code or (told.result if told is not None and told.result else 0)
            return PaymentOutput(outcome="declined", reason=reason_of(code))
        return PaymentOutput(outcome="approved", amount_minor=told.amount or 0 if told is not None else 0)

    async def _last(self) -> PaymentOutput:
        data = self._password + _SERVICE + bytes((_TELL_AND_PRINT_NOTHING,))
        ending = await self._run(Control.REPEAT_RECEIPT, data, Effect.READ)
        if not ending.completed and ending.code in FAULTS:
            raise _fault(ending.code, "last")
        if not ending.completed or ending.told is None:
            # No payment yet, or a terminal that cannot repeat one: nobody may conclude that nothing was paid.
            return PaymentOutput(outcome="none", reason=reason_of(ending.code) if ending.code else "not_told")
        output = _output(ending)
        return output.model_copy(update={"unseen": None if self._seen is None else _name(output) != self._seen})

    async def _look_before(self) -> None:
        """Know the terminal's last payment before the next begins, else nobody could tell one from the other."""
        if self._seen is None or self._uncertain:
            last = await self._last()
            self._seen = "" if last.outcome == "none" else _name(last)
            self._uncertain = False

    async def _once(
        self, control: Control, data: bytes, wait_s: float | None = None, known: str | None = None
    ) -> Ending:
        try:
            ending = await self._run(control, data, Effect.ONCE, wait_s, known)
        except OutcomeUnknown:
            self._uncertain = True
            raise
        except asyncio.CancelledError:
            self._uncertain = True
            with suppress(BridgeError):  # who cancelled learns the outcome from ``last``
                await self._talk.abort()
            raise
        if not ending.completed and ending.code in FAULTS:
            raise _fault(ending.code, control.name.lower())
        return ending

    async def _run(
        self, control: Control, data: bytes, effect: Effect, wait_s: float | None = None, known: str | None = None
    ) -> Ending:
        ending = await self._talk.run(control, data, effect=effect, wait_s=wait_s, known=known)
        if ending.completed or ending.code != NOT_REGISTERED:
            return ending
        await self._register()  # it was switched off and has forgotten us; nothing was begun, so it may be sent again
        return await self._talk.run(control, data, effect=effect, wait_s=wait_s, known=known)

    def _result(self, ending: Ending) -> PaymentOutput:
        """What became of a payment or reversal. Raises OutcomeUnknown when it ended well and told no result."""
        if ending.completed and (ending.told is None or ending.told.result is None):
            raise self._unknown("expected a result with the completion, got none")
        return _output(ending)

    def _told(self, output: PaymentOutput) -> PaymentOutput:
        if output.outcome == "approved":
            self._seen = _name(output)
        return output

    def _unknown(self, detail: str) -> OutcomeUnknown:
        self._uncertain = True
        return OutcomeUnknown(f"{detail}: ask the terminal for its last payment, do not repeat")


def _output(ending: Ending) -> PaymentOutput:
    told = ending.told
    if not ending.completed or told is None:
        aborted = ending.code == ABORTED
        return PaymentOutput(outcome="aborted" if aborted else "declined", reason=reason_of(ending.code))
    return PaymentOutput(
        outcome="declined" if told.result else "approved",
        amount_minor=told.amount or 0,
        receipt=told.receipt,
        trace=told.trace,
        card=told.card,
        reason=reason_of(told.result) if told.result else "",
        made_at=told.made_at,
    )


def _name(output: PaymentOutput) -> str:
    return Fields(receipt=output.receipt, trace=output.trace, made_at=output.made_at).name


def _fault(code: int, what: str) -> DeviceFault:
    word, action = FAULTS.get(code, FAULTS[0xDF])
    return DeviceFault(word, action, f"{what}: the terminal answered {reason_of(code)}")


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one terminal; ``transport`` is open before the first call."""
    options = options_of(profile, Options)
    timing = profile.timing
    codec = ZvtCodec()
    link: Link[Reply] = Link(transport, codec, clock, reply_s=timing.reply_ms / 1000, attempts=timing.attempts)
    timers = Timers(options.t1_s, options.t2_s, options.t3_s, options.t4_s)
    return Driver(link, Talk(link, codec, clock, timers, timing.attempts), options)
