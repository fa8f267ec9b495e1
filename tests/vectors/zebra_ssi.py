"""The codec of zebra_ssi.toml, and its requests by the names used there."""

from firmware_bridge.codecs import zebra_ssi
from firmware_bridge.codecs.zebra_ssi import Cause, Opcode, encode
from tests.builders.vector_entry import Entry

ENTRY = Entry(
    zebra_ssi.SsiCodec,
    {
        "ack": lambda: encode(Opcode.ACK),
        "ask again": lambda: encode(Opcode.NAK, bytes((Cause.RESEND,))),
        "start session": lambda: encode(Opcode.START_SESSION),
        "start session, sent again": lambda: encode(Opcode.START_SESSION, again=True),
        "stop session": lambda: encode(Opcode.STOP_SESSION),
        "ask for the revision": lambda: encode(Opcode.REQUEST_REVISION),
        "enable": lambda: encode(Opcode.ENABLE),
        "flush": lambda: encode(Opcode.FLUSH_QUEUE),
        "packeted decode data": lambda: encode(Opcode.PARAMETER, zebra_ssi.PACKETED),
    },
)
