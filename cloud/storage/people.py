"""Finding and blinding what a JSON column says of a person, on both databases."""

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa

PERSONAL = frozenset({"subject", "holder", "sealed"})
"""The names under which a machine tells of a person: two tokens and the sealed values."""


def mentions(column: sa.Column[Any], words: Collection[str]) -> sa.ColumnElement[bool]:
    """Rows whose JSON holds one of ``words`` anywhere. Reads the whole table."""
    text = sa.cast(column, sa.Text)
    return sa.or_(sa.false(), *(text.contains(word, autoescape=True) for word in sorted(words)))


def blinded(value: Any) -> Any:
    """The value without what is personal, at every depth. The subject of a rating is a ticket, and is as personal."""
    if isinstance(value, Mapping):
        return {name: blinded(below) for name, below in value.items() if name not in PERSONAL}
    if isinstance(value, list):
        return [blinded(below) for below in value]
    return value
