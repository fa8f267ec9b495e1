"""``Idempotency-Key``: the same request with the same key is done once, and answered the same way again."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Header

from cloud.core.errors import Conflict
from cloud.storage.metadata import Big, Json, metadata
from cloud.storage.tx import Tx
from device_profiles.messages.envelope import canonical_json

IdempotencyKey = Annotated[
    str,
    Header(
        min_length=1,
        max_length=120,
        pattern=r"^[\x21-\x7e]+$",
        description="the same request with the same key is done once and answered the same way again",
    ),
]

KEEP_MS = 24 * 3600 * 1000

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("scope", sa.String(200), primary_key=True),
    sa.Column("key", sa.String(120), primary_key=True),
    sa.Column("request", sa.String(64), nullable=False),
    sa.Column("answer", Json, nullable=False),
    sa.Column("made_ms", Big, nullable=False, index=True),
)


def once(
    tx: Tx, scope: str, key: str, request: Mapping[str, Any], now_ms: int, work: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Do ``work`` and keep its answer under (scope, key); with a known key, give the answer that was kept.

    An error is not kept: the caller may try again with the same key. A key that was used for another request raises
    Conflict. Keys are kept for a day.
    """
    digest = sha256(canonical_json(dict(request))).hexdigest()
    known = tx.conn.execute(
        sa.select(idempotency_keys.c.request, idempotency_keys.c.answer).where(
            idempotency_keys.c.scope == scope, idempotency_keys.c.key == key
        )
    ).first()
    if known is not None:
        if known.request != digest:
            raise Conflict(f"Idempotency-Key: used before for another request to {scope}; take a new key")
        kept: dict[str, Any] = known.answer
        return kept
    answer = work()
    tx.conn.execute(sa.delete(idempotency_keys).where(idempotency_keys.c.made_ms < now_ms - KEEP_MS))
    row = {"scope": scope, "key": key, "request": digest, "answer": answer, "made_ms": now_ms}
    tx.conn.execute(idempotency_keys.insert().values(**row))
    return answer
