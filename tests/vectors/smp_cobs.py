"""The codec of smp_cobs.toml, and its requests by the names used there."""

from firmware_bridge.codecs import hdp_smp
from firmware_bridge.codecs.smp_frame import SmpCodec, encode_frame
from tests.builders.vector_entry import Entry

ENTRY = Entry(
    lambda: SmpCodec("cobs"),
    {
        "state and event": lambda: encode_frame(hdp_smp.read_state(1), "cobs"),
        "event 5 seen": lambda: encode_frame(hdp_smp.write_seen(2, 5), "cobs"),
    },
)
