"""The codec of hdp.toml, and its requests by the names used there."""

from firmware_bridge.codecs import hdp
from tests.builders.vector_entry import Entry

ENTRY = Entry(
    hdp.HdpCodec,
    {
        "ticket A 200 on unit 2": lambda: hdp.encode_write(2, hdp.Holding.TICKET_PREFIX, [ord("A"), 200]),
        "event block of unit 2": lambda: hdp.encode_read_events(2),
        "event 5 seen": lambda: hdp.encode_write(2, hdp.Holding.EVENT_SEEN, [5]),
        "which event was seen": lambda: hdp.encode_read_holding(2, hdp.Holding.EVENT_SEEN),
        "ask for a rating": lambda: hdp.encode_write(1, hdp.Holding.COMMAND, [hdp.Show.ASK_RATING]),
    },
)
