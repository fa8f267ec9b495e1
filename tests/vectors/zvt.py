"""The codec of zvt.toml, and its requests by the names used there."""

from firmware_bridge.codecs import zvt
from firmware_bridge.codecs.zvt import Control, encode
from firmware_bridge.codecs.zvt_fields import amount_fields
from tests.builders.vector_entry import Entry

ENTRY = Entry(
    zvt.ZvtCodec,
    {
        "register": lambda: encode(Control.REGISTRATION, bytes.fromhex("12 34 56 BA 09 78")),
        "pay 110.00": lambda: encode(Control.AUTHORISATION, amount_fields(11000, 978)),
        "done": lambda: encode(Control.DONE),
        "diagnosis": lambda: encode(Control.DIAGNOSIS),
    },
)
