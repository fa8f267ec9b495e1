"""docs/access.md: who may do what, from the tables that the gate goes by."""

from collections.abc import Iterator

from cloud.access.model import Role
from cloud.access.states import ROLES
from cloud.app.rules import RULES, Of, Rule
from cloud.core.callers import Permission

_HEAD = """\
# Who may do what

Written by `python -m scripts.generate_docs` from `cloud/access/states.py` (roles) and `cloud/app/rules.py` (routes).

A grant is a role in one hall or in all of them (`*`). What belongs to a hall outside the grant is answered as if it did
not exist (404), and lists leave it out. What a role may not do anywhere is refused (403) and not shown on its pages.
API tokens hold permissions out of the first column, never more than their account has at that moment. Routes that
speak of the whole fleet need the permission in all halls.
"""
_SPEAKS = {
    Of.FLEET: "the whole fleet",
    Of.LISTED: "the caller's halls",
    Of.SENT_MACHINE: "the machine in the body",
}


def access_table() -> str:
    """The document."""
    return "\n".join([_HEAD, *_roles(), "", *_routes(), "", *_open(), ""])


def _roles() -> Iterator[str]:
    yield "## Roles\n"
    yield f"| permission | {' | '.join(Role)} |"
    yield f"|---|{'---|' * len(Role)}"
    for permission in Permission:
        marks = ("yes" if permission in ROLES[role] else "" for role in Role)
        yield f"| `{permission}` | {' | '.join(marks)} |"


def _routes() -> Iterator[str]:
    yield "## Routes\n"
    yield "| route | permission | speaks of |"
    yield "|---|---|---|"
    for name, rule in RULES.items():
        if rule.permission is not None:
            yield f"| `{name}` | `{rule.permission}` | {_spoken(rule)} |"


def _open() -> Iterator[str]:
    yield "## Without a permission\n"
    yield "| route | for |"
    yield "|---|---|"
    for name, rule in RULES.items():
        if rule.permission is None:
            everybody = "everybody, so many requests per address" if rule.limited else "everybody"
            yield f"| `{name}` | {everybody if rule.of is Of.EVERYBODY else 'whoever is logged in'} |"


def _spoken(rule: Rule) -> str:
    return _SPEAKS.get(rule.of, f"the {rule.of}'s hall" if rule.of is not Of.HALL else "the hall")
