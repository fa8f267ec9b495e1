"""The end of what cases hold of people: by age, for one person, and old keys."""

from collections.abc import Callable, Iterable, Sequence

import sqlalchemy as sa

from cloud.flows.store.tables import case_effects, case_secrets, cases, department_calls

_HAS_ENDED = cases.c.end != ""


def end_cases(conn: sa.Connection, before_ms: int, limit: int) -> int:
    """Remove cases that ended before ``before_ms``, with everything that belongs to them; at most ``limit``."""
    query = sa.select(cases.c.case_id).where(_HAS_ENDED, cases.c.changed_ms < before_ms).limit(limit)
    return remove(conn, list(conn.scalars(query)))


def end_secrets(conn: sa.Connection, before_ms: int, limit: int) -> int:
    """Erase what is still sealed of cases that began before ``before_ms``, ended or not; at most ``limit`` cases."""
    old = sa.select(cases.c.case_id).where(cases.c.started_ms < before_ms)
    query = sa.select(case_secrets.c.case_id).distinct().where(case_secrets.c.case_id.in_(old)).limit(limit)
    ids = list(conn.scalars(query))
    return conn.execute(sa.delete(case_secrets).where(case_secrets.c.case_id.in_(ids))).rowcount if ids else 0


def running(conn: sa.Connection, case_ids: Iterable[str]) -> list[str]:
    """Those of the cases that have not ended."""
    query = sa.select(cases.c.case_id).where(cases.c.case_id.in_(list(case_ids)), cases.c.end == "")
    return sorted(conn.scalars(query))


def remove(conn: sa.Connection, case_ids: Sequence[str]) -> int:
    """Remove these cases with everything that belongs to them; returns how many cases."""
    if not case_ids:
        return 0
    for table in (case_secrets, case_effects, department_calls):
        conn.execute(sa.delete(table).where(table.c.case_id.in_(case_ids)))
    return conn.execute(sa.delete(cases).where(cases.c.case_id.in_(case_ids))).rowcount


def sealed_after(conn: sa.Connection, place: tuple[str, str], limit: int) -> list[tuple[str, str, str]]:
    """(case, name, sealed) behind a place, in order."""
    key = sa.tuple_(case_secrets.c.case_id, case_secrets.c.name)
    query = sa.select(case_secrets).where(key > place).order_by(case_secrets.c.case_id, case_secrets.c.name)
    return [(row.case_id, row.name, row.sealed) for row in conn.execute(query.limit(limit))]


def reseal(conn: sa.Connection, seal_anew: Callable[[str], str | None], limit: int) -> int:
    """Replace sealed values by what ``seal_anew`` makes of them (None: leave it); stops after ``limit`` of them."""
    done, place = 0, ("", "")
    while done < limit and (rows := sealed_after(conn, place, limit)):
        for case_id, name, sealed in rows:
            new = seal_anew(sealed)
            if new is not None:
                here = sa.and_(case_secrets.c.case_id == case_id, case_secrets.c.name == name)
                conn.execute(sa.update(case_secrets).where(here).values(sealed=new))
                done += 1
        place = rows[-1][:2]
    return done
