"""What an SAM_V module's status words mean in the capability's words."""

from device_profiles.capabilities.model import Action
from firmware_bridge.codecs.sam_v import SamReply, Sw
from firmware_bridge.errors import BridgeError, DeviceFault, UnsupportedCommand

MODULE_FAULTS: dict[int, tuple[str, Action, str]] = {
    Sw.UNKNOWN_ERROR: ("hardware_error", Action.MAINTENANCE, "unknown error of the module"),
    Sw.SELF_TEST_FAILED: ("hardware_error", Action.MAINTENANCE, "the module's self-test failed"),
    Sw.NOT_AUTHORISED: ("not_authorised", Action.CONFIGURATION, "the module is not authorised for this host"),
}
_CARD_FAULTS: dict[int, str] = {
    Sw.CARD_REJECTS_READER: "the card does not accept the reader",
    Sw.READER_REJECTS_CARD: "the reader does not accept the card",
    Sw.VERIFY_ERROR: "the card's check failed",
    Sw.WRONG_CARD_TYPE: "not an identity card",
}


def fault_of(reply: SamReply, expected: int) -> BridgeError:
    """The error for an answer other than the ``expected`` SW3."""
    told = f"expected SW3 {expected:02X}, got {reply.sw1:02X} {reply.sw2:02X} {reply.sw3:02X}"
    if reply.sw3 == Sw.BAD_COMMAND:
        return UnsupportedCommand(f"the module does not know this command ({told})")
    if reply.sw3 in _CARD_FAULTS:
        return DeviceFault("invalid_media", Action.RESET, f"{_CARD_FAULTS[reply.sw3]} ({told})")
    code, action, words = MODULE_FAULTS.get(
        reply.sw3, ("hardware_error", Action.MAINTENANCE, "a state that the protocol's tables do not explain")
    )
    return DeviceFault(code, action, f"{words} ({told})")
