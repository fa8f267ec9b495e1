"""Who is called next, and how often a citizen is called before the number is passed over."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from device_profiles.errors import HallRuleError

MAX_CALLS = 3
"""A number is called three times (custom of Chinese halls: 三呼过号), then it is passed over."""


@dataclass(frozen=True, slots=True)
class InLine:
    """A waiting ticket, as the order of calling needs it. ``issued_ms`` counts from the epoch (UTC)."""

    ticket_id: str
    service: str
    issued_ms: int


def call_order(ticket: InLine) -> tuple[int, str]:
    """Sorts waiting tickets: the oldest first; the id decides between equals, so that every copy agrees."""
    return (ticket.issued_ms, ticket.ticket_id)


def next_in_line(waiting: Iterable[InLine], services: Collection[str]) -> InLine | None:
    """The ticket that a counter with these services calls next, or None when nobody waits for them."""
    return min((ticket for ticket in waiting if ticket.service in services), key=call_order, default=None)


def people_ahead(waiting: Iterable[InLine], ticket: InLine) -> int:
    """How many waiting tickets of the same service are called before ``ticket``."""
    place = call_order(ticket)
    return sum(1 for other in waiting if other.service == ticket.service and call_order(other) < place)


def check_recall(calls: int) -> None:
    """Raises HallRuleError when the number has been called as often as a number is called."""
    if calls >= MAX_CALLS:
        raise HallRuleError(f"called {calls} times already: mark the citizen as not shown, or start when they come")
