"""The codec of crt_f2.toml, and its requests by the names used there."""

from firmware_bridge.codecs import crt_f2, permit_file
from tests.builders.vector_entry import Entry

ENTRY = Entry(
    lambda: crt_f2.crt_f2_codec(0),
    {
        "init, card stays": lambda: crt_f2.encode(0, crt_f2.Cm.INIT, crt_f2.Init.LEAVE),
        "status": lambda: crt_f2.encode(0, crt_f2.Cm.STATUS, crt_f2.DEVICE_STATUS),
        "to gate": lambda: crt_f2.encode(0, crt_f2.Cm.MOVE, crt_f2.Move.GATE),
        "to error bin": lambda: crt_f2.encode(0, crt_f2.Cm.MOVE, crt_f2.Move.ERROR_BIN),
        "enable entry": lambda: crt_f2.encode(0, crt_f2.Cm.ENTRY, crt_f2.Entry.ENABLE),
        "select file 0001": lambda: crt_f2.encode(0, crt_f2.Cm.CPU_CARD, crt_f2.CpuCard.APDU, permit_file.SELECT_FILE),
        "read binary": lambda: crt_f2.encode(0, crt_f2.Cm.CPU_CARD, crt_f2.CpuCard.APDU, permit_file.READ_FILE),
    },
)
