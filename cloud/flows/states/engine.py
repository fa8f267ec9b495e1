"""Advances a case: a pure function of the flow's table, the case and what happened."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cloud.flows.model import Case, DepartmentCall, DeviceCommand, Effect, Event, HumanTask, LookAt
from cloud.flows.states.steps import DONE, END, Department, Device, Flow, Go, Person, Step

_LATE_RESULT_S = 30.0
"""How long after a command's own limits its result may still arrive before the case goes on without it."""

SCREEN = "screen"
EVIDENCE = ("succeeded", "failed")  # outcomes that say what really happened
SKIPS = 100  # more steps passed over in a row than any flow has: a circle in the table


@dataclass(frozen=True, slots=True)
class Advance:
    """The case after an event, what it asks for, after how many seconds it stops waiting, and which secrets
    to erase.
    """

    case: Case
    effects: tuple[Effect, ...] = ()
    wait_s: float | None = None
    forget: tuple[str, ...] = ()


def begin(flow: Flow, case: Case) -> Advance:
    """Take the first step."""
    return _enter(flow, case, flow.first)


def advance(flow: Flow, case: Case, event: Event) -> Advance | None:
    """What ``event`` leads to; None when the case does not wait for it (late, repeated, or over)."""
    if case.end:
        return None
    step = flow.steps[case.step]
    if event.key != case.key:
        if not step.evidence_of or event.key != case.key_of(step.evidence_of) or event.outcome not in EVIDENCE:
            return None
        step = flow.steps[step.evidence_of]
    following = _enter(flow, _settled(case, step, event, go := way(step, case, event)), go.to)
    return replace(following, forget=step.forget)


def cancel(flow: Flow, case: Case) -> Advance | None:
    """The citizen gives up: the case unwinds at once or at its next step. None when it is too late for that."""
    if case.end or not flow.steps[case.step].cancellable:
        return None
    case = replace(case, cancelled=True)
    if isinstance(flow.steps[case.step].do, Person):
        return _enter(flow, case, case.step)
    return Advance(case)


def way(step: Step, case: Case, event: Event) -> Go:
    """The entry of the step's table that fits the event."""
    outcome = step.judge(case, event) if step.judge else event.outcome
    return find(step.on, outcome, event.code)


def find(on: Mapping[str, Go], outcome: str, code: str = "") -> Go:
    """The most exact entry for an outcome."""
    for name in (f"{outcome}:{code}", outcome):
        if name in on:
            return on[name]
    return on["otherwise"]


def wait_of(effect: Effect) -> float | None:
    """After how many seconds without an event the case is told ``timeout`` (or looks, for a look)."""
    if isinstance(effect, DeviceCommand):
        return effect.start_in_s + effect.run_for_s + _LATE_RESULT_S
    if isinstance(effect, HumanTask):
        return effect.wait_s
    if isinstance(effect, LookAt):
        return effect.after_s
    return None  # a department call always ends: its runner gives up after the call's own patience


def _settled(case: Case, step: Step, event: Event, go: Go) -> Case:
    kept = {name: str(event.output[source]) for name, source in go.keep.items() if event.output.get(source) is not None}
    return replace(
        case,
        data={**case.data, **kept},
        balance=go.book(case.balance, event.output),
        failure=case.failure or go.failure,
    )


def _enter(flow: Flow, case: Case, name: str) -> Advance:
    for _ in range(SKIPS):
        if name == END:
            return Advance(replace(case, step="", end=case.failure or DONE))
        step = flow.steps[name]
        if case.cancelled and step.cancellable:
            case, name = replace(case, failure=case.failure or "cancelled"), flow.unwind
        elif not step.only_if(case):
            name = step.else_to
        elif case.tries.get(name, 0) >= step.tries:
            go = find(step.on, "exhausted")
            case, name = _settled(case, step, Event(case.key, "exhausted"), go), go.to
        else:
            return _begin(case, name, step)
    raise ValueError(f"{flow.item}: steps from {name} pass over each other in a circle")


def _begin(case: Case, name: str, step: Step) -> Advance:
    case = replace(
        case,
        step=name,
        tries={**case.tries, name: case.tries.get(name, 0) + 1},
        balance=step.begin(case.balance, {}),
    )
    effect = _effect(case, step)
    said = () if step.say is None else (_show(case, step),)
    return Advance(case, (*said, effect), wait_of(effect))


def _effect(case: Case, step: Step) -> Effect:
    do = step.do
    if isinstance(do, Device):
        return DeviceCommand(case.key, do.slot, do.name, do.args(case), do.start_in_s, do.run_for_s)
    if isinstance(do, Department):
        return DepartmentCall(case.key, do.operation, do.body(case), do.patience_s)
    if isinstance(do, Person):
        return HumanTask(case.key, do.task, do.signals, do.wait_s)
    return LookAt(case.key, do.slot, do.field, do.after_s)


def _show(case: Case, step: Step) -> DeviceCommand:
    assert step.say is not None
    args: dict[str, Any] = {"message": step.say.words(case).as_args(), "tone": step.say.tone}
    return DeviceCommand(f"{case.key}:screen", SCREEN, "show", args, 20.0, 10.0, awaited=False)
