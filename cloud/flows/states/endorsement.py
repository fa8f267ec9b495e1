"""Travel endorsement for Hong Kong and Macao at an endorsement machine.

The permit goes: gate -> unit -> chip -> printer -> unit -> gate. Every way out passes ``give_back``, so that the card
is returned, kept, or handed over by staff; money is given back unless the endorsement stands printed on the card.
"""

from typing import Any

from cloud.flows.model import Balance, Card, Case, Event, Once, Payment, Sealed
from cloud.flows.states import bookings, parts, words
from cloud.flows.states.steps import Department, Device, Flow, Go, Look, Person, Say, Step, Words, check

KINDS = {
    "hk-single": Words("香港 一次", "Hong Kong, one entry"),
    "hk-double": Words("香港 二次", "Hong Kong, two entries"),
    "macao-single": Words("澳门 一次", "Macao, one entry"),
}
FEES_FEN = {"hk-single": 1500, "hk-double": 3000, "macao-single": 1500}
"""National fees: 15 yuan for one entry, 30 yuan for two."""

_ACCEPT_S = 60.0
_TAKE_S = 30.0
_COUNT_AFTER_S = 8.0
"""The agent reports a peripheral's status at least every few seconds once it answers again."""

_UNWIND = "give_back"
_IN_MACHINE = (Card.UNKNOWN, Card.IN_UNIT)


def _printed(balance: Balance) -> bool:
    return balance.card_printed is Once.YES


def _same_holder(case: Case, event: Event) -> str:
    if event.outcome != "succeeded":
        return event.outcome
    holder = case.data.get("holder")
    return "succeeded" if holder and event.output.get("holder") == holder else "differs"


def _matched(case: Case, event: Event) -> str:
    return "no_match" if event.outcome == "succeeded" and not event.output.get("matched") else event.outcome


def _more_printed(case: Case, event: Event) -> str:
    before, now = case.data.get("printed_before"), event.output.get("value")
    if event.outcome != "succeeded" or before is None or now is None:
        return "unclear"
    return "printed" if int(now) > int(before) else "not_printed"


def _taken(case: Case, event: Event) -> str:
    if event.outcome == "succeeded":
        return "succeeded" if event.output.get("taken") else "left"
    never_moved_on = "to_printer" not in case.tries
    return "empty" if event.code == "no_media" and never_moved_on else event.outcome


def _face(case: Case) -> dict[str, Any]:
    """What stands on the card. Latin letters only: every card printer has them."""
    kind, number = case.data.get("kind", ""), case.data.get("endorsement_number", "")
    return {"lines": [kind.upper(), number, f"UNTIL {case.data.get('valid_until', '')}"]}


def _worth_a_slip(case: Case) -> bool:
    return case.balance.payment is not Payment.NONE or case.balance.card is Card.RETAINED


def _slip(case: Case) -> list[dict[str, Any]]:
    kind = KINDS.get(case.data.get("kind", ""), Words("", ""))
    return [
        parts.text("往来港澳签注 Endorsement", size=2, bold=True, align="center"),
        parts.text(f"{kind.zh} {kind.en}"),
        parts.text(f"No. {case.data.get('endorsement_number', '-')}"),
        *parts.account(case),
    ]


def _document(case: Case) -> dict[str, str | int | Sealed]:
    return {"document_number": Sealed("permit", "document_number")}


def _application(case: Case) -> dict[str, str | int | Sealed]:
    return {"key": case.key, "kind": case.data["kind"], **_document(case)}


