"""Climate sensors, people counters, door and tamper contacts on Modbus RTU. The register map is the profile's.

Source: MODBUS application protocol 1.1b3; signed tenths of a degree are usual for such sensors, not a standard: what a
model has is under ``[options]``. Addresses are those on the wire, from 0 (a manual's 30001 is input register 0).
"""

from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from device_profiles.capabilities.auxiliaries import AuxiliariesStatus, Cabinet, Climate, ReadingsOutput, Tamper
from device_profiles.capabilities.model import Command, DeviceState, Event, Identity, Nothing, Shape
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.modbus import Function
from firmware_bridge.drivers import arguments, options_of, unsupported
from firmware_bridge.drivers._kept import kept
from firmware_bridge.drivers._limits import Band, Limits, Odometer
from firmware_bridge.drivers._modbus_unit import Cell, ModbusUnit, open_unit
from firmware_bridge.transports import Transport

_REGISTER_TABLES = {"input": Function.READ_INPUT, "holding": Function.READ_HOLDING}
_BIT_TABLES = {"discrete": Function.READ_DISCRETE, "coil": Function.READ_COILS}

_status, _readings = kept(AuxiliariesStatus), kept(ReadingsOutput)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    address: int = Field(ge=0, le=0xFFFF, description="on the wire, from 0")


class Measured(_Part):
    """One register that holds a measured value."""

    table: Literal["input", "holding"] = "input"
    scale: float = Field(default=0.1, gt=0, description="unit of the value for a 1 in the register")
    signed: bool = True
    broken: int | None = Field(default=None, ge=0, le=0xFFFF, description="what the register holds without a probe")
    limits: Limits = Limits()

    @cached_property
    def cells(self) -> list[Cell]:
        return [Cell(_REGISTER_TABLES[self.table], self.address)]

    def value(self, values: dict[Cell, int]) -> float | None:
        """In its unit; None when the device says that its probe is broken."""
        raw = values[self.cells[0]]
        if raw == self.broken:
            return None
        return round((raw - 0x10000 if self.signed and raw & 0x8000 else raw) * self.scale, 6)


class Counted(_Part):
    """One or two registers that count up and wrap."""

    table: Literal["input", "holding"] = "input"
    bits: Literal[16, 32] = 16
    low_word_first: bool = False
    per_s: float = Field(default=10.0, gt=0, description="the most that can pass in a second")

    @cached_property
    def cells(self) -> list[Cell]:
        return [Cell(_REGISTER_TABLES[self.table], self.address + word) for word in range(self.bits // 16)]

    def value(self, values: dict[Cell, int]) -> int:
        total = 0
        for cell in reversed(self.cells) if self.low_word_first else self.cells:
            total = total << 16 | values[cell]
        return total


class Contact(_Part):
    """One bit of a contact. ``good``: its value while all is well; a normally-closed loop reads 1 until it is cut."""

    table: Literal["discrete", "coil"] = "discrete"
    good: Literal[0, 1] = 1

    @cached_property
    def cells(self) -> list[Cell]:
        return [Cell(_BIT_TABLES[self.table], self.address)]

    def is_good(self, values: dict[Cell, int]) -> bool:
        return values[self.cells[0]] == self.good


class Options(BaseModel):
    """What the unit has, and where."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: int = Field(default=1, ge=1, le=247, description="Modbus address, set on the device")
    temperature: Measured | None = None
    humidity: Measured | None = None
    entered: Counted | None = None
    left: Counted | None = None
    door: Contact | None = None
    tamper: Contact | None = None

    @model_validator(mode="after")
    def _not_empty(self) -> "Options":
        if not self.cells():
            raise ValueError("expected one of temperature, humidity, entered, left, door, tamper; got none")
        return self

    def cells(self) -> list[Cell]:
        """Everything to be read."""
        parts = (self.temperature, self.humidity, self.entered, self.left, self.door, self.tamper)
        return [cell for part in parts if part is not None for cell in part.cells]


class Driver:
    """One unit. What was last read travels as telemetry; limits and contacts are its status."""

    capability = "auxiliaries"

    def __init__(self, unit: ModbusUnit, clock: Clock, options: Options) -> None:
        self._unit = unit
        self._sweep = unit.sweep(options.cells())
        self._clock = clock
        self._options = options
        self._bands = {"temperature": Band.NORMAL, "humidity": Band.NORMAL}
        self._totals = {
            name: Odometer(counted.bits, counted.per_s)
            for name, counted in (("entered", options.entered), ("left", options.left))
            if counted is not None
        }
        self._readings = ReadingsOutput()

    async def identify(self) -> Identity:
        await self._look()
        return Identity(model=f"Modbus unit {self._options.unit}")

    async def status(self) -> AuxiliariesStatus:
        values = await self._look()
        options, readings = self._options, self._readings
        broken = (options.temperature is not None and readings.temperature_c is None) or (
            options.humidity is not None and readings.humidity_pct is None
        )
        return _status(
            device=DeviceState.HARDWARE_ERROR if broken else DeviceState.ONLINE,
            cabinet=None if options.door is None else _cabinet(options.door.is_good(values)),
            tamper=None if options.tamper is None else _tamper(options.tamper.is_good(values)),
            temperature=self._climate("temperature", options.temperature, readings.temperature_c),
            humidity=self._climate("humidity", options.humidity, readings.humidity_pct),
        )

    async def execute(self, command: Command, args: Shape) -> Shape:
        if command.name != "read":
            raise unsupported(self.capability, command)
        arguments(args, Nothing)
        await self._look()
        return self._readings

    async def poll(self) -> list[Event]:
        return []

    async def confirm(self, event: Event) -> None:
        """Sensors hold no events."""

    def counters(self) -> dict[str, float]:
        measured = {name: float(value) for name, value in self._readings.model_dump(exclude_none=True).items()}
        return self._unit.link.counters.as_metrics() | measured

    async def close(self) -> None:
        await self._unit.link.close()

    async def _look(self) -> dict[Cell, int]:
        options = self._options
        values = await self._sweep.read()
        self._readings = _readings(
            temperature_c=None if options.temperature is None else options.temperature.value(values),
            humidity_pct=None if options.humidity is None else options.humidity.value(values),
            entered_total=self._total("entered", options.entered, values),
            left_total=self._total("left", options.left, values),
        )
        return values

    def _total(self, name: str, counted: Counted | None, values: dict[Cell, int]) -> int | None:
        if counted is None:
            return None
        return self._totals[name].total(counted.value(values), self._clock.monotonic())

    def _climate(self, name: str, measured: Measured | None, value: float | None) -> Climate | None:
        if measured is None or value is None:
            return None
        self._bands[name] = measured.limits.after(self._bands[name], value)
        return Climate(self._bands[name])


def _cabinet(good: bool) -> Cabinet:
    return Cabinet.CLOSED if good else Cabinet.OPEN


def _tamper(good: bool) -> Tamper:
    return Tamper.OK if good else Tamper.ALARM


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one unit; ``transport`` is open before the first call."""
    options = options_of(profile, Options)
    return Driver(open_unit(profile, transport, clock, options.unit), clock, options)
