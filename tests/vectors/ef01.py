"""The codec of ef01.toml, and its requests by the names used there."""

from firmware_bridge.codecs import ef01
from tests.builders.vector_entry import Entry

ENTRY = Entry(
    ef01.Ef01Codec,
    {
        "verify password 0": lambda: ef01.encode(ef01.Instruction.VERIFY_PASSWORD, bytes(4)),
        "get image": lambda: ef01.encode(ef01.Instruction.GET_IMAGE),
        "features into buffer 1": lambda: ef01.encode(ef01.Instruction.IMAGE_TO_FEATURES, b"\x01"),
        "store at page 5": lambda: ef01.encode(ef01.Instruction.STORE, bytes((1, 0, 5))),
        "search pages 0 to 199": lambda: ef01.encode(ef01.Instruction.SEARCH, bytes((1, 0, 0, 0, 200))),
        "load page 5 into buffer 2": lambda: ef01.encode(ef01.Instruction.LOAD, bytes((2, 0, 5))),
        "match": lambda: ef01.encode(ef01.Instruction.MATCH),
        "make template": lambda: ef01.encode(ef01.Instruction.MAKE_TEMPLATE),
        "upload the template in buffer 1": lambda: ef01.encode(ef01.Instruction.UPLOAD_TEMPLATE, b"\x01"),
        "delete page 5": lambda: ef01.encode(ef01.Instruction.DELETE, bytes((0, 5, 0, 1))),
        "read parameters": lambda: ef01.encode(ef01.Instruction.READ_PARAMETERS),
        "count templates": lambda: ef01.encode(ef01.Instruction.COUNT_TEMPLATES),
    },
)
