"""Statements on cases, their effects and their secrets."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from cloud.core.errors import Conflict, NotFound
from cloud.flows.model import Balance, Card, Case, Effect, Event, Once, Payment
from cloud.flows.store.tables import case_effects, case_secrets, cases
from cloud.storage.upsert import insert_missing, upsert

_FIELDS = ("step", "tries", "data", "failure", "end", "cancelled")


@dataclass(frozen=True, slots=True)
class Stored:
    """A case as it is stored."""

    case: Case
    version: int
    deadline_ms: int | None
    started_ms: int
    changed_ms: int


@dataclass(frozen=True, slots=True)
class StoredEffect:
    """One line of a case's history."""

    key: str
    kind: str
    asked_ms: int
    outcome: str
    code: str
    settled_ms: int | None


def add(conn: sa.Connection, case: Case, now_ms: int) -> None:
    """Store a new case."""
    conn.execute(
        cases.insert().values(
            case_id=case.case_id,
            hall=case.hall,
            machine=case.machine,
            item=case.item,
            resume_code=case.resume_code,
            version=1,
            started_ms=now_ms,
            changed_ms=now_ms,
            **_values(case),
        )
    )


def find(conn: sa.Connection, case_id: str) -> Stored | None:
    """The case with this id."""
    row = conn.execute(cases.select().where(cases.c.case_id == case_id)).mappings().first()
    return None if row is None else _stored(row)


def get(conn: sa.Connection, case_id: str) -> Stored:
    """The case with this id. Raises NotFound."""
    stored = find(conn, case_id)
    if stored is None:
        raise NotFound(f"case {case_id[:64]!r}: there is none with this id")
    return stored


def update(conn: sa.Connection, before: Stored, case: Case, deadline_ms: int | None, now_ms: int) -> None:
    """Write what became of a case. Raises Conflict when somebody was faster."""
    statement = (
        cases.update()
        .where(cases.c.case_id == case.case_id, cases.c.version == before.version)
        .values(version=before.version + 1, deadline_ms=deadline_ms, changed_ms=now_ms, **_values(case))
    )
    if conn.execute(statement).rowcount != 1:
        raise Conflict(f"case {case.case_id}: changed by somebody else meanwhile; look again")


def running_at(conn: sa.Connection, machine: str) -> Sequence[Stored]:
    """The cases at a machine that have not ended."""
    query = cases.select().where(cases.c.machine == machine, cases.c.end == "").order_by(cases.c.started_ms)
    return [_stored(row) for row in conn.execute(query).mappings()]


def due(conn: sa.Connection, now_ms: int, limit: int = 100) -> Sequence[str]:
    """The ids of cases whose waiting is over."""
    query = sa.select(cases.c.case_id).where(cases.c.deadline_ms <= now_ms).order_by(cases.c.deadline_ms)
    return list(conn.execute(query.limit(limit)).scalars())


def next_deadline(conn: sa.Connection) -> int | None:
    """When the next case stops waiting."""
    found: int | None = conn.execute(sa.select(sa.func.min(cases.c.deadline_ms))).scalar()
    return found


def listed(
    conn: sa.Connection,
    filters: Mapping[str, str],
    open_only: bool,
    before: tuple[int, str] | None,
    limit: int,
    halls: Collection[str] | None = None,
) -> Sequence[Stored]:
    """Cases, the newest first, after the place ``before`` (started_ms, case_id); of ``halls`` only, None: of all."""
    query = cases.select() if halls is None else cases.select().where(cases.c.hall.in_(halls))
    for name, value in filters.items():
        query = query.where(cases.c[name] == value)
    if open_only:
        query = query.where(cases.c.end == "")
    if before is not None:
        place = sa.tuple_(sa.literal(before[0]), sa.literal(before[1]))
        query = query.where(sa.tuple_(cases.c.started_ms, cases.c.case_id) < place)
    query = query.order_by(cases.c.started_ms.desc(), cases.c.case_id.desc()).limit(limit)
    return [_stored(row) for row in conn.execute(query).mappings()]


