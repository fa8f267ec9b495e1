"""The tables of alerts and every statement on them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from cloud.alerts.model import Alert, AlertState, Severity, Who
from cloud.core.errors import Conflict, NotFound
from cloud.storage.metadata import Big, metadata
from cloud.storage.upsert import upsert

_LIVE = sa.text("state <> 'closed'")

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("alert_id", sa.String(64), primary_key=True),
    sa.Column("hall", sa.String(60), nullable=False),
    sa.Column("machine", sa.String(63), nullable=False),
    sa.Column("slot", sa.String(40), nullable=False),
    sa.Column("field", sa.String(40), nullable=False),
    sa.Column("code", sa.String(60), nullable=False),
    sa.Column("action", sa.String(20), nullable=False),
    sa.Column("who", sa.String(20), nullable=False),
    sa.Column("severity", sa.String(12), nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("opened_ms", Big, nullable=False),
    sa.Column("last_ms", Big, nullable=False),
    sa.Column("opened_by", sa.String(140), nullable=False),
    sa.Column("closed_ms", Big),
    sa.Column("evidence", sa.String(140), nullable=False),
    sa.Column("shelved_until_ms", Big),
    sa.Index("uq_alerts_live", "machine", "slot", "field", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),
    sa.Index("ix_alerts_newest", "opened_ms", "alert_id"),
)

# Machines that went offline and are given a little time to come back before anybody is told.
offline_machines = sa.Table(
    "offline_machines",
    metadata,
    sa.Column("machine", sa.String(63), primary_key=True),
    sa.Column("hall", sa.String(60), nullable=False),
    sa.Column("since_ms", Big, nullable=False),
    sa.Column("fact", sa.String(140), nullable=False),
    sa.Column("alerted", sa.Boolean, nullable=False),
)


def add(conn: sa.Connection, alert: Alert) -> None:
    """Store a new alert. The index refuses a second live one for the same field."""
    conn.execute(alerts.insert().values(**asdict(alert)))


def get(conn: sa.Connection, alert_id: str) -> Alert:
    """The alert with this id. Raises NotFound."""
    row = conn.execute(alerts.select().where(alerts.c.alert_id == alert_id)).mappings().first()
    if row is None:
        raise NotFound(f"alert {alert_id[:64]!r}: there is none with this id")
    return _alert(row)


def live(conn: sa.Connection, machine: str, slot: str, field: str) -> Alert | None:
    """The alert of this field that is not closed."""
    query = alerts.select().where(alerts.c.machine == machine, alerts.c.slot == slot, alerts.c.field == field, _LIVE)
    row = conn.execute(query).mappings().first()
    return None if row is None else _alert(row)


def change(conn: sa.Connection, alert: Alert, **changes: Any) -> Alert:
    """Change an alert that is still as we know it. Raises Conflict when somebody was faster."""
    statement = (
        alerts.update()
        .where(alerts.c.alert_id == alert.alert_id, alerts.c.state == alert.state, alerts.c.count == alert.count)
        .values(**changes)
        .returning(alerts)
    )
    row = conn.execute(statement).mappings().first()
    if row is None:
        raise Conflict(f"alert {alert.alert_id}: changed by somebody else meanwhile; look again")
    return _alert(row)


def listed(
    conn: sa.Connection,
    filters: Mapping[str, str],
    active: bool,
    before: tuple[int, str] | None,
    limit: int,
    halls: Collection[str] | None = None,
) -> Sequence[Alert]:
    """Alerts, the newest first, after the place ``before`` (opened_ms, alert_id); of ``halls`` only, None: of all."""
    query = alerts.select() if halls is None else alerts.select().where(alerts.c.hall.in_(halls))
    for name, value in filters.items():
        query = query.where(alerts.c[name] == value)
    if active:
        query = query.where(_LIVE)
    if before is not None:
        place = sa.tuple_(sa.literal(before[0]), sa.literal(before[1]))
        query = query.where(sa.tuple_(alerts.c.opened_ms, alerts.c.alert_id) < place)
    query = query.order_by(alerts.c.opened_ms.desc(), alerts.c.alert_id.desc()).limit(limit)
    return [_alert(row) for row in conn.execute(query).mappings()]


def to_wake(conn: sa.Connection, now_ms: int) -> Sequence[Alert]:
    """Shelved alerts whose time is over."""
    over = alerts.c.shelved_until_ms <= now_ms
    query = alerts.select().where(alerts.c.state == AlertState.SHELVED, over)
    return [_alert(row) for row in conn.execute(query).mappings()]


def note_offline(conn: sa.Connection, machine: str, hall: str, since_ms: int, fact: str) -> None:
    """A machine went offline."""
    row = {"machine": machine, "hall": hall, "since_ms": since_ms, "fact": fact, "alerted": False}
    upsert(conn, offline_machines, [row], ["machine"])


def note_online(conn: sa.Connection, machine: str) -> None:
    """A machine is back."""
    conn.execute(sa.delete(offline_machines).where(offline_machines.c.machine == machine))


def take_long_offline(conn: sa.Connection, before_ms: int) -> Sequence[sa.RowMapping]:
    """Machines offline since ``before_ms`` or longer that nobody was told about yet; each is given once."""
    statement = (
        offline_machines.update()
        .where(offline_machines.c.alerted.is_(False), offline_machines.c.since_ms <= before_ms)
        .values(alerted=True)
        .returning(offline_machines)
    )
    return conn.execute(statement).mappings().all()


def _alert(row: sa.RowMapping) -> Alert:
    return Alert(
        **{
            **row,
            "who": Who(row["who"]),
            "severity": Severity(row["severity"]),
            "state": AlertState(row["state"]),
        }
    )
