"""The codec of sam_v.toml, and its requests by the names used there."""

from firmware_bridge.codecs import sam_v
from tests.builders.vector_entry import Entry

ENTRY = Entry(
    sam_v.SamCodec,
    {
        "reset": sam_v.RESET.encode,
        "status": sam_v.STATUS.encode,
        "sam id": sam_v.SAM_ID.encode,
        "find": sam_v.FIND.encode,
        "select": sam_v.SELECT.encode,
        "read": sam_v.READ.encode,
        "read with fingerprints": sam_v.READ_WITH_FINGERPRINTS.encode,
        "read appended": sam_v.READ_APPENDED.encode,
        "baud 115200": lambda: sam_v.set_baud(115200).encode(),
        "baud 57600": lambda: sam_v.set_baud(57600).encode(),
        "baud 38400": lambda: sam_v.set_baud(38400).encode(),
        "baud 19200": lambda: sam_v.set_baud(19200).encode(),
        "baud 9600": lambda: sam_v.set_baud(9600).encode(),
    },
)
