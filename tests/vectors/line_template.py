"""The codec of line_template.toml: what the caller, the board and the sign of the catalogue say, in one receiver."""

from device_profiles.catalog import load_catalog
from device_profiles.schema.line_template import LineTemplate
from firmware_bridge.codecs.line_template import Layout, LineTemplateCodec
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
        "888 in green": lambda: Layout(BOARD.show).encode({"number": 888, "lit": 1}),
        "dark": lambda: Layout(BOARD.show).encode({"number": 0, "lit": 0}),
        "is caller 1 there": lambda: Layout(CALLER.probe).encode({"unit": 1}),
        "A012 on all signs": lambda: Layout(SIGN.show).encode({"line": "A012"}),
        "error register of the sign": lambda: Layout(SIGN.probe).encode({}),
    },
)
