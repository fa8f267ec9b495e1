"""What a case is made of: where it stands, what it owes, and the effects that it asks for.

Money is in fen (1/100 yuan). A key ``case:step:attempt`` names one effect for ever: machine, gateway and department
do it once, however often it is asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Card(StrEnum):
    """Where the citizen's card is. ``unknown``: somewhere in the machine, or perhaps not in it at all."""

    NONE = "none"
    UNKNOWN = "unknown"
    IN_UNIT = "in_unit"
    RETURNED = "returned"
    RETAINED = "retained"


class Payment(StrEnum):
    """What became of the citizen's money. ``unknown``: asked for, no answer yet."""

    NONE = "none"
    UNKNOWN = "unknown"
    AUTHORISED = "authorised"
    DECLINED = "declined"
    REVERSED = "reversed"
    SETTLED_BY_STAFF = "settled_by_staff"


class Once(StrEnum):
    """What became of something that may happen only once (a print, a registration)."""

    NO = "no"
    UNKNOWN = "unknown"
    YES = "yes"


@dataclass(frozen=True, slots=True)
class Balance:
    """Card, money and paper of one case."""

    card: Card = Card.NONE
    payment: Payment = Payment.NONE
    amount_fen: int = 0
    paid_fen: int = 0
    reversed_fen: int = 0
    card_printed: Once = Once.NO
    registered: Once = Once.NO
    receipt: Once = Once.NO


@dataclass(frozen=True, slots=True)
class Case:
    """One citizen's run through an item. ``tries`` counts how often each step was begun; ``end`` names the end state.

    ``failure`` is the first thing that went wrong; the case then gives back what it holds and ends under that name.
    """

    case_id: str
    hall: str
    machine: str
    item: str
    resume_code: str
    step: str = ""
    tries: Mapping[str, int] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    balance: Balance = Balance()
    failure: str = ""
    end: str = ""
    cancelled: bool = False

    @property
    def key(self) -> str:
        """The key of the effect that the case waits for."""
        return self.key_of(self.step)

    def key_of(self, step: str) -> str:
        """The key of the latest effect of ``step``."""
        return f"{self.case_id}:{step}:{self.tries.get(step, 0)}"


@dataclass(frozen=True, slots=True)
class Event:
    """What became of the effect ``key``. ``outcome``: succeeded, failed, refused, expired, unknown, timeout,
    declined, unavailable, cancelled or ``signal:{word}``; ``code`` says why a command failed (XFS words).
    """

    key: str
    outcome: str
    code: str = ""
    output: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeviceCommand:
    """Something a peripheral shall do. The case waits for the result, unless ``awaited`` is False."""

    key: str
    slot: str
    name: str
    args: Mapping[str, Any]
    start_in_s: float
    run_for_s: float
    awaited: bool = True


@dataclass(frozen=True, slots=True)
class Sealed:
    """Stands for one field of a sealed value in the body of a call; opened only for the call itself."""

    secret: str
    field: str


@dataclass(frozen=True, slots=True)
class DepartmentCall:
    """A question or an order to a department. ``patience_s``: after that it counts as unavailable."""

    key: str
    operation: str
    body: Mapping[str, str | int | Sealed]
    patience_s: float


@dataclass(frozen=True, slots=True)
class HumanTask:
    """Something that staff must find out or do. ``wait_s`` None: until somebody does."""

    key: str
    task: str
    signals: tuple[str, ...]
    wait_s: float | None


@dataclass(frozen=True, slots=True)
class LookAt:
    """Read one field of a peripheral's status, ``after_s`` from now."""

    key: str
    slot: str
    field: str
    after_s: float


Effect = DeviceCommand | DepartmentCall | HumanTask | LookAt


@dataclass(frozen=True, slots=True)
class Answer:
    """What a department said to one attempt: ``succeeded``, ``declined``, or ``again`` (no answer: try later)."""

    outcome: str
    output: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """A department call as it is stored."""

    key: str
    case_id: str
    operation: str
    body: Mapping[str, Any]
    attempts: int
    give_up_ms: int
    next_ms: int
