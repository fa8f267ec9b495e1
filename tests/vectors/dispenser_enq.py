"""The codec of dispenser_enq.toml, and its requests by the names used there."""

from firmware_bridge.codecs.dispenser_enq import Command, dispenser_enq_codec, encode
from tests.builders.vector_entry import Entry

ENTRY = Entry(
    dispenser_enq_codec,
    {
        "dispense": lambda: encode(Command.DISPENSE),
        "call back": lambda: encode(Command.CALL_BACK),
        "working state": lambda: encode(Command.STATE),
        "reset": lambda: encode(Command.RESET),
        "flags": lambda: encode(Command.FLAGS),
        "clear flags": lambda: encode(Command.CLEAR_FLAGS),
        "version": lambda: encode(Command.VERSION),
    },
)
