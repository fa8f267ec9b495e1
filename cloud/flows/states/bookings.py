"""How outcomes change card, money and paper."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cloud.flows.model import Balance, Card, Case, Once, Payment
from cloud.flows.states.steps import Book


def card(place: Card) -> Book:
    """The card is now there."""
    return lambda balance, output: replace(balance, card=place)


def printed(what: Once) -> Book:
    """The card's face was printed, was not, or nobody knows yet."""
    return lambda balance, output: replace(balance, card_printed=what)


def registered(what: Once) -> Book:
    """The department has entered it, has not, or nobody knows yet."""
    return lambda balance, output: replace(balance, registered=what)


def receipt(what: Once) -> Book:
    """The receipt is on paper, is not, or nobody knows."""
    return lambda balance, output: replace(balance, receipt=what)


def payment(state: Payment) -> Book:
    """The payment is now in this state; no money moved."""
    return lambda balance, output: replace(balance, payment=state)


def price(fees: Mapping[str, int]) -> Book:
    """What the chosen option costs."""
    return lambda balance, output: replace(balance, amount_fen=fees[str(output["option"])])


def paid(balance: Balance, output: Mapping[str, Any]) -> Balance:
    """The gateway has taken the whole amount."""
    return replace(balance, payment=Payment.AUTHORISED, paid_fen=balance.amount_fen)


def reversed_(balance: Balance, output: Mapping[str, Any]) -> Balance:
    """The gateway has given back what it took; ``nothing_taken`` when it never took anything."""
    if output.get("state") == "nothing_taken":
        return replace(balance, payment=Payment.REVERSED, paid_fen=0, reversed_fen=0)
    return replace(balance, payment=Payment.REVERSED, paid_fen=balance.amount_fen, reversed_fen=balance.amount_fen)


def money_at_risk(case: Case) -> bool:
    """Money was taken, or may have been."""
    return case.balance.payment in (Payment.AUTHORISED, Payment.UNKNOWN)
