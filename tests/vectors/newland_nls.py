"""The codec of newland_nls.toml, and its requests by the names used there."""

from firmware_bridge.codecs import newland_nls
from firmware_bridge.codecs.newland_nls import encode
from tests.builders.vector_entry import Entry

ENTRY = Entry(
    newland_nls.NewlandCodec,
    {
        "add a rule, for good": lambda: encode("DFMADD069990039999F141", for_good=True),
        "current settings of Code 11": lambda: encode("C11*", for_good=True),
        "trigger on": lambda: encode("SCNTRG1"),
        "trigger off": lambda: encode("SCNTRG0"),
        "who are you": lambda: encode("QRYSYS", for_good=True),
        "health": lambda: encode("DEVQRY*", for_good=True),
    },
)
