"""Who may use which route: one line per route, and what its address speaks of. A route without a line is the
administrators' alone, and a test fails for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from cloud.core.callers import Permission

P = Permission  # the table is read as one


class Of(StrEnum):
    """What decides which hall a request is about."""

    EVERYBODY = "everybody"  # no log-in
    KNOWN = "known"  # any log-in
    FLEET = "fleet"  # no hall in particular: needs the permission in all halls
    LISTED = "listed"  # the answer is limited to the caller's halls
    HALL = "hall"
    MACHINE = "machine"
    SENT_MACHINE = "sent_machine"  # the machine that the body names
    COUNTER = "counter"
    TICKET = "ticket"
    CASE = "case"
    ALERT = "alert"
    PROPOSAL = "proposal"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Rule:
    """``parameter``: the part of the address that ``of`` is about. ``limited``: so many requests per address only."""

    of: Of
    permission: P | None = None
    parameter: str = ""
    limited: bool = False


def _by(of: Of, permission: P, parameter: str = "") -> Rule:
    return Rule(of, permission, parameter or str(of))


FREE = Rule(Of.EVERYBODY)
PUBLIC = Rule(Of.EVERYBODY, limited=True)
KNOWN = Rule(Of.KNOWN)
UNDECLARED = Rule(Of.FLEET, P.ADMINISTER)

PAGES: Mapping[str, Rule] = MappingProxyType(
    {
        "GET /": KNOWN,
        "GET /halls/{hall}": _by(Of.HALL, P.SEE_HALL),
        "GET /halls/{hall}/parts/{part}": _by(Of.HALL, P.SEE_HALL),
        "GET /crew": Rule(Of.LISTED, P.SEE_FAULTS),
        "GET /crew/parts/faults": Rule(Of.LISTED, P.SEE_FAULTS),
        "GET /crew/stream": Rule(Of.LISTED, P.SEE_FAULTS),
        "POST /alerts/{alert}/acknowledge": _by(Of.ALERT, P.ACT_ON_FAULTS),
        "POST /proposals/{proposal}/{decision}": _by(Of.PROPOSAL, P.DECIDE_MOVES),
        "GET /t/{token}": PUBLIC,
        "GET /t/{token}/part": PUBLIC,
        "GET /t/{token}/stream": PUBLIC,
        "GET /login": PUBLIC,
        "POST /login": PUBLIC,
        "GET /login/openid": PUBLIC,
        "GET /login/openid/back": PUBLIC,
        "POST /logout": KNOWN,
    }
)

PROCESS: Mapping[str, Rule] = MappingProxyType(
    {
        "GET /healthz": FREE,
        "GET /readyz": FREE,
        "GET /docs": FREE,
        "GET /openapi.json": FREE,
        "GET /static/{name:path}": FREE,
        "GET /metrics": Rule(Of.FLEET, P.SEE_METRICS),
    }
)

API: Mapping[str, Rule] = MappingProxyType(
    {
        "GET /me": KNOWN,
        "GET /halls": Rule(Of.LISTED, P.SEE_HALL),
        "GET /halls/{hall}": _by(Of.HALL, P.SEE_HALL),
        "GET /halls/{hall}/live": _by(Of.HALL, P.SEE_HALL),
        "GET /halls/{hall}/stream": _by(Of.HALL, P.SEE_HALL),
        "GET /halls/{hall}/queue": _by(Of.HALL, P.SEE_HALL),
        "GET /halls/{hall}/dispatch": _by(Of.HALL, P.SEE_HALL),
        "POST /halls/{hall}/tickets": _by(Of.HALL, P.SERVE),
        "GET /tickets/{ticket_id}": _by(Of.TICKET, P.SEE_HALL, "ticket_id"),
        "POST /tickets/{ticket_id}/cancel": _by(Of.TICKET, P.SERVE, "ticket_id"),
        "POST /counters/{counter}/open": _by(Of.COUNTER, P.SERVE),
        "POST /counters/{counter}/pause": _by(Of.COUNTER, P.SERVE),
        "POST /counters/{counter}/close": _by(Of.COUNTER, P.SERVE),
        "POST /counters/{counter}/call-next": _by(Of.COUNTER, P.SERVE),
        "POST /counters/{counter}/recall": _by(Of.COUNTER, P.SERVE),
        "POST /counters/{counter}/start": _by(Of.COUNTER, P.SERVE),
        "POST /counters/{counter}/finish": _by(Of.COUNTER, P.SERVE),
        "POST /counters/{counter}/no-show": _by(Of.COUNTER, P.SERVE),
        "POST /dispatch/{proposal}/accept": _by(Of.PROPOSAL, P.DECIDE_MOVES),
        "POST /dispatch/{proposal}/decline": _by(Of.PROPOSAL, P.DECIDE_MOVES),
        "GET /machines": Rule(Of.LISTED, P.SEE_MACHINES),
        "GET /machines/{machine}": _by(Of.MACHINE, P.SEE_MACHINES),
        "GET /machines/{machine}/telemetry": _by(Of.MACHINE, P.SEE_MACHINES),
        "GET /machines/{machine}/ledger": _by(Of.MACHINE, P.SEE_MACHINES),
        "GET /machines/{machine}/reported": _by(Of.MACHINE, P.SEE_MACHINES),
        "GET /machines/{machine}/desired": _by(Of.MACHINE, P.SEE_MACHINES),
        "PATCH /machines/{machine}/desired": _by(Of.MACHINE, P.CONFIGURE_MACHINES),
        "GET /machines/{machine}/commands": _by(Of.MACHINE, P.SEE_MACHINES),
        "POST /machines/{machine}/commands": _by(Of.MACHINE, P.SEND_COMMANDS),
        "GET /commands/{command_id}": _by(Of.COMMAND, P.SEE_MACHINES, "command_id"),
        "GET /machines/{machine}/events": _by(Of.MACHINE, P.SEE_RECORD),
        "GET /quarantine": Rule(Of.FLEET, P.SEE_RECORD),
        "GET /audit": Rule(Of.FLEET, P.SEE_AUDIT),
        "GET /audit/head": Rule(Of.FLEET, P.SEE_AUDIT),
        "GET /audit/verify": Rule(Of.FLEET, P.SEE_AUDIT),
        "POST /erasures": Rule(Of.FLEET, P.ADMINISTER),
        "GET /machines/{machine}/certificates": _by(Of.MACHINE, P.SEE_MACHINES),
        "POST /machines/{machine}/certificates/revoke": _by(Of.MACHINE, P.ENROL_MACHINES),
        "POST /machines/{machine}/claims": _by(Of.MACHINE, P.ENROL_MACHINES),
        "GET /alerts": Rule(Of.LISTED, P.SEE_FAULTS),
        "POST /alerts/{alert_id}/acknowledge": _by(Of.ALERT, P.ACT_ON_FAULTS, "alert_id"),
        "POST /alerts/{alert_id}/shelve": _by(Of.ALERT, P.ACT_ON_FAULTS, "alert_id"),
        "POST /alerts/{alert_id}/resolve": _by(Of.ALERT, P.ACT_ON_FAULTS, "alert_id"),
        "GET /cases": Rule(Of.LISTED, P.SEE_CASES),
        "GET /cases/{case_id}": _by(Of.CASE, P.SEE_CASES, "case_id"),
        "POST /cases": Rule(Of.SENT_MACHINE, P.ACT_ON_CASES),
        "POST /cases/{case_id}/signal": _by(Of.CASE, P.ACT_ON_CASES, "case_id"),
        "POST /cases/{case_id}/cancel": _by(Of.CASE, P.ACT_ON_CASES, "case_id"),
        "GET /public/tickets/{token}": PUBLIC,
        "POST /enrolments": PUBLIC,
        "POST /enrolments/renewals": PUBLIC,
        "GET /enrolments/revocations": PUBLIC,
    }
)

API_PREFIX = "/api/v1"


def _below(prefix: str, rules: Mapping[str, Rule]) -> dict[str, Rule]:
    return {
        f"{method} {prefix}{path}": rule for (method, path), rule in ((k.split(" ", 1), r) for k, r in rules.items())
    }


RULES: Mapping[str, Rule] = MappingProxyType({**PAGES, **PROCESS, **_below(API_PREFIX, API)})
"""``METHOD /path`` -> rule."""
