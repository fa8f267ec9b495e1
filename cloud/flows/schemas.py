"""HTTP bodies of cases. Personal values stay sealed in the store and never appear here."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from cloud.core.clock import from_ms
from cloud.flows.model import Balance, Card, Once, Payment
from cloud.flows.states.steps import Person
from cloud.flows.store.cases import Stored, StoredEffect


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewCase(_Request):
    """Begin a journey at a machine."""

    machine: str = Field(min_length=1, max_length=63)
    item: str = Field(min_length=1, max_length=60)


class CaseSignal(_Request):
    """What a member of staff found out or did; the open task names the words that it takes."""

    signal: str = Field(min_length=1, max_length=40)


class BalanceView(BaseModel):
    """Card, money (fen) and paper of a case."""

    card: Card
    payment: Payment
    amount_fen: int
    paid_fen: int
    reversed_fen: int
    card_printed: Once
    registered: Once
    receipt: Once
    receipts_printed: int


class TaskView(BaseModel):
    """What the case waits for a member of staff to settle."""

    task: str
    signals: list[str]


class EffectView(BaseModel):
    """Something that the case asked for, and what became of it (empty: nothing yet)."""

    key: str
    kind: str
    asked_at: datetime
    outcome: str
    code: str
    settled_at: datetime | None


class CaseView(BaseModel):
    """A case. ``state`` is the step it stands at, and the name of its end once ``ended``."""

    id: str
    hall: str
    machine: str
    item: str
    resume_code: str
    state: str
    ended: bool
    failure: str
    cancelled: bool
    task: TaskView | None
    balance: BalanceView
    data: dict[str, str]
    started_at: datetime
    changed_at: datetime
    deadline_at: datetime | None


class CaseRecord(CaseView):
    """A case with everything that it asked for."""

    effects: list[EffectView]


class CasePage(BaseModel):
    """A page of cases, the newest first; ``next`` is the cursor of the following page."""

    items: list[CaseView]
    next: str | None


_INTERNAL = {"holder"}  # a token of the person: of no use outside


def case_view(stored: Stored, task: Person | None) -> CaseView:
    """A stored case as HTTP shows it."""
    return CaseView.model_validate(_values(stored, task))


def case_record(stored: Stored, task: Person | None, effects: Sequence[StoredEffect]) -> CaseRecord:
    """A stored case with its history."""
    shown = [
        EffectView(
            key=one.key,
            kind=one.kind,
            asked_at=from_ms(one.asked_ms),
            outcome=one.outcome,
            code=one.code,
            settled_at=None if one.settled_ms is None else from_ms(one.settled_ms),
        )
        for one in effects
    ]
    return CaseRecord.model_validate({**_values(stored, task), "effects": shown})


def _values(stored: Stored, task: Person | None) -> Mapping[str, object]:
    case = stored.case
    return {
        "id": case.case_id,
        "hall": case.hall,
        "machine": case.machine,
        "item": case.item,
        "resume_code": case.resume_code,
        "state": case.end or case.step,
        "ended": bool(case.end),
        "failure": case.failure,
        "cancelled": case.cancelled,
        "task": None if task is None else TaskView(task=task.task, signals=list(task.signals)),
        "balance": _balance(case.balance),
        "data": {name: value for name, value in case.data.items() if name not in _INTERNAL},
        "started_at": from_ms(stored.started_ms),
        "changed_at": from_ms(stored.changed_ms),
        "deadline_at": None if stored.deadline_ms is None else from_ms(stored.deadline_ms),
    }


def _balance(balance: Balance) -> BalanceView:
    return BalanceView(
        card=balance.card,
        payment=balance.payment,
        amount_fen=balance.amount_fen,
        paid_fen=balance.paid_fen,
        reversed_fen=balance.reversed_fen,
        card_printed=balance.card_printed,
        registered=balance.registered,
        receipt=balance.receipt,
        receipts_printed=1 if balance.receipt is Once.YES else 0,
    )