_CARD_IN = {
    "insert_permit": Step(
        do=Device("card_unit", "accept", parts.fixed(wait_s=_ACCEPT_S), run_for_s=_ACCEPT_S + 20),
        say=Say(words.says(Words("请插入往来港澳通行证", "Insert your permit")), "act"),
        begin=bookings.card(Card.UNKNOWN),
        on={
            "succeeded": Go("to_chip", book=bookings.card(Card.IN_UNIT)),
            "failed:no_media": Go(_UNWIND, book=bookings.card(Card.NONE), failure="no_permit"),
            "refused": Go(_UNWIND, book=bookings.card(Card.NONE), failure="machine_unavailable"),
            "expired": Go(_UNWIND, book=bookings.card(Card.NONE), failure="machine_unavailable"),
            "otherwise": Go(_UNWIND, failure="machine_unavailable"),
        },
        cancellable=True,
    ),
    "to_chip": Step(
        do=Device("card_unit", "move", parts.fixed(to="chip")),
        say=Say(words.says(words.WAIT)),
        tries=2,
        on={
            "succeeded": Go("read_chip"),
            "failed:media_jam": Go(_UNWIND, failure="card_unreadable"),
            "exhausted": Go(_UNWIND, failure="card_unreadable"),
            "otherwise": Go("to_chip"),
        },
        cancellable=True,
    ),
    "read_chip": Step(
        do=Device("card_unit", "read_chip", parts.no_args),
        secret="permit",
        tries=2,
        on={
            "succeeded": Go("read_id", keep={"holder": "holder"}),
            "exhausted": Go(_UNWIND, failure="card_unreadable"),
            "otherwise": Go("read_chip"),
        },
        cancellable=True,
    ),
}

_IDENTITY = {
    "read_id": Step(
        do=Device("id_reader", "read", parts.fixed(wait_s=parts.READ_ID_S), run_for_s=parts.READ_ID_S + 10),
        say=Say(words.says(words.SHOW_ID), "act"),
        judge=_same_holder,
        secret="id_card",
        tries=2,
        on={
            "succeeded": Go("fingerprint"),
            "differs": Go(_UNWIND, failure="holder_differs"),
            "exhausted": Go(_UNWIND, failure="no_id_card"),
            "otherwise": Go("read_id"),
        },
        cancellable=True,
    ),
    "fingerprint": Step(
        do=Device("fingerprint", "identify", parts.fixed(wait_s=30.0), run_for_s=40.0),
        say=Say(words.says(words.FINGER), "act"),
        judge=_matched,
        tries=3,
        on={
            "succeeded": Go("eligibility"),
            "failed:no_capture_data": Go("fingerprint"),
            "otherwise": Go("confirm_identity"),
        },
        cancellable=True,
    ),
    "confirm_identity": parts.confirm_identity("eligibility", _UNWIND),
    "eligibility": Step(
        do=Department("exit_entry.eligibility", _document),
        say=Say(words.says(words.WAIT)),
        on={
            "succeeded": Go("choose_kind"),
            "declined": Go(_UNWIND, failure="not_eligible"),
            "otherwise": Go(_UNWIND, failure="department_unavailable"),
        },
        cancellable=True,
    ),
}

_PAY_AND_PRINT = {
    "choose_kind": Step(
        do=parts.choose(Words("请选择签注种类", "Which endorsement?"), KINDS),
        judge=parts.choice_among(KINDS),
        on={
            "succeeded": Go("scan_payment", keep={"kind": "option"}, book=bookings.price(FEES_FEN)),
            "otherwise": Go(_UNWIND, failure="abandoned"),
        },
        cancellable=True,
    ),
    "scan_payment": parts.scan_payment("pay", _UNWIND),
    "pay": parts.pay("register", _UNWIND),
    "register": Step(
        do=Department("exit_entry.endorsement", _application),
        begin=bookings.registered(Once.UNKNOWN),
        on={
            "succeeded": Go(
                "to_printer",
                keep={"endorsement_number": "endorsement_number", "valid_until": "valid_until"},
                book=bookings.registered(Once.YES),
            ),
            "declined": Go(_UNWIND, book=bookings.registered(Once.NO), failure="registration_declined"),
            "otherwise": Go(_UNWIND, failure="registration_unavailable"),
        },
    ),
    "to_printer": Step(
        do=Device("card_unit", "move", parts.fixed(to="printer")),
        say=Say(words.says(Words("正在打印签注", "Printing your endorsement"))),
        begin=bookings.card(Card.UNKNOWN),
        on={
            "succeeded": Go("note_total"),
            "otherwise": Go(_UNWIND, failure="card_path_failed"),
        },
    ),
    "note_total": Step(
        do=Look("card_printer", "printed_total"),
        on={
            "succeeded": Go("print_card", keep={"printed_before": "value"}),
            "otherwise": Go("print_card"),
        },
    ),
    "print_card": Step(
        do=Device("card_printer", "print", _face, run_for_s=60.0),
        begin=bookings.printed(Once.UNKNOWN),
        on={
            "succeeded": Go(_UNWIND, book=bookings.printed(Once.YES)),
            "failed:media_jam": Go("inspect_card"),
            "failed": Go(_UNWIND, book=bookings.printed(Once.NO), failure="print_failed"),
            "refused": Go(_UNWIND, book=bookings.printed(Once.NO), failure="print_failed"),
            "expired": Go(_UNWIND, book=bookings.printed(Once.NO), failure="print_failed"),
            "otherwise": Go("count_prints"),
        },
    ),
    "count_prints": Step(
        do=Look("card_printer", "printed_total", after_s=_COUNT_AFTER_S),
        judge=_more_printed,
        evidence_of="print_card",
        tries=3,
        on={
            "printed": Go(_UNWIND, book=bookings.printed(Once.YES)),
            "not_printed": Go(_UNWIND, book=bookings.printed(Once.NO), failure="print_failed"),
            "exhausted": Go("inspect_card"),
            "otherwise": Go("count_prints"),
        },
    ),
    "inspect_card": Step(
        do=Person("inspect_card", ("printed", "not_printed")),
        say=Say(words.says(words.CALL_STAFF)),
        evidence_of="print_card",
        on={
            "signal:printed": Go(_UNWIND, book=bookings.printed(Once.YES)),
            "otherwise": Go(_UNWIND, book=bookings.printed(Once.NO), failure="print_failed"),
        },
    ),
}

