"""Whose wallet a scanned text belongs to; the codes are invented."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.capabilities.barcode_reader import ScanArgs
from device_profiles.hall.payment_codes import PAYMENT_CODE, Wallet, masked, wallet_of

DIGITS = st.text("0123456789", min_size=1, max_size=30)
ARABIC_INDIC = "".join(chr(0x660 + int(digit)) for digit in "100000000000000012")


def codes(wallet: Wallet) -> st.SearchStrategy[str]:
    """Codes built from the published rule in words: first digits and lengths."""
    first = {
        Wallet.WECHAT: [f"{n}" for n in range(10, 16)],
        Wallet.ALIPAY: [f"{n}" for n in range(25, 31)],
        Wallet.UNIONPAY: ["62"],
    }[wallet]
    rest = {Wallet.WECHAT: (16, 16), Wallet.ALIPAY: (14, 22), Wallet.UNIONPAY: (17, 17)}[wallet]
    tail = st.text("0123456789", min_size=rest[0], max_size=rest[1])
    return st.builds(str.__add__, st.sampled_from(first), tail)


KNOWN = (Wallet.WECHAT, Wallet.ALIPAY, Wallet.UNIONPAY)


@pytest.mark.parametrize("wallet", KNOWN)
@given(data=st.data())
def test_a_code_by_the_rule_belongs_to_its_wallet(wallet: Wallet, data: st.DataObject) -> None:
    code = data.draw(codes(wallet))
    assert wallet_of(code) is wallet
    assert masked(code) == f"{wallet} ..{code[-4:]}"


@pytest.mark.parametrize(
    ("text", "wallet"),
    [
        ("100000000000000012", Wallet.WECHAT),
        ("150000000000000012", Wallet.WECHAT),
        ("160000000000000012", Wallet.UNKNOWN),
        ("10000000000000001", Wallet.UNKNOWN),
        ("1000000000000000123", Wallet.UNKNOWN),
        ("2500000000000012", Wallet.ALIPAY),
        ("300000000000000000000012", Wallet.ALIPAY),
        ("250000000000012", Wallet.UNKNOWN),
        ("3000000000000000000000123", Wallet.UNKNOWN),
        ("310000000000000012", Wallet.UNKNOWN),
        ("6200000000000000012", Wallet.UNIONPAY),
        ("620000000000000012", Wallet.UNKNOWN),
        ("", Wallet.UNKNOWN),
        (ARABIC_INDIC, Wallet.UNKNOWN),
        ("100000000000000012\n", Wallet.UNKNOWN),
        (" 100000000000000012", Wallet.UNKNOWN),
    ],
)
def test_the_edges_of_each_rule(text: str, wallet: Wallet) -> None:
    assert wallet_of(text) is wallet


@given(DIGITS | st.text(max_size=40))
def test_the_pattern_for_scanners_takes_exactly_the_codes_of_a_wallet(text: str) -> None:
    assert bool(re.fullmatch(PAYMENT_CODE, text)) == (wallet_of(text) is not Wallet.UNKNOWN)


@given(st.one_of(*(codes(wallet) for wallet in KNOWN)) | st.text(max_size=40))
def test_what_people_see_is_never_the_code(text: str) -> None:
    shown = masked(text)
    assert len(shown) <= len("unionpay ..0000")
    hidden = text[:-4] if wallet_of(text) is not Wallet.UNKNOWN else text
    assert len(hidden) < 5 or hidden not in shown


def test_a_scanner_can_be_given_the_pattern() -> None:
    assert ScanArgs(pattern=PAYMENT_CODE).pattern == PAYMENT_CODE
