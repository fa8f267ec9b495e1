"""The tables of machine identities and every statement on them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from cloud.enrolment.model import Certificate, CertificateState, Claim, Ended, Identity, Standing
from cloud.storage.metadata import Big, metadata
from cloud.storage.upsert import upsert

claims = sa.Table(
    "claims",
    metadata,
    sa.Column("claim_id", sa.String(64), primary_key=True),
    sa.Column("machine", sa.String(63), nullable=False, index=True),
    sa.Column("code_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("made_ms", Big, nullable=False),
    sa.Column("expires_ms", Big, nullable=False),
    sa.Column("used_ms", Big),
    sa.Column("void_ms", Big),
    sa.Column("key_hash", sa.String(64), nullable=False),
)
certificates = sa.Table(
    "certificates",
    metadata,
    sa.Column("serial", sa.String(40), primary_key=True),
    sa.Column("machine", sa.String(63), nullable=False),
    sa.Column("epoch", Big, nullable=False),
    sa.Column("key_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("not_before_ms", Big, nullable=False),
    sa.Column("not_after_ms", Big, nullable=False),
    sa.Column("issued_ms", Big, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("pem", sa.Text, nullable=False),
    sa.Column("predecessor", sa.String(40), nullable=False, index=True),
    sa.Column("ended_ms", Big),
    sa.Column("reason", sa.String(200), nullable=False),
    sa.Index("ix_certificates_machine", "machine", "issued_ms"),
    sa.Index("ix_certificates_ended", "ended_ms"),
)
identities = sa.Table(
    "identities",
    metadata,
    sa.Column("machine", sa.String(63), primary_key=True),
    sa.Column("epoch", Big, nullable=False),
    sa.Column("standing", sa.String(12), nullable=False),
    sa.Column("changed_ms", Big, nullable=False),
)


def add_claim(conn: sa.Connection, claim: Claim, code_hash: str) -> None:
    """Store a new claim."""
    conn.execute(claims.insert().values(**asdict(claim), code_hash=code_hash))


def void_claims(conn: sa.Connection, machine: str, now_ms: int) -> int:
    """Make the machine's unused codes worthless; how many there were."""
    unused = (claims.c.machine == machine, claims.c.used_ms.is_(None), claims.c.void_ms.is_(None))
    return conn.execute(claims.update().where(*unused).values(void_ms=now_ms)).rowcount


def find_claim(conn: sa.Connection, code_hash: str) -> Claim | None:
    """The claim with this code."""
    row = conn.execute(claims.select().where(claims.c.code_hash == code_hash)).mappings().first()
    return None if row is None else Claim(**{name: row[name] for name in Claim.__dataclass_fields__})


def use_claim(conn: sa.Connection, claim_id: str, now_ms: int, key_hash: str) -> bool:
    """Use an unused claim up; False when it is not there to be used any more."""
    unused = (claims.c.claim_id == claim_id, claims.c.used_ms.is_(None), claims.c.void_ms.is_(None))
    return conn.execute(claims.update().where(*unused).values(used_ms=now_ms, key_hash=key_hash)).rowcount == 1


def add_certificate(conn: sa.Connection, certificate: Certificate) -> None:
    """Store a certificate."""
    conn.execute(certificates.insert().values(**asdict(certificate)))


def find_certificate(conn: sa.Connection, serial: str) -> Certificate | None:
    """The certificate with this serial."""
    return _first(conn, certificates.c.serial == serial)


def with_key(conn: sa.Connection, key_hash: str) -> Certificate | None:
    """The certificate of this public key."""
    return _first(conn, certificates.c.key_hash == key_hash)


def successor_of(conn: sa.Connection, serial: str) -> Certificate | None:
    """The active certificate that renewed the one with this serial."""
    return _first(conn, certificates.c.predecessor == serial, certificates.c.state == CertificateState.ACTIVE)


