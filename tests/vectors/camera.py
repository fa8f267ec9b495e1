"""The codec of camera.toml, and its requests by the names used there."""

from firmware_bridge.codecs import camera
from tests.builders.vector_entry import Entry

ENTRY = Entry(
    lambda: camera.CameraCodec(longest=64 * 1024),
    {"is it ready": lambda: camera.encode_ask("?", 7), "a picture": lambda: camera.encode_ask("!", 255)},
)
