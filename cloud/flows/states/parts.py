"""Steps that more than one flow takes: identity, payment, giving back, the last words."""

from collections.abc import Callable, Mapping
from typing import Any

from cloud.flows.model import Balance, Case, Event, Once, Payment, Sealed
from cloud.flows.states import bookings, words
from cloud.flows.states.steps import END, Department, Device, Go, Person, Say, Step, Words
from device_profiles.hall.payment_codes import PAYMENT_CODE

READ_ID_S = 60.0
CHOOSE_S = 60.0
SCAN_S = 90.0
IDENTITY_WAIT_S = 600.0


def no_args(case: Case) -> dict[str, Any]:
    """A command without arguments."""
    return {}


def fixed(**args: Any) -> Callable[[Case], dict[str, Any]]:
    """A command whose arguments do not depend on the case."""
    return lambda case: dict(args)


def choose(question: Words, options: Mapping[str, Words]) -> Device:
    """Ask the citizen to touch one of the options."""
    args = fixed(
        question=question.as_args(),
        options=[{"id": name, "label": label.as_args()} for name, label in options.items()],
        wait_s=CHOOSE_S,
    )
    return Device("screen", "choose", args, run_for_s=CHOOSE_S + 10)


def choice_among(options: Mapping[str, Any]) -> Callable[[Case, Event], str]:
    """``invalid`` when the machine reports an option that was not offered."""

    def judge(case: Case, event: Event) -> str:
        known = event.outcome != "succeeded" or event.output.get("option") in options
        return event.outcome if known else "invalid"

    return judge


def confirm_identity(then: str, unwind: str) -> Step:
    """A member of staff looks at the person and the card."""
    return Step(
        do=Person("confirm_identity", ("confirmed", "refused"), wait_s=IDENTITY_WAIT_S),
        say=Say(words.says(words.CALL_STAFF)),
        on={
            "signal:confirmed": Go(then),
            "signal:refused": Go(unwind, failure="identity_refused"),
            "otherwise": Go(unwind, failure="identity_not_confirmed"),
        },
        cancellable=True,
    )


def scan_payment(then: str, unwind: str) -> Step:
    """Show the amount and wait for a payment code; three readable ones at most."""
    return Step(
        do=Device("scanner", "read", fixed(wait_s=SCAN_S, pattern=PAYMENT_CODE), run_for_s=SCAN_S + 10),
        say=Say(words.ask_to_pay, "act"),
        secret="payment_code",
        tries=3,
        on={
            "succeeded": Go(then),
            "failed:barcode_invalid": Go("scan_payment"),
            "exhausted": Go(unwind, failure="not_paid"),
            "otherwise": Go(unwind, failure="not_paid"),
        },
        cancellable=True,
    )


def pay(then: str, unwind: str) -> Step:
    """Take the money. The code is erased as soon as the gateway has answered."""
    return Step(
        do=Department("payment.authorise", _payment_body),
        say=Say(words.says(words.WAIT)),
        begin=bookings.payment(Payment.UNKNOWN),
        forget=("payment_code",),
        on={
            "succeeded": Go(then, book=bookings.paid),
            "declined": Go(unwind, book=bookings.payment(Payment.DECLINED), failure="payment_declined"),
            "otherwise": Go(unwind, failure="payment_unavailable"),
        },
    )


def reverse(then: str, delivered: Callable[[Balance], bool]) -> Step:
    """Give the money back when the citizen got nothing for it."""
    return Step(
        do=Department("payment.reverse", lambda case: {"payment_key": case.key_of("pay")}),
        say=Say(words.says(words.WAIT)),
        only_if=_owed(delivered),
        else_to=then,
        on={"succeeded": Go(then, book=bookings.reversed_), "otherwise": Go(then)},
    )


def settle_money(delivered: Callable[[Balance], bool]) -> Step:
    """The gateway did not answer when asked to give the money back: staff see to it."""
    return Step(
        do=Person("settle_money", ("settled",)),
        only_if=_owed(delivered),
        else_to=END,
        on={"otherwise": Go(END, book=bookings.payment(Payment.SETTLED_BY_STAFF))},
    )


def slip(only_if: Callable[[Case], bool], lines: Callable[[Case], list[dict[str, Any]]]) -> Step:
    """Print the account of the case. Once: without a clear result the screen says the same."""
    return Step(
        do=Device("printer", "print", lambda case: {"blocks": lines(case), "cut": True}),
        begin=bookings.receipt(Once.UNKNOWN),
        only_if=only_if,
        else_to="farewell",
        on={
            "succeeded": Go("farewell", book=bookings.receipt(Once.YES)),
            "failed": Go("farewell", book=bookings.receipt(Once.NO)),
            "refused": Go("farewell", book=bookings.receipt(Once.NO)),
            "expired": Go("farewell", book=bookings.receipt(Once.NO)),
            "otherwise": Go("farewell"),
        },
    )


def farewell() -> Step:
    """Say how it ended; the machine is then free for the next citizen."""
    return Step(
        do=Device("screen", "show", _last_words, run_for_s=10.0),
        on={"otherwise": Go("settle_money")},
    )


def text(line: str, **style: Any) -> dict[str, Any]:
    """A printed line."""
    return {"kind": "text", "text": line, **style}


def feed(lines: int = 1) -> dict[str, Any]:
    """Empty printed lines."""
    return {"kind": "feed", "lines": lines}


def account(case: Case) -> list[dict[str, Any]]:
    """How the case ended, in both languages."""
    return [text(line) for said in words.slip_lines(case) for line in (said.zh, said.en)]


def _payment_body(case: Case) -> dict[str, str | int | Sealed]:
    return {"key": case.key, "amount_fen": case.balance.amount_fen, "code": Sealed("payment_code", "text")}


def _owed(delivered: Callable[[Balance], bool]) -> Callable[[Case], bool]:
    return lambda case: bookings.money_at_risk(case) and not delivered(case.balance)


def _last_words(case: Case) -> dict[str, Any]:
    said = words.outcome_words(case)
    return {
        "message": {"zh": said.zh[:200], "en": said.en[:200]},
        "tone": "fault" if case.failure else "done",
        "end_session": True,
    }