def of_machine(conn: sa.Connection, machine: str, limit: int = 100) -> list[Certificate]:
    """The machine's certificates, the newest first."""
    order = (certificates.c.issued_ms.desc(), certificates.c.serial)
    query = certificates.select().where(certificates.c.machine == machine).order_by(*order).limit(limit)
    return [_certificate(row) for row in conn.execute(query).mappings()]


def end(conn: sa.Connection, serials: Sequence[str], state: CertificateState, now_ms: int, reason: str) -> list[str]:
    """End those of these certificates that are active; which they were."""
    active = (certificates.c.serial.in_(serials), certificates.c.state == CertificateState.ACTIVE)
    values = {"state": state, "ended_ms": now_ms, "reason": reason}
    statement = certificates.update().where(*active).values(**values).returning(certificates.c.serial)
    return list(conn.execute(statement).scalars())


def active_of(conn: sa.Connection, machine: str) -> list[str]:
    """Serials of the machine's active certificates."""
    active = (certificates.c.machine == machine, certificates.c.state == CertificateState.ACTIVE)
    return list(conn.execute(sa.select(certificates.c.serial).where(*active)).scalars())


def ended(conn: sa.Connection, alive_at_ms: int) -> list[Ended]:
    """What the revocation list must name: ended certificates that had not expired at ``alive_at_ms``."""
    query = sa.select(certificates.c.serial, certificates.c.ended_ms).where(
        certificates.c.ended_ms.is_not(None), certificates.c.not_after_ms >= alive_at_ms
    )
    return [Ended(row.serial, row.ended_ms) for row in conn.execute(query.order_by(certificates.c.serial))]


def count_ended(conn: sa.Connection) -> tuple[int, int]:
    """A mark that changes whenever a certificate ends or a machine's standing changes."""
    many = conn.execute(
        sa.select(sa.func.count()).select_from(certificates).where(certificates.c.ended_ms.is_not(None))
    )
    newest = conn.execute(sa.select(sa.func.coalesce(sa.func.max(identities.c.changed_ms), 0)))
    return int(many.scalar_one()), int(newest.scalar_one())


def read_identity(conn: sa.Connection, machine: str) -> Identity | None:
    """The machine's identity; None when it was never enrolled."""
    row = conn.execute(identities.select().where(identities.c.machine == machine)).mappings().first()
    return None if row is None else _identity(row)


def save_identity(conn: sa.Connection, identity: Identity) -> None:
    """Write the machine's identity."""
    upsert(conn, identities, [asdict(identity)], ["machine"])


def revoked_machines(conn: sa.Connection) -> dict[str, int]:
    """Machines that may say nothing, and since when (ms)."""
    query = identities.select().where(identities.c.standing == Standing.REVOKED)
    return {row.machine: row.changed_ms for row in conn.execute(query)}


def expiring(conn: sa.Connection, before_ms: int) -> list[Certificate]:
    """Of every enrolled machine the certificate that lasts longest, where it ends before ``before_ms``."""
    last = sa.func.max(certificates.c.not_after_ms)
    longest = (
        sa.select(certificates.c.machine, last.label("last_ms"))
        .where(certificates.c.state == CertificateState.ACTIVE)
        .group_by(certificates.c.machine)
        .having(last < before_ms)
        .subquery()
    )
    same = sa.and_(
        certificates.c.machine == longest.c.machine,
        certificates.c.not_after_ms == longest.c.last_ms,
        certificates.c.state == CertificateState.ACTIVE,
    )
    query = sa.select(certificates).join(longest, same).order_by(certificates.c.machine)
    return [_certificate(row) for row in conn.execute(query).mappings()]


def _first(conn: sa.Connection, *conditions: sa.ColumnElement[bool]) -> Certificate | None:
    row = conn.execute(certificates.select().where(*conditions)).mappings().first()
    return None if row is None else _certificate(row)


def _certificate(row: sa.RowMapping) -> Certificate:
    values: dict[str, Any] = {**row, "state": CertificateState(row["state"])}
    return Certificate(**values)


def _identity(row: sa.RowMapping) -> Identity:
    return Identity(row["machine"], row["epoch"], Standing(row["standing"]), row["changed_ms"])
