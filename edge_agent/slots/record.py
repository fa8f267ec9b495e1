"""Record a session with one peripheral: identify, status and the commands asked for, each with the bytes of its line.

What may identify a person is masked. In the clear are only the calls of which that can be known: ``identify``,
``status`` and commands without free text in a capability without personal fields, and of those only where the device
said nothing but its own answers. A code that somebody holds before a scanner comes when it likes.
"""

import itertools
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.model import Capability, Command, Shape, personal_fields
from device_profiles.errors import ConfigurationError, nearest
from device_profiles.schema.peripheral import PeripheralProfile
from edge_agent.errors import AgentError
from firmware_bridge.clock import Clock
from firmware_bridge.drivers import Driver
from firmware_bridge.errors import BridgeError, DeviceFault
from firmware_bridge.registry import load_driver
from firmware_bridge.transports import Transport
from firmware_bridge.transports.recording import Passed, RecordingTransport, clear_lines, masked_lines, recorded

FORMAT = 1
_DISTURBED_BY = ("stale", "unsolicited", "discarded_bytes")


@dataclass(frozen=True, slots=True)
class Call:
    """One command to run, its arguments checked."""

    command: Command
    args: Shape


@dataclass(slots=True)
class _Passage:
    """The bytes of one call; ``clear`` as long as nothing speaks against it."""

    name: str
    clear: bool
    passed: list[Passed]
    outcome: str = "answered"
    disturbed: bool = False


def calls_of(profile: PeripheralProfile, wanted: Sequence[str]) -> list[Call]:
    """``name`` or ``name {"argument": 1}`` as calls. Raises ConfigurationError."""
    commands = CAPABILITIES[profile.capability].commands
    calls = []
    for name, _, text in (one.partition(" ") for one in wanted):
        if name not in commands:
            raise ConfigurationError(
                f"--run {name}: a {profile.capability} has no such command; {nearest(name, commands)}"
            )
        try:
            calls.append(Call(commands[name], commands[name].args.model_validate(json.loads(text or "{}"))))
        except (ValidationError, ValueError) as error:
            raise ConfigurationError(f"--run {name}: expected its arguments as a JSON object: {error}") from error
    return calls


async def record(
    profile: PeripheralProfile, line: Transport, calls: Sequence[Call], clock: Clock, *, unmasked: bool = False
) -> list[dict[str, Any]]:
    """The recording as JSON lines. Raises AgentError when the line cannot be opened."""
    started = clock.monotonic()
    recording = recorded(line, lambda: clock.monotonic() - started)
    driver = load_driver(profile, recording, clock)
    passages: list[_Passage] = []
    async with _opened(recording, driver):
        tape = _Tape(recording, driver, passages)
        await tape.run("identify", True, driver.identify)
        await tape.run("status", True, driver.status)
        for call in calls:
            clear = in_the_clear(CAPABILITIES[profile.capability], call.command)
            await tape.run(call.command.name, clear, partial(driver.execute, call.command, call.args))
        # What stands behind the last answer shows only at the next request; that one is not kept.
        await tape.run("", True, driver.status)
    for passage, behind in itertools.pairwise(passages):
        passage.clear = unmasked or (passage.clear and not passage.disturbed and not behind.disturbed)
    head = {"recording": FORMAT, "peripheral": profile.id, "unmasked": unmasked}
    return [head, *_lines(passages[:-1], profile.harmless_bytes)]


def save(lines: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Write a new file that only its owner may read. Raises AgentError when there is one already."""
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    try:
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        raise AgentError(f"{file}: expected a new file in a folder that is there, got: {error.strerror}") from error


def in_the_clear(capability: Capability, command: Command) -> bool:
    """Whether the bytes of ``command`` cannot name a person: nothing personal around, and no text but fixed words."""
    shapes = [shape for known in capability.commands.values() for shape in (known.args, known.output)]
    if any(personal_fields(shape) for shape in (*shapes, *capability.events.values())):
        return False
    return not any(_free_text(shape.model_json_schema()) for shape in (command.args, command.output))


def _free_text(schema: object) -> bool:
    if isinstance(schema, dict):
        open_word = schema.get("type") == "string" and "enum" not in schema and "const" not in schema
        anything = schema.get("additionalProperties") not in (None, False)
        return open_word or anything or any(map(_free_text, schema.values()))
    return isinstance(schema, list) and any(map(_free_text, schema))


class _Tape:
    def __init__(self, recording: RecordingTransport, driver: Driver, passages: list[_Passage]) -> None:
        self._recording, self._driver, self._passages = recording, driver, passages

    async def run(self, name: str, clear: bool, call: Callable[[], Awaitable[object]]) -> None:
        """Run one call; its failure is part of the recording."""
        passage = _Passage(name, clear, [])
        before = self._driver.counters()
        try:
            await call()
        except BridgeError as error:
            code = f" {error.code}" if isinstance(error, DeviceFault) else ""
            passage.outcome = type(error).__name__ + code  # the message may hold more than the recording may
        after = self._driver.counters()
        passage.disturbed = any(after.get(name, 0) != before.get(name, 0) for name in _DISTURBED_BY)
        passage.passed = self._recording.take()
        self._passages.append(passage)


def _lines(passages: Sequence[_Passage], harmless: int) -> list[dict[str, Any]]:
    key = os.urandom(16)  # known to nobody after this recording
    lines: list[dict[str, Any]] = []
    for passage in passages:
        lines.append({"call": passage.name, "outcome": passage.outcome, "masked": not passage.clear})
        kept = clear_lines(passage.passed) if passage.clear else masked_lines(passage.passed, harmless, key)
        lines.extend(kept)
    return lines


@asynccontextmanager
async def _opened(recording: RecordingTransport, driver: Driver) -> AsyncIterator[None]:
    try:
        await recording.open()
    except BridgeError as error:
        raise AgentError(f"{error}; does the agent still run?") from error
    try:
        yield
    finally:
        await driver.close()
