"""The codec of wedge.toml, and its requests by the names used there."""

from firmware_bridge.codecs import wedge
from tests.builders.vector_entry import Entry

ENTRY = Entry(wedge.WedgeCodec, {"echo 7": lambda: wedge.encode_echo(7)})
