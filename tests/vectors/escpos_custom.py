"""The codec of escpos_custom.toml: ESC/POS with the full status of Custom's kiosk printers."""

from firmware_bridge.codecs import escpos
from tests.builders.vector_entry import Entry

ENTRY = Entry(lambda: escpos.EscPosCodec(full_status=True), {"full status": lambda: escpos.ASK_FULL_STATUS})
