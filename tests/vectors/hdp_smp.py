"""The codec of hdp_smp.toml, and its requests by the names used there."""

from functools import partial

from firmware_bridge.codecs import hdp_smp
from firmware_bridge.codecs.hdp_model import Show
from firmware_bridge.codecs.smp_frame import Operation, SmpCodec, SmpMessage, encode_frame
from tests.builders.vector_entry import Entry

_MESSAGES = {
    "echo hall": SmpMessage(Operation.WRITE, 0, 0, 0x42, {"d": "hall"}),
    "reset": SmpMessage(Operation.WRITE, 0, 5, 3, {}),
    "state and event": hdp_smp.read_state(1),
    "event 5 seen": hdp_smp.write_seen(2, 5),
    "ask for a rating": hdp_smp.show_mode(3, Show.ASK_RATING),
    "ticket A012 at counter 3": hdp_smp.show_picture(4, Show.WELCOME, ord("A"), 12, 3, "请到3号窗口"),
}

ENTRY = Entry(SmpCodec, {name: partial(encode_frame, message, "console") for name, message in _MESSAGES.items()})
