"""Which codec a vector file speaks about: its receiving side, and its requests by the names used in the file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from firmware_bridge.codecs import escpos, sam_v
from firmware_bridge.link import Codec


@dataclass(frozen=True)
class Entry:
    """``codec`` makes a fresh receiving side; ``requests`` makes the bytes that the file lists."""

    codec: Callable[[], Codec[Any]]
    requests: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)


ENTRIES: dict[str, Entry] = {
    "sam_v": Entry(
        sam_v.SamCodec,
        {
            "reset": sam_v.RESET.encode,
            "status": sam_v.STATUS.encode,
            "sam id": sam_v.SAM_ID.encode,
            "find": sam_v.FIND.encode,
            "select": sam_v.SELECT.encode,
            "read": sam_v.READ.encode,
            "read with fingerprints": sam_v.READ_WITH_FINGERPRINTS.encode,
            "read appended": sam_v.READ_APPENDED.encode,
            "baud 115200": lambda: sam_v.set_baud(115200).encode(),
            "baud 9600": lambda: sam_v.set_baud(9600).encode(),
        },
    ),
    "escpos": Entry(
        escpos.EscPosCodec,
        {
            "real time 1": lambda: escpos.ask_real_time(1),
            "real time 2": lambda: escpos.ask_real_time(2),
            "real time 3": lambda: escpos.ask_real_time(3),
            "real time 4": lambda: escpos.ask_real_time(4),
            "automatic status": lambda: escpos.WATCH_ALL,
            "paper": lambda: escpos.ASK_PAPER,
        },
    ),
}
