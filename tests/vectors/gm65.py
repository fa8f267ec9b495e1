"""The codec of gm65.toml, and its requests by the names used there."""

from firmware_bridge.codecs import gm65
from tests.builders.vector_entry import Entry

ENTRY = Entry(
    gm65.Gm65Codec,
    {
        "trigger on, unchecked": lambda: gm65.encode_write(gm65.Zone.TRIGGER, b"\x01", checked=False),
        "identify, unchecked": lambda: gm65.encode_read(gm65.Zone.IDENTITY, checked=False),
        "trigger on": lambda: gm65.encode_write(gm65.Zone.TRIGGER, b"\x01"),
        "trigger off": lambda: gm65.encode_write(gm65.Zone.TRIGGER, b"\x00"),
        "identify": lambda: gm65.encode_read(gm65.Zone.IDENTITY),
    },
)
