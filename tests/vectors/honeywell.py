"""The codec of honeywell.toml, and its requests by the names used there."""

from firmware_bridge.codecs import honeywell
from firmware_bridge.codecs.honeywell import encode_menu
from tests.builders.vector_entry import Entry

ENTRY = Entry(
    honeywell.HoneywellCodec,
    {
        "trigger on": lambda: honeywell.TRIGGER_ON,
        "trigger off": lambda: honeywell.TRIGGER_OFF,
        "who are you": lambda: encode_menu("REVINF", for_good=True),
        "baud rate, until power is lost": lambda: encode_menu("232BAD9"),
    },
)
