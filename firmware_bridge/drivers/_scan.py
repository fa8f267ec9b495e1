"""What every scanner's driver does with a code: wait for it, bound it, and never repeat it in an error."""

import re
from collections.abc import Iterable
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from device_profiles.capabilities.barcode_reader import ScanArgs, ScanOutput
from device_profiles.capabilities.model import Action, Command, Shape
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.scanned_text import Scanned
from firmware_bridge.drivers import arguments, unsupported
from firmware_bridge.errors import DeviceFault, UnsupportedCommand


class ScanOptions(BaseModel):
    """What every scanner's profile can say about codes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    charset: Literal["ascii", "utf-8", "gb18030"] = Field(default="utf-8", description="of the decoded text")
    longest_code: int = Field(default=1024, ge=1, le=4296, description="bytes; a longer code is refused")


class Scan:
    """One ``read`` command: its arguments are checked before anything is sent to the device."""

    def __init__(self, command: Command, args: Shape, options: ScanOptions) -> None:
        if command.name != "read":
            raise unsupported("barcode_reader", command)
        wanted = arguments(args, ScanArgs)
        self.wait_s = wanted.wait_s
        self._pattern = _pattern(wanted.pattern)
        self._options = options

    def output(self, scanned: Scanned) -> ScanOutput:
        """The text. Raises DeviceFault ``barcode_invalid``, which never repeats it: a code is as good as money."""
        if not scanned.whole or len(scanned.data) > self._options.longest_code:
            raise _invalid(
                f"expected one code of at most {self._options.longest_code} bytes, got more or a damaged one"
            )
        try:
            text = scanned.data.decode(self._options.charset)
        except UnicodeDecodeError as error:
            raise _invalid(
                f"expected {self._options.charset}, byte {error.start} of {len(scanned.data)} is not"
            ) from None
        if not text.isprintable():  # control and format characters, such as those that turn the reading direction
            raise _invalid(f"expected printable characters, got others among {len(text)}")
        if self._pattern is not None and self._pattern.fullmatch(text) is None:
            raise _invalid(f"expected a code that matches {self._pattern.pattern}, got {len(text)} other characters")
        return ScanOutput(text=text)

    def nothing_came(self) -> DeviceFault:
        """The error for a wait that ended without a code."""
        return DeviceFault("no_media", Action.RESET, f"expected a code within {self.wait_s:g} s, none was read")


class Line(Protocol):
    """The part of a ``Link`` that a triggered scan needs."""

    async def send(self, data: bytes) -> None: ...

    async def receive(self, deadline_s: float) -> object | None: ...


async def wait_for_code(
    line: Line, clock: Clock, scan: Scan, give_up: float, trigger: bytes, again_s: float
) -> Scanned:
    """The next code until ``give_up``; ``trigger`` is sent every ``again_s``, since scanners stop by themselves.

    Raises DeviceFault ``no_media``, TransportLost.
    """
    again_at = clock.monotonic() + again_s
    while (now := clock.monotonic()) < give_up:
        if now >= again_at:
            # Sent, not requested: a request would throw away the half of a code that has already come.
            await line.send(trigger)
            again_at = now + again_s
        reply = await line.receive(min(give_up, again_at) - now)
        if isinstance(reply, Scanned):
            return reply
    raise scan.nothing_came()


def named_values(lines: Iterable[str]) -> dict[str, str]:
    """``Serial Number: 15232B1F0C`` as ``serial number`` and its value; other lines are passed over."""
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip()[:60] for name, colon, value in pairs if colon and value.strip()}


def _pattern(text: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text) if text else None
    except re.error as error:
        raise UnsupportedCommand(f"pattern: expected a regular expression, got {text!r}: {error}") from error


def _invalid(detail: str) -> DeviceFault:
    return DeviceFault("barcode_invalid", Action.RESET, detail)
