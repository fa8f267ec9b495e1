"""The codec of line_template.toml: what the caller, the board and the sign of the catalogue say, in one receiver."""

from device_profiles.catalog import load_catalog
from device_profiles.schema.line_template import LineTemplate
from firmware_bridge.codecs.line_template import LineTemplateCodec, encode
from tests.builders.vector_entry import Entry

CALLER, BOARD, SIGN = (
    LineTemplate.model_validate(load_catalog().peripheral(name).options)
    for name in ("dlt-caller-21", "led-board-3a", "alpha-sign")
)

ENTRY = Entry(
    lambda: LineTemplateCodec(
        {
            "caller event": CALLER.event,
            "caller state": CALLER.probe_reply,
            "board": BOARD.show_reply,
            "sign state": SIGN.probe_reply,
        }
    ),
    {
        "888 in green": lambda: encode(BOARD.show, {"number": 888, "lit": 1}),
        "dark": lambda: encode(BOARD.show, {"number": 0, "lit": 0}),
        "is caller 1 there": lambda: encode(CALLER.probe, {"unit": 1}),
        "A012 on all signs": lambda: encode(SIGN.show, {"line": "A012"}),
        "error register of the sign": lambda: encode(SIGN.probe, {}),
    },
)