def add_effect(conn: sa.Connection, case_id: str, effect: Effect, command_id: str | None, now_ms: int) -> None:
    """Record that an effect was asked for."""
    row = {
        "key": effect.key,
        "case_id": case_id,
        "kind": type(effect).__name__,
        "command_id": command_id,
        "asked_ms": now_ms,
        "outcome": "",
        "code": "",
        "settled_ms": None,
    }
    insert_missing(conn, case_effects, [row], ["key"])


def settle_effect(conn: sa.Connection, event: Event, now_ms: int) -> None:
    """Record what became of an effect; a later word that says more replaces an earlier one."""
    conn.execute(
        case_effects.update()
        .where(case_effects.c.key == event.key)
        .values(outcome=event.outcome, code=event.code[:60], settled_ms=now_ms)
    )


def effect_of_command(conn: sa.Connection, command_id: str) -> tuple[str, str] | None:
    """(case id, key) of the effect that a command carries out."""
    query = sa.select(case_effects.c.case_id, case_effects.c.key).where(case_effects.c.command_id == command_id)
    row = conn.execute(query).first()
    return None if row is None else (row[0], row[1])


def history(conn: sa.Connection, case_id: str) -> Sequence[StoredEffect]:
    """Everything that a case asked for, in order."""
    names = ("key", "kind", "asked_ms", "outcome", "code", "settled_ms")
    query = sa.select(*(case_effects.c[name] for name in names)).where(case_effects.c.case_id == case_id)
    rows = conn.execute(query.order_by(case_effects.c.asked_ms, case_effects.c.key)).mappings()
    return [StoredEffect(**row) for row in rows]


def keep_secret(conn: sa.Connection, case_id: str, name: str, sealed: str) -> None:
    """Keep a sealed value under a name; a newer one replaces it."""
    upsert(conn, case_secrets, [{"case_id": case_id, "name": name, "sealed": sealed}], ["case_id", "name"])


def secret(conn: sa.Connection, case_id: str, name: str) -> str | None:
    """The sealed value of that name."""
    query = sa.select(case_secrets.c.sealed)
    found: str | None = conn.execute(
        query.where(case_secrets.c.case_id == case_id, case_secrets.c.name == name)
    ).scalar()
    return found


def forget(conn: sa.Connection, case_id: str, names: Sequence[str] | None = None) -> None:
    """Erase these secrets of a case, or all of them."""
    statement = sa.delete(case_secrets).where(case_secrets.c.case_id == case_id)
    conn.execute(statement if names is None else statement.where(case_secrets.c.name.in_(names)))


def _values(case: Case) -> dict[str, Any]:
    plain = {name: getattr(case, name) for name in _FIELDS}
    balance = {name: value if isinstance(value, int) else str(value) for name, value in asdict(case.balance).items()}
    return {**plain, "tries": dict(case.tries), "data": dict(case.data), "balance": balance}


def _stored(row: sa.RowMapping) -> Stored:
    case = Case(
        case_id=row["case_id"],
        hall=row["hall"],
        machine=row["machine"],
        item=row["item"],
        resume_code=row["resume_code"],
        balance=_balance(row["balance"]),
        **{name: row[name] for name in _FIELDS},
    )
    return Stored(case, row["version"], row["deadline_ms"], row["started_ms"], row["changed_ms"])


def _balance(kept: Mapping[str, Any]) -> Balance:
    return Balance(
        card=Card(kept["card"]),
        payment=Payment(kept["payment"]),
        amount_fen=kept["amount_fen"],
        paid_fen=kept["paid_fen"],
        reversed_fen=kept["reversed_fen"],
        card_printed=Once(kept["card_printed"]),
        registered=Once(kept["registered"]),
        receipt=Once(kept["receipt"]),
    )
