"""Bad days by plan: ``--fault 'paper_out@30s'`` does to a simulated device at a time what a person or fate would do.

    NAME[:KEY=VALUE[,KEY=VALUE]]@WHEN[+LASTING]

NAME is a button of the device (``paper_out``, ``jam``, ``insert_card:person=p001``), a fault of the line
(``half_frame``, ``echo``, ``delay:delay_s=2``, ``duplicate``, ``lie`` ...), ``clock_jump:seconds=3600`` or ``unplug``.
WHEN and LASTING are times from the start such as ``30s``, ``1.5s``, ``2m``; ``10s..60s`` is a moment between the two,
chosen by the seed. LASTING ends it: the line is good again, the cable is put back, the fault's ``clear`` button in the
profile is pressed.
"""

import asyncio
import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from device_profiles.errors import nearest
from device_profiles.schema.peripheral import PeripheralProfile
from simulators.errors import SimulatorError, UnknownName
from simulators.faults import SPOILS
from simulators.pty_port import PtyPort

UNPLUG, PLUG = "unplug", "plug"
_TIME = r"\d+(?:\.\d+)?[sm]"
_STEP = re.compile(rf"([a-z_]+)(?::([^@]+))?@({_TIME})(?:\.\.({_TIME}))?(?:\+({_TIME}))?")
_EXAMPLE = "NAME@WHEN such as paper_out@30s, delay:delay_s=2@10s+5s or unplug@10s..60s+3s"


@dataclass(frozen=True, order=True)
class Act:
    """One thing that happens to the device, ``at_s`` seconds after the start."""

    at_s: float
    button: str
    args: Mapping[str, Any] = field(default_factory=dict, compare=False)


def plan(script: Sequence[str], profile: PeripheralProfile, buttons: Mapping[str, Any], seed: int) -> list[Act]:
    """What happens when, in order. Raises SimulatorError that says what was expected."""
    acts: list[Act] = []
    for number, text in enumerate(script):
        match = _STEP.fullmatch(text.strip())
        if match is None:
            raise SimulatorError(f"fault: expected {_EXAMPLE}, got {text!r}")
        name, arguments, first, last, lasting = match.groups()
        begin = _moment(first, last, random.Random(f"script/{seed}/{number}"))
        args = _arguments(arguments or "")
        acts.append(_start(name, args, begin, buttons))
        if lasting:
            acts.append(_end(name, begin + _seconds(lasting), profile))
    return sorted(acts)


async def play(port: PtyPort, acts: Sequence[Act], tell: Callable[[str], None]) -> None:
    """Do ``acts`` to the device behind ``port``; from now on. What a button refuses is told."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    for act in acts:
        await asyncio.sleep(max(0.0, start + act.at_s - loop.time()))
        try:
            _do(port, act)
        except (SimulatorError, TypeError) as error:  # TypeError: arguments that the button does not take
            tell(f"fault {act.button}@{act.at_s:g}s: {error}")


def _do(port: PtyPort, act: Act) -> None:
    if act.button == UNPLUG:
        port.unplug()
    elif act.button == PLUG:
        port.plug()
    else:
        port.press(act.button, **act.args)


def _start(name: str, args: dict[str, Any], at_s: float, buttons: Mapping[str, Any]) -> Act:
    if name == UNPLUG or name in buttons:
        return Act(at_s, name, args)
    if name in SPOILS:
        return Act(at_s, "line_fault", {"kind": name, **args})
    raise UnknownName(f"fault {name!r} is not known; {nearest(name, [UNPLUG, *SPOILS, *buttons])}")


def _end(name: str, at_s: float, profile: PeripheralProfile) -> Act:
    if name == UNPLUG:
        return Act(at_s, PLUG)
    if name in SPOILS:
        return Act(at_s, "line_ok")
    for fault in profile.faults:
        if fault.press == name:
            return Act(at_s, fault.clear, fault.clear_args)
    known = ", ".join(sorted(fault.press for fault in profile.faults)) or "none"
    raise SimulatorError(
        f"fault {name!r}: expected one that {profile.id} can clear by itself ({known}); leave +TIME out"
    )


def _arguments(text: str) -> dict[str, Any]:
    args: dict[str, Any] = {}
    for pair in filter(None, text.split(",")):
        key, separator, value = pair.partition("=")
        if not separator:
            raise SimulatorError(f"fault: argument: expected KEY=VALUE, got {pair!r}")
        args[key.strip()] = _value(value.strip())
    return args


def _value(text: str) -> Any:
    """A number or a truth value where it reads as one, else the text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) else text


def _moment(first: str, last: str | None, rng: random.Random) -> float:
    begin = _seconds(first)
    if last is None:
        return begin
    if (end := _seconds(last)) < begin:
        raise SimulatorError(f"fault: time: expected the earlier time first, got {first}..{last}")
    return rng.uniform(begin, end)


def _seconds(text: str) -> float:
    return float(text[:-1]) * (60 if text.endswith("m") else 1)
