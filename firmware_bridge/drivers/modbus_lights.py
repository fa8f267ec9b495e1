"""Guide lights behind a Modbus RTU output board: one coil per light (and colour), rhythm by the controller.

Source: MODBUS application protocol 1.1b3, functions 01, 05, 06, 0Fh. How a light flashes is the board's own doing and
differs by board: under ``[options]`` a light has a blink register with the values of its rhythms, or none; then its
coil is all there is, and the board flashes it (or not) as its switches say.
"""

from contextlib import suppress
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from device_profiles.capabilities.lights import LightArgs, LightsStatus
from device_profiles.capabilities.model import Command, DeviceState, Event, Identity, Nothing, Shape
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.modbus import Function
from firmware_bridge.drivers import arguments, options_of, unsupported
from firmware_bridge.drivers._kept import kept
from firmware_bridge.drivers._modbus_unit import Cell, ModbusUnit, open_unit, spans
from firmware_bridge.errors import BridgeError, UnsupportedCommand
from firmware_bridge.transports import Transport

Rhythm = Literal["slow", "medium", "quick", "continuous"]
Color = Literal["default", "red", "green", "yellow", "blue", "white"]

_status = kept(LightsStatus)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Blink(_Part):
    """The holding register that sets a light's rhythm."""

    register_address: int = Field(ge=0, le=0xFFFF, alias="register")
    values: dict[Rhythm, int] = Field(description="rhythm -> value; a rhythm left out is refused")


class Lamp(_Part):
    """One light: the coil of each colour that it has; ``default`` is there always."""

    coils: dict[Color, int]
    blink: Blink | None = None


class Options(_Part):
    """What is wired to the board."""

    unit: int = Field(default=1, ge=1, le=247, description="Modbus address, set on the device")
    lights: dict[str, Lamp] = Field(min_length=1, description="named after the slot beside the light")

    def coils(self) -> list[Cell]:
        """Every coil that is wired."""
        return [Cell(Function.READ_COILS, coil) for lamp in self.lights.values() for coil in lamp.coils.values()]


class Driver:
    """One board. Lights go out when the driver closes: a light that nobody steers sends people to the wrong slot."""

    capability = "lights"

    def __init__(self, unit: ModbusUnit, options: Options) -> None:
        self._unit = unit
        self._options = options
        self._coils = unit.sweep(options.coils())

    async def identify(self) -> Identity:
        await self._coils.read()
        return Identity(model=f"Modbus unit {self._options.unit}")

    async def status(self) -> LightsStatus:
        await self._coils.read()
        return _status(device=DeviceState.ONLINE)

    async def execute(self, command: Command, args: Shape) -> Shape:
        if command.name == "set":
            await self._set(arguments(args, LightArgs))
        elif command.name == "all_off":
            await self._all_off()
        else:
            raise unsupported(self.capability, command)
        return Nothing()

    async def poll(self) -> list[Event]:
        return []

    async def confirm(self, event: Event) -> None:
        """Lights hold no events."""

    def counters(self) -> dict[str, float]:
        return self._unit.link.counters.as_metrics()

    async def close(self) -> None:
        with suppress(BridgeError):  # a board that does not answer cannot be darkened
            await self._all_off()
        await self._unit.link.close()

    async def _set(self, wanted: LightArgs) -> None:
        lamp = self._lamp(wanted.light)
        if wanted.color not in lamp.coils:
            wired = ", ".join(lamp.coils)
            raise UnsupportedCommand(f"light {wanted.light}: color: expected one of {wired}, got {wanted.color!r}")
        if wanted.flash == "off":
            return await self._darken(lamp, but=None)
        rhythm = _rhythm(wanted, lamp.blink)
        await self._darken(lamp, but=lamp.coils[wanted.color])
        if lamp.blink is not None and rhythm is not None:  # before the coil: the light must not begin in the old one
            await self._unit.write_registers(lamp.blink.register_address, [rhythm])
        await self._unit.write_coils(lamp.coils[wanted.color], [True])

    async def _darken(self, lamp: Lamp, but: int | None) -> None:
        for coil in sorted(set(lamp.coils.values()) - {but}):
            await self._unit.write_coils(coil, [False])

    async def _all_off(self) -> None:
        for first, count in spans(self._options.coils()):
            await self._unit.write_coils(first.address, [False] * count)

    def _lamp(self, name: str) -> Lamp:
        if name not in self._options.lights:
            wired = ", ".join(self._options.lights)
            raise UnsupportedCommand(f"light: expected one that the profile wires ({wired}), got {name!r}")
        return self._options.lights[name]


def _rhythm(wanted: LightArgs, blink: Blink | None) -> int | None:
    """The value of the blink register; None where the board alone decides."""
    if blink is None:
        return None
    for name, value in blink.values.items():
        if name == wanted.flash:
            return value
    known = ", ".join(["off", *blink.values])
    raise UnsupportedCommand(f"light {wanted.light}: flash: expected one of {known}, got {wanted.flash!r}")


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one board; ``transport`` is open before the first call."""
    options = options_of(profile, Options)
    return Driver(open_unit(profile, transport, clock, options.unit), options)
