"""Lines of a GPIO chip (``/dev/gpiochip0``) as records, through libgpiod 2.

The kernel debounces and reports edges on the request's own descriptor, which the event loop watches. Which lines, which
level is active, bias and debounce come from the profile's options (``Wires``). The records are those of
``codecs.contacts``: an edge when it happens, all levels when they are asked for. On a pseudo-terminal, where a
simulated board sits, the same records come and go as bytes.
"""

import os
import stat
import tty
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from device_profiles.errors import ProfileError
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.codecs.contacts import ASK_LEVELS, encode_edge, encode_levels
from firmware_bridge.errors import TransportLost
from firmware_bridge.transports._descriptor import DescriptorTransport, is_pty, is_readable, lock

if TYPE_CHECKING:  # the library is loaded where there is a chip
    from gpiod import LineRequest, LineSettings

    RequestLines = Callable[[str, Mapping[int | str, LineSettings]], LineRequest]

_CONSUMER = "hallfleet"


class Wire(BaseModel):
    """One line of the chip. Active means that the loop is broken: with a pull-up and the loop to ground, high."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: int | str = Field(description="offset on the chip, or the line's name")
    active_low: bool = Field(default=False, description="an interface between loop and line turns the level over")
    bias: Literal["as_is", "disabled", "pull_up", "pull_down"] = "pull_up"
    debounce_ms: int = Field(default=20, ge=0, le=5000, description="by the kernel")


class Wires(BaseModel):
    """The lines in the order of their numbers in the records: door, tamper; at least one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    door: Wire | None = None
    tamper: Wire | None = None

    def in_order(self) -> list[Wire]:
        return [wire for wire in (self.door, self.tamper) if wire is not None]


class GpioTransport(DescriptorTransport):
    """The requested lines of one chip; the kernel gives each line to one program only.

    ``request_lines`` stands for libgpiod's function of that name.
    """

    def __init__(self, path: str, wires: Wires, request_lines: "RequestLines | None" = None) -> None:
        super().__init__(path)
        self._wires = wires.in_order()
        self._request_lines = request_lines
        self._request: LineRequest | None = None
        self._numbers: dict[int, int] = {}

    async def write(self, data: bytes) -> None:
        if self._request is None:
            return await super().write(data)
        self._check()
        if data != ASK_LEVELS:
            raise TransportLost(f"{self._name}: a GPIO chip knows one question, got {len(data)} other bytes")
        self._pull()  # edges that came before the levels are told before them
        try:
            levels = self._request.get_values()
        except OSError as error:
            self._lose(error.strerror or str(error))
            raise self._gone() from error
        self._received += encode_levels([level.value == 1 for level in levels])

    async def _acquire(self) -> int:
        if _is_simulated(self._name):
            return _open_pty(self._name)
        request_lines = self._request_lines or _libgpiod()
        try:
            self._request = request_lines(self._name, {wire.line: _settings(wire) for wire in self._wires})
        except (OSError, ValueError) as error:
            raise TransportLost(
                f"{self._name}: expected a GPIO chip with free lines {', '.join(str(w.line) for w in self._wires)}, "
                f"got: {error}"
            ) from error
        self._numbers = {offset: number for number, offset in enumerate(self._request.offsets)}
        return self._request.fd

    def _release(self, fd: int) -> None:
        request, self._request = self._request, None
        if request is None:
            os.close(fd)
        else:
            request.release()

    def _waiting(self) -> int:
        return is_readable(self._fd)  # it has edges

    def _pull(self) -> None:
        if self._request is None:
            super()._pull()
            return
        try:
            while self._request.wait_edge_events(0):  # without a wait; reading without an event would block
                for event in self._request.read_edge_events():
                    rising = event.event_type is type(event).Type.RISING_EDGE
                    self._received += encode_edge(self._numbers[event.line_offset], rising)
        except OSError as error:
            self._lose(error.strerror or str(error))


def _libgpiod() -> "RequestLines":
    import gpiod

    def request_lines(path: str, config: "Mapping[int | str, LineSettings]") -> "LineRequest":
        return gpiod.request_lines(path, {line: settings for line, settings in config.items()}, _CONSUMER)

    return request_lines


def _settings(wire: Wire) -> "LineSettings":
    """Edges both ways. ``active_low`` turns levels and edges over together."""
    from gpiod import LineSettings
    from gpiod.line import Bias, Direction, Edge

    return LineSettings(
        direction=Direction.INPUT,
        edge_detection=Edge.BOTH,
        bias=Bias[wire.bias.upper()],
        active_low=wire.active_low,
        debounce_period=timedelta(milliseconds=wire.debounce_ms),
    )


def _is_simulated(path: str) -> bool:
    """A chip is never opened to find out: that alone may take it from somebody."""
    try:
        mode = os.stat(path)
    except OSError as error:
        raise TransportLost(f"{path}: expected a GPIO chip, got: {error.strerror}") from error
    return stat.S_ISCHR(mode.st_mode) and os.path.realpath(path).startswith("/dev/pts/")


def _open_pty(path: str) -> int:
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise TransportLost(f"{path}: expected a simulated board, got: {error.strerror}") from error
    try:
        lock(fd)
        tty.setraw(fd)
        if not is_pty(fd):
            raise OSError(0, "it is not a pseudo-terminal")
    except OSError as error:
        os.close(fd)
        raise TransportLost(
            f"{path}: expected a simulated board that nobody else uses, got: {error.strerror}"
        ) from error
    return fd


def open_transport(profile: PeripheralProfile, address: str) -> GpioTransport:
    """The chip at the path ``address`` with the lines of the profile's options, not open yet."""
    try:
        wires = Wires.model_validate(profile.options)
    except ValidationError as error:
        raise ProfileError(
            f"{profile.id}.toml: options: expected door and tamper as lines of a chip: {error}"
        ) from error
    return GpioTransport(address, wires)
