"""The one-use codes that payers show on their phones: whose wallet it is, and how to speak of one without telling it.

Rules: WeChat Pay 18 digits that begin with 10 to 15, Alipay 16 to 24 digits that begin with 25 to 30 (both published by
the wallets and held by many back ends); UnionPay 19 digits that begin with 62 (from memory: ask the acquirer).
A code is as good as money for about a minute: it stands in no log, and who waits for one never uses it twice.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Wallet(StrEnum):
    """Who stands behind a code."""

    WECHAT = "wechat"
    ALIPAY = "alipay"
    UNIONPAY = "unionpay"
    UNKNOWN = "unknown"


_RULES: Mapping[Wallet, str] = MappingProxyType(
    {
        Wallet.WECHAT: "1[0-5][0-9]{16}",
        Wallet.ALIPAY: "(?:2[5-9]|30)[0-9]{14,22}",
        Wallet.UNIONPAY: "62[0-9]{17}",
    }
)

PAYMENT_CODE = f"(?:{'|'.join(_RULES.values())})"
"""Regular expression of every payment code that a scanner should take; match it against the whole text."""


def wallet_of(text: str) -> Wallet:
    """The wallet whose rule the whole ``text`` follows. No two rules share a code."""
    return next((wallet for wallet, rule in _RULES.items() if re.fullmatch(rule, text)), Wallet.UNKNOWN)


def masked(text: str) -> str:
    """For people: ``wechat ..1234``. Of what is no payment code, not a character is shown."""
    wallet = wallet_of(text)
    return f"{wallet} ..{text[-4:]}" if wallet is not Wallet.UNKNOWN else f"{wallet} code"
