"""The vocabulary that flows are written in.

A step has one effect and a table of outcomes. An outcome is looked up as ``failed:no_media``, then as ``failed``, then
as ``otherwise``, which every step must have. ``exhausted``: the step was begun ``tries`` times already.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cloud.flows.model import Balance, Case, Event, Sealed

Book = Callable[[Balance, Mapping[str, Any]], Balance]
"""How an outcome changes the balance; the second argument is the effect's output."""

Args = Callable[[Case], dict[str, Any]]
Test = Callable[[Case], bool]
Judge = Callable[[Case, Event], str]
"""Names the outcome when it depends on more than how the effect ended."""

END = "end"
DONE = "done"


@dataclass(frozen=True, slots=True)
class Words:
    """The same words in Chinese and English."""

    zh: str
    en: str

    def as_args(self) -> dict[str, str]:
        """As a screen command takes them."""
        return {"zh": self.zh, "en": self.en}


@dataclass(frozen=True, slots=True)
class Say:
    """What the machine's screen shows while the step runs."""

    words: Callable[[Case], Words]
    tone: str = "wait"


@dataclass(frozen=True, slots=True)
class Device:
    """A command to a peripheral of the case's machine."""

    slot: str
    name: str
    args: Args
    run_for_s: float = 30.0
    start_in_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Department:
    """A call to a department. ``body`` must hold no personal value in the clear: see ``Sealed``."""

    operation: str
    body: Callable[[Case], Mapping[str, str | int | Sealed]]
    patience_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Person:
    """A task for staff, settled by one of the signals."""

    task: str
    signals: tuple[str, ...]
    wait_s: float | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """A look at a peripheral's status; the output is ``{"value": ...}``, the outcome ``unknown`` without one."""

    slot: str
    field: str
    after_s: float = 0.0


Do = Device | Department | Person | Look


def unchanged(balance: Balance, output: Mapping[str, Any]) -> Balance:
    """Nothing was moved."""
    return balance


def always(case: Case) -> bool:
    """The step is taken in every case."""
    return True


@dataclass(frozen=True, slots=True)
class Go:
    """Where an outcome leads. ``keep``: case data name -> output field; ``failure`` names what went wrong."""

    to: str
    book: Book = unchanged
    keep: Mapping[str, str] = field(default_factory=dict)
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``begin`` books what may be true as soon as the effect is under way.

    ``only_if`` false: the step is passed over to ``else_to``. ``secret``: the name under which a sealed output is
    kept. ``forget``: secrets erased as soon as the step is settled. ``evidence_of``: an earlier step whose late result
    settles this one too. ``cancellable``: may not be begun once the citizen
    has cancelled.
    """

    do: Do
    on: Mapping[str, Go]
    say: Say | None = None
    begin: Book = unchanged
    only_if: Test = always
    else_to: str = END
    tries: int = 1
    judge: Judge | None = None
    secret: str = ""
    forget: tuple[str, ...] = ()
    evidence_of: str = ""
    cancellable: bool = False

    def targets(self) -> set[str]:
        """Every step that can follow."""
        return {go.to for go in self.on.values()} | ({self.else_to} if self.only_if is not always else set())


@dataclass(frozen=True, slots=True)
class Flow:
    """One item. ``unwind`` is the step from which everything held is given back, whatever went wrong before."""

    item: str
    name: Words
    first: str
    unwind: str
    steps: Mapping[str, Step]
    delivered: Callable[[Balance], bool]
    late: frozenset[str] = field(default_factory=frozenset)
    """Steps during which the machine is free for the next citizen."""

    def failures(self) -> set[str]:
        """The names of all ends but ``done``."""
        return {go.failure for step in self.steps.values() for go in step.on.values() if go.failure} | {"cancelled"}


def check(flow: Flow) -> Flow:
    """The flow itself, when every step leads somewhere. Raises ValueError naming the step."""
    for name, step in flow.steps.items():
        if "otherwise" not in step.on:
            raise ValueError(f"{flow.item}: step {name} has no way out for outcomes that it does not name")
        unknown = step.targets() - set(flow.steps) - {END}
        if unknown:
            raise ValueError(f"{flow.item}: step {name} leads to {sorted(unknown)}, which do not exist")
    return flow
