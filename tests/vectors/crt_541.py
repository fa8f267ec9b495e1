"""The codec of crt_541.toml, and its requests by the names used there."""

from firmware_bridge.codecs.crt_541 import Command, Crt541Codec, encode
from tests.builders.vector_entry import Entry

ENTRY = Entry(
    lambda: Crt541Codec(1),
    {
        "enquiry": lambda: encode(1, Command.ENQUIRY),
        "dispense": lambda: encode(1, Command.DISPENSE),
        "reset": lambda: encode(1, Command.RESET),
    },
)
