"""The codec of escpos.toml, and its requests by the names used there."""

from firmware_bridge.codecs import escpos
from tests.builders.vector_entry import Entry

ENTRY = Entry(
    escpos.EscPosCodec,
    {
        "real time 1": lambda: escpos.ask_real_time(1),
        "real time 2": lambda: escpos.ask_real_time(2),
        "real time 3": lambda: escpos.ask_real_time(3),
        "real time 4": lambda: escpos.ask_real_time(4),
        "automatic status": lambda: escpos.WATCH_ALL,
        "full status of a Custom printer": lambda: escpos.ASK_FULL_STATUS,
        "a status that does not exist": lambda: escpos.ASK_NONSENSE,
        "type": lambda: escpos.ASK_TYPE,
        "paper": lambda: escpos.ASK_PAPER,
    },
)
