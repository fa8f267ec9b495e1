"""The codec of nut.toml, and its requests by the names used there."""

from firmware_bridge.codecs import nut
from tests.builders.vector_entry import Entry

ENTRY = Entry(
    nut.NutCodec,
    {
        "user name": lambda: nut.encode_username("hall"),
        "delay of the shutdown": lambda: nut.encode_set("u", "ups.delay.shutdown", "60"),
    },
)
