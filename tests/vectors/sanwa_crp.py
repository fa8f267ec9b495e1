"""The codec of sanwa_crp.toml, and its requests by the names used there."""

from firmware_bridge.codecs import sanwa_crp
from firmware_bridge.codecs.sanwa_crp import Cmd, encode
from tests.builders.vector_entry import Entry

ENTRY = Entry(
    sanwa_crp.sanwa_crp_codec,
    {
        "status": lambda: encode(Cmd.STATUS),
        "eject": lambda: encode(Cmd.EJECT),
        "erase": lambda: encode(Cmd.ERASE),
        "initialise": lambda: encode(Cmd.INIT, sanwa_crp.INIT_STANDARD),
        "look into the dispenser": lambda: encode(Cmd.DISPENSE, sanwa_crp.DISPENSER_CHECK),
        "print two lines": lambda: encode(Cmd.PRINT, sanwa_crp.print_data(["HKG", "2026"], "ascii")),
    },
)
