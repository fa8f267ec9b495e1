"""The facts that the queue tells: what happened to a ticket or a counter, without a word about the person."""

from datetime import datetime

from cloud.core.facts import Fact
from cloud.queues.model import Counter, Ticket
from cloud.storage.unit_of_work import Tx


def ticket_fact(tx: Tx, what: str, ticket: Ticket, at: datetime) -> None:
    """Publish ``ticket.{what}``."""
    data = {
        "ticket_id": ticket.ticket_id,
        "number": ticket.number,
        "service": ticket.service,
        "state": str(ticket.state),
        "counter": ticket.counter,
        "day": ticket.day,
    }
    tx.publish(Fact(type=f"ticket.{what}", at=at, data=data, hall=ticket.hall))


def counter_fact(tx: Tx, what: str, counter: Counter, at: datetime, **more: str) -> None:
    """Publish ``counter.{what}``."""
    data = {"counter": counter.counter, "state": str(counter.state), "services": list(counter.services), **more}
    tx.publish(Fact(type=f"counter.{what}", at=at, data=data, hall=counter.hall))
