"""Uninterruptible power supplies that speak Megatec / Q1 on a serial line.

Source: see ``codecs.megatec``. Prefer NUT where it is installed: it knows the oddities of hundreds of models.
"""

from contextlib import suppress
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field

from device_profiles.capabilities.model import Action, Command, DeviceState, Effect, Event, Identity, Nothing, Shape
from device_profiles.capabilities.power import Battery, Load, PowerStatus, ShutdownArgs, Supply
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.megatec import (
    CANCEL,
    INFO,
    RATING,
    STATUS,
    TEST,
    Bit,
    Info,
    MegatecCodec,
    Rating,
    Reply,
    UpsStatus,
    encode_shutdown,
)
from firmware_bridge.drivers import arguments, options_of, unsupported
from firmware_bridge.drivers._kept import kept
from firmware_bridge.drivers._limits import Band, Limits
from firmware_bridge.errors import BridgeError, DeviceFault, LinkTimeout, OutcomeUnknown, PeerBrokeProtocol
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport

Answer = TypeVar("Answer", UpsStatus, Rating, Info)

_status = kept(PowerStatus)


class Options(BaseModel):
    """Quirks of a supply."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cells: int = Field(default=0, ge=0, le=300, description="when the voltage is that of one cell: how many there are")
    overload_pct: float = Field(default=100, gt=10, le=200)
    info: bool = Field(default=True, description="the supply answers I and F; false spares their time-outs")
    restore_min: int = Field(default=1, ge=1, le=9999, description="how long the output stays off at least")


class Driver:
    """One supply. ``S``, ``C`` and ``T`` have no answer: the bits of the next status are the proof.

    A supply that gives no sign of a shutdown leaves the outcome unknown; the command is never repeated.
    """

    capability = "power"

    def __init__(self, link: Link[Reply], options: Options) -> None:
        self._link = link
        self._options = options
        self._limits = Limits(high=options.overload_pct, hysteresis=5)
        self._load = Band.NORMAL
        self._readings: dict[str, float] = {}

    async def identify(self) -> Identity:
        await self._look()
        if self._options.info:
            # Both are optional in the protocol: a supply that stays silent is one without a name.
            with suppress(LinkTimeout):
                info = await self._ask(INFO, Info)
                if info.company.strip("-") or info.model.strip("-"):
                    return Identity(model=f"{info.company} {info.model}".strip(), firmware=info.version)
            with suppress(LinkTimeout):
                rating = await self._ask(RATING, Rating)
                return Identity(model=f"Megatec {rating.voltage_v:g} V, battery {rating.battery_v:g} V")
        return Identity(model="Megatec")

    async def status(self) -> PowerStatus:
        seen = await self._look()
        self._load = self._limits.after(self._load, seen.load_pct)
        return _status(
            device=DeviceState.HARDWARE_ERROR if seen.bits & Bit.UPS_FAILED else DeviceState.ONLINE,
            supply=_supply(seen.bits),
            battery=Battery.LOW if seen.bits & Bit.BATTERY_LOW else Battery.OK,
            load=Load.OVERLOAD if self._load is Band.HIGH else Load.NORMAL,
        )

    async def execute(self, command: Command, args: Shape) -> Shape:
        if command.name == "shut_down":
            await self._shut_down(arguments(args, ShutdownArgs).delay_s)
        elif command.name == "cancel_shut_down":
            await self._cancel()
        elif command.name == "self_test":
            await self._self_test()
        else:
            raise unsupported(self.capability, command)
        return Nothing()

    async def poll(self) -> list[Event]:
        return []

    async def confirm(self, event: Event) -> None:
        """A supply holds no events."""

    def counters(self) -> dict[str, float]:
        return self._link.counters.as_metrics() | self._readings

    async def close(self) -> None:
        await self._link.close()

    async def _shut_down(self, delay_s: int) -> None:
        try:
            await self._link.send(encode_shutdown(delay_s, self._options.restore_min))
            seen = await self._look()
        except BridgeError as error:
            raise OutcomeUnknown(f"the line failed after the shutdown had begun to go out: {error}") from error
        if not seen.bits & Bit.SHUTDOWN_ACTIVE:
            raise OutcomeUnknown("expected the bit of an active shutdown in the next status, it is not set: look there")

    async def _cancel(self) -> None:
        await self._link.send(CANCEL)
        if (await self._look()).bits & Bit.SHUTDOWN_ACTIVE:
            raise DeviceFault("not_cancelled", Action.MAINTENANCE, "expected no active shutdown, the bit is still set")

    async def _self_test(self) -> None:
        if (await self._look()).bits & Bit.UTILITY_FAILED:
            raise DeviceFault("device_not_ready", Action.SUSPEND, "expected mains for a test of the battery, got none")
        await self._link.send(TEST)
        if not (await self._look()).bits & Bit.TESTING:
            raise DeviceFault(
                "self_test_refused", Action.MAINTENANCE, "expected the bit of a running test, it is not set"
            )

    async def _look(self) -> UpsStatus:
        seen = await self._ask(STATUS, UpsStatus)
        self._readings = {
            "input_v": seen.input_v,
            "fault_v": seen.fault_v,
            "output_v": seen.output_v,
            "load_pct": float(seen.load_pct),
            "frequency_hz": seen.frequency_hz,
            "battery_v": round(seen.battery_v * (self._options.cells or 1), 2),
            "temperature_c": seen.temperature_c,
        }
        return seen

    async def _ask(self, data: bytes, kind: type[Answer]) -> Answer:
        reply = await self._link.request(data, effect=Effect.READ, accept=lambda reply: isinstance(reply, kind))
        if not isinstance(reply, kind):
            raise PeerBrokeProtocol(f"expected {kind.__name__}, got {type(reply).__name__}")
        return reply


def _supply(bits: int) -> Supply:
    if bits & Bit.UTILITY_FAILED:
        return Supply.BATTERY
    # Only an on-line supply has a bypass; on the others the same bit means that the voltage is boosted or bucked.
    bypass = bits & Bit.BYPASS_BOOST_BUCK and not bits & Bit.STANDBY_TYPE
    return Supply.BYPASS if bypass else Supply.MAINS


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one supply; ``transport`` is open before the first call."""
    timing = profile.timing
    link: Link[Reply] = Link(transport, MegatecCodec(), clock, reply_s=timing.reply_ms / 1000, attempts=timing.attempts)
    return Driver(link, options_of(profile, Options))
