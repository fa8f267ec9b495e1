"""The codec of crt_310.toml, and its requests by the names used there."""

from firmware_bridge.codecs import crt_310
from tests.builders.vector_entry import Entry

ENTRY = Entry(
    crt_310.crt_310_codec,
    {
        "reset, card stays": lambda: crt_310.encode(crt_310.Cm.RESET, crt_310.Reset.LEAVE),
        "status": lambda: crt_310.encode(crt_310.Cm.STATUS, crt_310.READER_STATUS),
        "serial number": lambda: crt_310.encode(crt_310.Cm.RESET, crt_310.Reset.SERIAL_NUMBER),
        "out at the rear": lambda: crt_310.encode(crt_310.Cm.MOVE, crt_310.Move.REAR_OUT),
        "out at the front": lambda: crt_310.encode(crt_310.Cm.MOVE, crt_310.Move.FRONT_OUT),
        "entry open at the front, shut at the rear": lambda: crt_310.encode(
            crt_310.Cm.ENTRY, crt_310.Front.SWITCH, bytes((crt_310.Rear.SHUT,))
        ),
    },
)
