"""Renewal of a resident ID card at an ID-renewal machine: applied for here, collected or sent later.

What the citizen pays for is the department's registration: money is given back unless it stands.
"""

from typing import Any

from cloud.flows.model import Balance, Case, Once, Payment, Sealed
from cloud.flows.states import bookings, parts, words
from cloud.flows.states.steps import Department, Device, Flow, Go, Say, Step, Words, check

REASONS = {
    "expired": Words("到期换领", "My card expires"),
    "changed": Words("信息变更", "My data has changed"),
    "damaged": Words("损坏换领", "My card is damaged"),
}
FEES_FEN = {"expired": 2000, "changed": 2000, "damaged": 4000}
"""National fees: 20 yuan for a renewal, 40 yuan for a damaged card."""

DELIVERIES = {
    "collect": Words("到窗口领取", "I collect it here"),
    "courier": Words("邮寄到家", "Send it to me"),
}
PHOTO_RECEIPT = r"[A-Z]{1,4}[0-9]{6,24}"
"""The barcode on the receipt of a photo studio: letters first, so that no payment code passes for one."""

FINGER_PAGE = 1
"""Where the module keeps the finger while the case runs; it is deleted at the end of every case."""

_UNWIND = "forget_finger"


def _registered(balance: Balance) -> bool:
    return balance.registered is Once.YES


def _worth_a_slip(case: Case) -> bool:
    return case.balance.payment is not Payment.NONE


def _id_number(case: Case) -> dict[str, str | int | Sealed]:
    return {"id_number": Sealed("id_card", "id_number")}


def _application(case: Case) -> dict[str, str | int | Sealed]:
    return {
        "key": case.key,
        "reason": case.data["reason"],
        "delivery": case.data["delivery"],
        **_id_number(case),
    }


def _side(case: Case, title: str) -> list[dict[str, Any]]:
    return [
        parts.text(title, size=2, bold=True, align="center"),
        parts.text(f"受理号 No. {case.data.get('receipt_number', '-')}"),
        parts.text(f"领取日期 From {case.data.get('collect_from', '-')}"),
        *parts.account(case),
    ]


def _slip(case: Case) -> list[dict[str, Any]]:
    """Two sides: the citizen keeps the first, the second goes to the collection desk."""
    cut_here = parts.text("-" * 24, align="center")
    return [
        *_side(case, "居民身份证换领"),
        parts.feed(1),
        cut_here,
        parts.feed(1),
        *_side(case, "窗口联 Desk"),
    ]


_APPLY = {
    "choose_reason": Step(
        do=parts.choose(Words("请选择办理原因", "Why do you need a new card?"), REASONS),
        judge=parts.choice_among(REASONS),
        on={
            "succeeded": Go("read_id", keep={"reason": "option"}, book=bookings.price(FEES_FEN)),
            "otherwise": Go(_UNWIND, failure="abandoned"),
        },
        cancellable=True,
    ),
    "read_id": Step(
        do=Device("id_reader", "read", parts.fixed(wait_s=parts.READ_ID_S), run_for_s=parts.READ_ID_S + 10),
        say=Say(words.says(words.SHOW_ID), "act"),
        secret="id_card",
        tries=2,
        on={
            "succeeded": Go("population_check"),
            "exhausted": Go(_UNWIND, failure="no_id_card"),
            "otherwise": Go("read_id"),
        },
        cancellable=True,
    ),
    "population_check": Step(
        do=Department("population.check", _id_number),
        say=Say(words.says(words.WAIT)),
        on={
            "succeeded": Go("enrol"),
            "declined": Go(_UNWIND, failure="not_eligible"),
            "otherwise": Go(_UNWIND, failure="department_unavailable"),
        },
        cancellable=True,
    ),
    "enrol": Step(
        do=Device("fingerprint", "enrol", parts.fixed(wait_s=30.0, page=FINGER_PAGE), run_for_s=40.0),
        say=Say(words.says(words.FINGER), "act"),
        tries=3,
        on={
            "succeeded": Go("scan_photo"),
            "failed": Go("enrol"),
            "exhausted": Go("confirm_identity"),
            "otherwise": Go("confirm_identity"),
        },
        cancellable=True,
    ),
    "confirm_identity": parts.confirm_identity("scan_photo", _UNWIND),
    "scan_photo": Step(
        do=Device(
            "scanner",
            "read",
            parts.fixed(wait_s=parts.SCAN_S, pattern=PHOTO_RECEIPT),
            run_for_s=parts.SCAN_S + 10,
        ),
        say=Say(words.says(Words("请扫描照片回执条码", "Scan the barcode of your photo receipt")), "act"),
        secret="photo_receipt",
        tries=3,
        on={
            "succeeded": Go("choose_delivery"),
            "failed:barcode_invalid": Go("scan_photo"),
            "otherwise": Go(_UNWIND, failure="no_photo"),
        },
        cancellable=True,
    ),
    "choose_delivery": Step(
        do=parts.choose(Words("请选择领取方式", "How do you want to get it?"), DELIVERIES),
        judge=parts.choice_among(DELIVERIES),
        on={
            "succeeded": Go("scan_payment", keep={"delivery": "option"}),
            "otherwise": Go(_UNWIND, failure="abandoned"),
        },
        cancellable=True,
    ),
    "scan_payment": parts.scan_payment("pay", _UNWIND),
    "pay": parts.pay("register", _UNWIND),
    "register": Step(
        do=Department("population.renewal", _application),
        begin=bookings.registered(Once.UNKNOWN),
        on={
            "succeeded": Go(
                _UNWIND,
                keep={"receipt_number": "receipt_number", "collect_from": "collect_from"},
                book=bookings.registered(Once.YES),
            ),
            "declined": Go(_UNWIND, book=bookings.registered(Once.NO), failure="registration_declined"),
            "otherwise": Go(_UNWIND, failure="registration_unavailable"),
        },
    ),
}

_FINISH = {
    "forget_finger": Step(
        do=Device("fingerprint", "delete", parts.fixed(page=FINGER_PAGE)),
        only_if=lambda case: "enrol" in case.tries,
        else_to="reverse",
        tries=2,
        on={"succeeded": Go("reverse"), "exhausted": Go("reverse"), "otherwise": Go("forget_finger")},
    ),
    "reverse": parts.reverse("slip", _registered),
    "slip": parts.slip(_worth_a_slip, _slip),
    "farewell": parts.farewell(),
    "settle_money": parts.settle_money(_registered),
}

RENEWAL = check(
    Flow(
        item="id-card-renewal",
        name=Words("居民身份证换领", "ID card renewal"),
        first="choose_reason",
        unwind=_UNWIND,
        steps={**_APPLY, **_FINISH},
        delivered=_registered,
        late=frozenset({"settle_money"}),
    )
)
