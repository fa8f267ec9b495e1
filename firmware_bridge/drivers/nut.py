"""Uninterruptible power supplies behind NUT (Network UPS Tools): one supply of a upsd server.

Source: NUT developer guide (network protocol; names of variables and instant commands); the tokens
of ``ups.status`` are from memory of that guide: OL, OB, LB, RB, OVER, BYPASS; others mean nothing here.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from device_profiles.capabilities.model import Action, Command, DeviceState, Effect, Event, Identity, Nothing, Shape
from device_profiles.capabilities.power import Battery, Load, PowerStatus, ShutdownArgs, Supply
from device_profiles.errors import ProfileError
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.nut import NutCodec, Reply
from firmware_bridge.drivers import arguments, options_of, unsupported
from firmware_bridge.drivers._kept import kept
from firmware_bridge.drivers._nut_client import NutClient, SupplyAbsent
from firmware_bridge.errors import DeviceFault, PeerBrokeProtocol
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport

_DELAY = "ups.delay.shutdown"
_READINGS = {
    "input.voltage": "input_v",
    "input.frequency": "frequency_hz",
    "output.voltage": "output_v",
    "ups.load": "load_pct",
    "battery.voltage": "battery_v",
    "battery.charge": "battery_pct",
    "battery.runtime": "runtime_s",
    "ups.temperature": "temperature_c",
}

_status = kept(PowerStatus)


class Options(BaseModel):
    """Which supply, and as whom."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ups: str = Field(default="", pattern=r"^[!#-\[\]-~]*$", description="its name on the server; empty: the only one")
    username: str = Field(default="", description="of upsd.users; reading needs none")
    password_file: str = Field(default="", description="file with the password, readable by the agent only")

    @model_validator(mode="after")
    def _both(self) -> "Options":
        if bool(self.username) != bool(self.password_file):
            raise ValueError("expected username and password_file, or neither")
        return self


class Driver:
    """One supply. The server repeats what its own driver last saw: DATA-STALE is a supply that is off line."""

    capability = "power"

    def __init__(self, link: Link[Reply], options: Options, password: str) -> None:
        self._link = link
        self._client = NutClient(link)
        self._options = options
        self._password = password
        self._ups = options.ups
        self._told: dict[str, str] = {}

    async def identify(self) -> Identity:
        self._ups = self._options.ups or await self._only_one()
        if self._options.username:
            await self._client.log_in(self._options.username, self._password)
        try:
            told = await self._client.variables(self._ups)
        except SupplyAbsent:  # its status says so, and goes on asking
            return Identity(model=f"NUT {self._ups}")
        maker = told.get("device.mfr", told.get("ups.mfr", ""))
        model = told.get("device.model", told.get("ups.model", ""))
        return Identity(
            model=f"{maker} {model}".strip() or f"NUT {self._ups}",
            serial_number=told.get("device.serial", told.get("ups.serial", "")),
            firmware=told.get("ups.firmware", ""),
        )

    async def status(self) -> PowerStatus:
        try:
            told = await self._look()
        except SupplyAbsent:
            self._told = {}
            return _status(device=DeviceState.OFFLINE)
        tokens = set(told.get("ups.status", "").split())
        return _status(device=DeviceState.ONLINE, supply=_supply(tokens), battery=_battery(tokens), load=_load(tokens))

    async def execute(self, command: Command, args: Shape) -> Shape:
        if command.name == "shut_down":
            await self._shut_down(arguments(args, ShutdownArgs).delay_s)
        elif command.name == "cancel_shut_down":
            await self._client.command(self._name(), "shutdown.stop", Effect.IDEMPOTENT)
        elif command.name == "self_test":
            await self._client.command(self._name(), "test.battery.start.quick", Effect.IDEMPOTENT)
        else:
            raise unsupported(self.capability, command)
        return Nothing()

    async def poll(self) -> list[Event]:
        return []

    async def confirm(self, event: Event) -> None:
        """A supply holds no events."""

    def counters(self) -> dict[str, float]:
        readings = {
            metric: float(self._told[name])
            for name, metric in _READINGS.items()
            if _is_number(self._told.get(name, ""))
        }
        return self._link.counters.as_metrics() | readings

    async def close(self) -> None:
        await self._link.close()

    async def _look(self) -> dict[str, str]:
        self._ups = self._ups or await self._only_one()
        self._told = await self._client.variables(self._ups)
        return self._told

    async def _shut_down(self, delay_s: int) -> None:
        """The delay is a variable of the supply: a supply that has another one and keeps it is not switched off."""
        now = (await self._look()).get(_DELAY)
        if now is None:
            raise DeviceFault("delay_not_supported", Action.CONFIGURATION, f"expected a supply with {_DELAY}, got none")
        if not _is_number(now) or float(now) != delay_s:
            await self._client.set_variable(self._ups, _DELAY, str(delay_s))
        await self._client.command(self._ups, "shutdown.return", Effect.ONCE)

    async def _only_one(self) -> str:
        names = await self._client.supplies()
        if len(names) != 1:
            known = ", ".join(names) or "none"
            raise PeerBrokeProtocol(f"expected one supply on the server, or its name in the option ups; got {known}")
        return names[0]

    def _name(self) -> str:
        if not self._ups:
            raise PeerBrokeProtocol("expected identify before a command: the name of the supply is not known yet")
        return self._ups


def _supply(tokens: set[str]) -> Supply | None:
    if "OB" in tokens:
        return Supply.BATTERY
    if "BYPASS" in tokens:
        return Supply.BYPASS
    return Supply.MAINS if "OL" in tokens else None


def _battery(tokens: set[str]) -> Battery:
    if "RB" in tokens:
        return Battery.FAILED
    return Battery.LOW if "LB" in tokens else Battery.OK


def _load(tokens: set[str]) -> Load:
    return Load.OVERLOAD if "OVER" in tokens else Load.NORMAL


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).removeprefix("-").isdecimal()


def _password(profile: PeripheralProfile, options: Options) -> str:
    if not options.password_file:
        return ""
    try:
        return Path(options.password_file).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "not ASCII"
        raise ProfileError(
            f"{profile.id}.toml: options: password_file: expected a file with a password at "
            f"{options.password_file}, got: {told}"
        ) from None


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one supply; ``transport`` is open before the first call."""
    options = options_of(profile, Options)
    timing = profile.timing
    link: Link[Reply] = Link(transport, NutCodec(), clock, reply_s=timing.reply_ms / 1000, attempts=timing.attempts)
    return Driver(link, options, _password(profile, options))
