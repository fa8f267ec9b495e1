"""What ZVT's result and state codes mean, in words of the capability ``payment``.

Source: the lists of error messages and terminal states of the ECR interface ZVT, as in ecrterm.
"""

from collections.abc import Mapping
from types import MappingProxyType

from device_profiles.capabilities.model import Action, DeviceState
from device_profiles.capabilities.payment import PaymentStatus, Terminal

ABORTED, NOT_REGISTERED, NOT_POSSIBLE, WAIT = 0x6C, 0x6B, 0x83, 0x9C
_NETWORK_LAST = 0x63

REASONS: Mapping[int, str] = MappingProxyType(
    {
        0x64: "card_unreadable", 0x65: "no_card_data", 0x66: "processing_error", 0x67: "card_not_permitted",
        0x68: "card_not_permitted", 0x6A: "journal_full", ABORTED: "aborted", 0x6F: "wrong_currency",
        0x71: "credit_not_sufficient", 0x72: "chip_error", 0x73: "card_data_incorrect", 0x77: "end_of_day_not_possible",
        0x78: "card_expired", 0x79: "card_not_yet_valid", 0x7A: "card_unknown", 0x7D: "communication_error",
        NOT_POSSIBLE: "not_possible", 0x9B: "communication_error", 0xA0: "receiver_not_ready",
        0xA1: "remote_does_not_respond", 0xA3: "no_connection", 0xB2: "journal_full", 0xB4: "already_reversed",
        0xB5: "reversal_not_possible", 0xC3: "amount_too_high", 0xC5: "method_not_supported",
        0xC6: "currency_not_applicable", 0xC8: "amount_too_small", 0xF0: "end_of_day_open", 0xFF: "system_error",
    }
)  # fmt: skip

FAULTS: Mapping[int, tuple[str, Action]] = MappingProxyType(
    {
        NOT_REGISTERED: ("not_registered", Action.CONFIGURATION),
        WAIT: ("terminal_busy", Action.SUSPEND),
        0xCC: ("paper_out", Action.CLEAR),
        0xDC: ("card_inside", Action.CLEAR),
        0xC2: ("hardware_error", Action.MAINTENANCE),
        0xDF: ("hardware_error", Action.MAINTENANCE),
        0xE2: ("hardware_error", Action.MAINTENANCE),
    }
)
"""Codes of a command that was not carried out because of the terminal's state, not of the payment."""

_STATES: Mapping[int, Terminal] = MappingProxyType(
    {0x00: Terminal.READY, WAIT: Terminal.BUSY, 0xDC: Terminal.BUSY, 0xE1: Terminal.BUSY, 0xCC: Terminal.PAPER_OUT}
)


def reason_of(code: int) -> str:
    """``card_expired (78)``; codes up to 63 are those of the network that authorises."""
    word = "refused_by_network" if 0 < code <= _NETWORK_LAST else REASONS.get(code, "refused")
    return f"{word} ({code:02X})"


def status_of(state: int | None) -> PaymentStatus:
    """The terminal's state code; one that means neither ready nor waiting is an error of its hardware or set-up."""
    if state is None:
        return PaymentStatus(device=DeviceState.ONLINE)
    if state in _STATES:
        return PaymentStatus(device=DeviceState.ONLINE, terminal=_STATES[state])
    return PaymentStatus(device=DeviceState.HARDWARE_ERROR)
