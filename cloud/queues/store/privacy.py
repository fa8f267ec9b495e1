"""The end of what tickets hold of people."""

import sqlalchemy as sa

from cloud.queues.store.tables import tickets


def end_subjects(conn: sa.Connection, before_ms: int, limit: int) -> int:
    """Blind the person's token of tickets issued before ``before_ms``; the ticket itself stays, for statistics."""
    query = sa.select(tickets.c.ticket_id).where(tickets.c.subject != "", tickets.c.issued_ms < before_ms)
    ids = list(conn.scalars(query.limit(limit)))
    if not ids:
        return 0
    return conn.execute(sa.update(tickets).where(tickets.c.ticket_id.in_(ids)).values(subject="")).rowcount


def erase(conn: sa.Connection, subject: str) -> int:
    """Blind the token of one person."""
    return conn.execute(sa.update(tickets).where(tickets.c.subject == subject).values(subject="")).rowcount