_GIVE_BACK = {
    "give_back": Step(
        do=Device("card_unit", "move", parts.fixed(to="hold")),
        only_if=lambda case: case.balance.card is Card.UNKNOWN,
        else_to="eject",
        on={
            "succeeded": Go("eject", book=bookings.card(Card.IN_UNIT)),
            "otherwise": Go("eject"),
        },
    ),
    "eject": Step(
        do=Device("card_unit", "eject", parts.fixed(wait_taken_s=_TAKE_S), run_for_s=_TAKE_S + 20),
        say=Say(words.says(words.TAKE_CARD), "act"),
        only_if=lambda case: case.balance.card in _IN_MACHINE,
        else_to="reverse",
        judge=_taken,
        tries=2,
        on={
            "succeeded": Go("reverse", book=bookings.card(Card.RETURNED)),
            "empty": Go("reverse", book=bookings.card(Card.NONE)),
            "left": Go("eject"),
            "exhausted": Go("retain"),
            "otherwise": Go("card_by_hand", book=bookings.card(Card.UNKNOWN)),
        },
    ),
    "retain": Step(
        do=Device("card_unit", "retain", parts.no_args),
        begin=bookings.card(Card.UNKNOWN),
        on={
            "succeeded": Go("reverse", book=bookings.card(Card.RETAINED), failure="card_retained"),
            "failed:no_media": Go("reverse", book=bookings.card(Card.RETURNED)),  # taken at the last moment
            "otherwise": Go("card_by_hand"),
        },
    ),
    "card_by_hand": Step(
        do=Person("card_by_hand", ("returned", "retained", "no_card")),
        say=Say(words.says(words.CALL_STAFF), "fault"),
        on={
            "signal:returned": Go("reverse", book=bookings.card(Card.RETURNED)),
            "signal:no_card": Go("reverse", book=bookings.card(Card.NONE)),
            "otherwise": Go("reverse", book=bookings.card(Card.RETAINED), failure="card_retained"),
        },
    ),
    "reverse": parts.reverse("slip", _printed),
    "slip": parts.slip(_worth_a_slip, _slip),
    "farewell": parts.farewell(),
    "settle_money": parts.settle_money(_printed),
}

ENDORSEMENT = check(
    Flow(
        item="hk-macao-endorsement",
        name=Words("往来港澳签注", "Hong Kong and Macao endorsement"),
        first="insert_permit",
        unwind=_UNWIND,
        steps={**_CARD_IN, **_IDENTITY, **_PAY_AND_PRINT, **_GIVE_BACK},
        delivered=_printed,
        late=frozenset({"settle_money"}),
    )
)
