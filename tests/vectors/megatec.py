"""The codec of megatec.toml, and its requests by the names used there."""

from firmware_bridge.codecs import megatec
from tests.builders.vector_entry import Entry

ENTRY = Entry(
    megatec.MegatecCodec,
    {
        "status": lambda: megatec.STATUS,
        "off after two minutes, on after five": lambda: megatec.encode_shutdown(120, 5),
        "off after twelve seconds": lambda: megatec.encode_shutdown(12, 1),
    },
)
