"""Which facts are written down, and which of their words: never a value that could name a person.

Only listed names of a fact reach the record, and a word that looks like an identity or telephone number is replaced:
ids and values of machines are other people's text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from cloud.core.facts import Fact
from device_profiles.capabilities import CAPABILITIES

WITHHELD = "(withheld)"
MOST_CHARACTERS = 120
BIGGEST = 10**14  # milliseconds since 1970 fit, identity numbers do not
# 15 or 18 characters: identity numbers (GB 11643-1999); 11 digits: mobile numbers; 12 to 19: bank cards.
_MANY_DIGITS = re.compile(r"[0-9]{9}")
_NUMBER = re.compile(r"(?<![0-9A-Za-z_])\+?[0-9]{9,19}[Xx]?(?![0-9A-Za-z])|(?<![0-9A-Fa-f])[1-9][0-9]{16}[0-9Xx]")
_WORD = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class Rule:
    """``subject``: the field that says what the fact is about. ``told``: the fields that are written down."""

    subject: str
    told: tuple[str, ...]


_ACCESS = ("way", "reason", "grants", "scopes", "halls", "state", "issuer", "token_id", "ends_ms")
_CERTIFICATE = ("serial", "serials", "epoch", "not_after_ms", "previous", "again", "reason", "claim_id")
_TICKET = ("number", "service", "counter", "day", "state")
RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "command.issued": Rule("command_id", ("name", "flow_id")),
        "command.settled": Rule("command_id", ("name", "outcome", "flow_id")),
        "command.cleared": Rule("command_id", ("name", "outcome", "flow_id", "state")),
        "machine.online": Rule("", ("epoch",)),
        "machine.offline": Rule("", ("epoch",)),
        "machine.replaced": Rule("", ("epoch",)),
        "twin.desired_changed": Rule("", ("version", "changed")),
        "alert.acknowledged": Rule("alert_id", ("code", "state")),
        "alert.shelved": Rule("alert_id", ("code", "state")),
        "alert.resolved": Rule("alert_id", ("code", "state")),
        "dispatch.*": Rule("proposal_id", ("counter", "to_service", "state")),
        "counter.opened": Rule("counter", ("state", "services")),
        "counter.paused": Rule("counter", ("state",)),
        "counter.closed": Rule("counter", ("state",)),
        "counter.services_changed": Rule("counter", ("services",)),
        "ticket.transferred": Rule("ticket_id", _TICKET),
        "ticket.cancelled": Rule("ticket_id", _TICKET),
        "case.signalled": Rule("case_id", ("item", "step", "task", "word")),
        "case.cancelled": Rule("case_id", ("item", "step")),
        # Accounts by their id: what somebody typed as a name may be a password, and an address is a person's.
        "account.*": Rule("account_id", _ACCESS),
        "token.*": Rule("token_id", ("account_id", *_ACCESS)),
        "access.*": Rule("account_id", _ACCESS),
        "certificate.*": Rule("machine", _CERTIFICATE),
        "enrolment.*": Rule("machine", _CERTIFICATE),
        "machine.claim_made": Rule("machine", _CERTIFICATE),
        "machine.revoked": Rule("machine", _CERTIFICATE),
    }
)


def words_of(rule: Rule, fact: Fact) -> tuple[str, dict[str, Any]]:
    """The subject and the detail of a fact."""
    detail = {name: told(fact.data[name]) for name in rule.told if fact.data.get(name) not in (None, "")}
    error = fact.data.get("error")
    if isinstance(error, Mapping) and error.get("code"):
        detail["code"] = word(str(error["code"]))
    return word(str(fact.data.get(rule.subject) or fact.machine)), detail


def status_words(fact: Fact) -> dict[str, Any] | None:
    """The detail of a change of a device's status; None for any other fact."""
    field, value = fact.data.get("field"), fact.data.get("value")
    capability, _, what = fact.type.partition(".")
    if field is None or value is None or what != f"{field}_{value}":
        return None
    known = CAPABILITIES[capability].status.model_fields
    detail: dict[str, Any] = {"field": field if field in known else WITHHELD, "value": word(str(value))}
    fault = fact.data.get("fault")
    if isinstance(fault, Mapping):
        detail["code"] = word(str(fault.get("code", "")))
    return detail


def told(value: object) -> Any:
    """A value as it may be written down: whole numbers, words, and lists of words."""
    if isinstance(value, bool | int):
        return value if -BIGGEST < value < BIGGEST else WITHHELD
    if isinstance(value, list | tuple):
        return [word(str(item)) for item in value[:50]]
    return word(str(value))


def word(text: str) -> str:
    """The text, cut; without what looks like somebody's number, and without writing that could be somebody's name."""
    short = text[:MOST_CHARACTERS]
    if not _WORD.fullmatch(short):
        return WITHHELD
    return _NUMBER.sub(WITHHELD, short) if _MANY_DIGITS.search(short) else short
