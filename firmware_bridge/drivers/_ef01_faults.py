"""What the confirmation codes of EF 01 modules mean in the capability's words, and who must act."""

from device_profiles.capabilities.model import Action
from firmware_bridge.codecs.ef01 import Confirmation, Instruction
from firmware_bridge.errors import DeviceFault

_LAY_AGAIN = ("no_capture_data", Action.RESET)
_NOT_MATCHED = ("no_capture_data", Action.RESET)
_BROKEN = ("hardware_error", Action.MAINTENANCE)
_WRONG_PAGE = ("invalid_identifier", Action.SOFTWARE_ERROR)
_SET_UP = ("not_authorised", Action.CONFIGURATION)

# Every code of the ZFM-20 manual's list; a driver that expects one of them as an ordinary answer never asks here.
FAULTS: dict[int, tuple[tuple[str, Action], str]] = {
    Confirmation.PACKET_ERROR: (_BROKEN, "packets arrive damaged"),
    Confirmation.NO_FINGER: (_LAY_AGAIN, "no finger on the sensor"),
    Confirmation.IMAGE_FAILED: (_LAY_AGAIN, "no image could be taken"),
    Confirmation.IMAGE_MESSY: (_LAY_AGAIN, "the image is too blurred"),
    Confirmation.FEW_FEATURES: (_LAY_AGAIN, "the image shows too little of the finger"),
    Confirmation.NO_MATCH: (_NOT_MATCHED, "the finger is not the one of this page"),
    Confirmation.NOT_FOUND: (_NOT_MATCHED, "the finger is none of those stored"),
    Confirmation.TEMPLATES_DIFFER: (_LAY_AGAIN, "the two images are not of one finger"),
    Confirmation.BAD_PAGE: (_WRONG_PAGE, "no such page"),
    Confirmation.DATABASE_READ: (_WRONG_PAGE, "no valid template at this page"),
    Confirmation.UPLOAD_FAILED: (_BROKEN, "the template could not be sent"),
    Confirmation.IMAGE_UPLOAD_FAILED: (_BROKEN, "the image could not be sent"),
    Confirmation.DELETE_FAILED: (_BROKEN, "a template cannot be deleted"),
    Confirmation.CLEAR_FAILED: (_BROKEN, "the database cannot be cleared"),
    Confirmation.WRONG_PASSWORD: (_SET_UP, "wrong password"),
    Confirmation.NO_IMAGE: (_LAY_AGAIN, "no valid image in the buffer"),
    Confirmation.FLASH: (_BROKEN, "the flash memory cannot be written"),
    Confirmation.BAD_REGISTER: (("invalid_data", Action.SOFTWARE_ERROR), "no such register"),
    Confirmation.BAD_ADDRESS: (_SET_UP, "wrong module address"),
    Confirmation.PASSWORD_NEEDED: (_SET_UP, "the password was not verified"),
}
_UNLISTED = (_BROKEN, "a code that the manuals do not list")


def fault_of(confirmation: int, instruction: Instruction) -> DeviceFault:
    """The fault that a confirmation code means as the answer to ``instruction``."""
    (code, action), words = FAULTS.get(confirmation, _UNLISTED)
    return DeviceFault(code, action, f"{words} (confirmation {confirmation:02X} of {instruction.name.lower()})")
