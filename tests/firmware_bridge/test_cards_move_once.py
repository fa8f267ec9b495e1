"""Whatever the line loses, a card is moved or printed once or not at all; the driver says which, or that it is unknown.

``OutcomeUnknown`` is always allowed, more than one effect never is; every other outcome has to be true.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.errors import BridgeError, DeviceFault, OutcomeUnknown
from simulators.people import Permit
from simulators.peripherals.card_path import CardPath, Place
from simulators.peripherals.peer import Output
from tests.builders.tampered import Tampered, open_tampered

HEARD, NOT_HEARD, ANSWER_LOST, ANSWER_LATE = range(4)
FATES = st.lists(st.sampled_from([HEARD, HEARD, HEARD, NOT_HEARD, ANSWER_LOST, ANSWER_LATE]), min_size=1, max_size=40)


@dataclass(frozen=True)
class Once:
    """A command with a physical effect, and how often the device has done it."""

    profile: str
    command: str
    args: dict[str, Any]
    done: Callable[[dict[str, Any]], int]


CASES = [
    Once("creator-crt-541", "dispense", {}, lambda seen: int(seen["dispensed_total"])),
    Once("quio-cd-720m", "dispense", {"wait_taken_s": 0}, lambda seen: int(seen["dispensed_total"])),
    Once("sanwa-crp-1231", "print", {"lines": ["HKG 2026"]}, lambda seen: int(seen["printed_total"])),
    Once("star-tcp300", "print", {"lines": ["HKG 2026"]}, lambda seen: int(seen["printed_total"])),
    Once("creator-crt-310", "retain", {}, lambda seen: int(seen["bin"])),
    Once("creator-crt-571", "dispense", {}, lambda seen: 100 - int(seen["stacker"])),
]


def spoil(line: Tampered, fates: list[int]) -> None:
    """What becomes of each thing that the host says, in turn; when ``fates`` are used up the line is good."""
    left: Iterator[int] = iter(fates)

    def not_heard(data: bytes) -> bytes | None:
        fate[0] = next(left, HEARD)
        return b"" if fate[0] == NOT_HEARD else None

    def change(data: bytes, answers: Output) -> Output:
        if fate[0] == ANSWER_LOST:
            return []
        return [(at + 0.6, body) for at, body in answers] if fate[0] == ANSWER_LATE else answers

    fate = [HEARD]
    line.instead, line.change = not_heard, change


async def _try(case: Once, fates: list[int]) -> None:
    printing, keeping = case.command == "print", case.command == "retain"
    place = Place.PRINTER if printing else Place.HOLD
    path = CardPath(Permit(), place) if printing or keeping else CardPath()
    bench, line = await open_tampered(case.profile, shared={"card_path": path})
    before = case.done(line.snapshot())
    spoil(line, fates)
    outcome: BridgeError | None = None
    try:
        await bench.run(case.command, **case.args)
    except BridgeError as error:
        outcome = error
    line.instead = line.change = None
    await bench.clock.sleep(30)
    line.advance(bench.clock.monotonic())
    times = case.done(line.snapshot()) - before
    assert times <= 1, f"{times} times after {outcome!r}"
    if not isinstance(outcome, OutcomeUnknown):
        assert times == (1 if outcome is None else 0), f"{times} times after {outcome!r}"
    assert not isinstance(outcome, DeviceFault), "nothing was wrong with the device"
    await bench.driver.status()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.profile)
@given(fates=FATES)
@settings(max_examples=40, deadline=None)
def test_an_effect_happens_once_or_is_known_to_be_unknown(case: Once, fates: list[int]) -> None:
    asyncio.run(_try(case, fates))
