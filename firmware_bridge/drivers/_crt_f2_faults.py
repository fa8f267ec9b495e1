"""Error codes of CREATOR's F2 family (E1 E0 of a negative answer) in XFS4IoT's words.

Source: error table of the CRT-571 communication protocol.
"""

from device_profiles.capabilities.model import Action
from firmware_bridge.codecs.crt_f2 import Negative
from firmware_bridge.errors import DeviceFault

JAMMED, NOT_RESET = "10", "B0"

# XFS word, who must act, what it means.
FAULTS: dict[str, tuple[str, Action, str]] = {
    "00": ("command_unsupported", Action.SOFTWARE_ERROR, "undefined command"),
    "01": ("invalid_data", Action.SOFTWARE_ERROR, "wrong parameter"),
    "02": ("command_sequence", Action.RESET, "not possible in this state"),
    "03": ("unsupported_hardware", Action.CONFIGURATION, "the unit lacks this part"),
    "04": ("invalid_data", Action.SOFTWARE_ERROR, "wrong data"),
    JAMMED: ("media_jam", Action.MAINTENANCE, "card jam"),
    "12": ("hardware_error", Action.MAINTENANCE, "sensor failure"),
    "13": ("invalid_media", Action.CLEAR, "the card is too long"),
    "14": ("invalid_media", Action.CLEAR, "the card is too short"),
    "16": ("media_moved", Action.RESET, "the card was moved by hand"),
    "45": ("media_moved", Action.RESET, "the card was moved by hand"),
    "50": ("retain_bin_full", Action.CLEAR, "the counter of kept cards is full"),
    "51": ("hardware_error", Action.MAINTENANCE, "motor failure"),
    "A0": ("stacker_empty", Action.CLEAR, "no card in the stacker"),
    "A1": ("retain_bin_full", Action.CLEAR, "the bin is full"),
    NOT_RESET: ("not_reset", Action.RESET, "the unit wants to be initialised"),
}
_UNLISTED = ("hardware_error", Action.MAINTENANCE, "an error that the protocol does not list")


def fault(answer: Negative) -> DeviceFault:
    """The error that a negative answer means."""
    code, action, words = FAULTS.get(answer.error, _UNLISTED)
    told = f"error {answer.error} to command {answer.command:02X} {answer.parameter:02X}"
    return DeviceFault(code, action, f"{words} ({told})")
