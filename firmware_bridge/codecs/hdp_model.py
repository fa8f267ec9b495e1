"""The data model of the hall device profile (HDP), the same on Modbus RTU and on SMP: our own open profile.

A device has a class, fault bits and one event at a time, which it holds until the host has written its number back; it
shows a mode, a ticket number, a counter and a text. docs/peripherals/hdp.md has the whole profile.
"""

from dataclasses import dataclass
from enum import IntEnum

MAGIC = 0x4844  # "HD"
VERSIONS = (1,)
TEXT_BYTES = 64  # of UTF-8


class DeviceClass(IntEnum):
    """What a unit is."""

    EVALUATOR = 1
    DISPLAY = 2
    CALLER = 3


class Show(IntEnum):
    """What a unit shows."""

    IDLE = 0
    WELCOME = 1
    ASK_RATING = 2
    THANKS = 3
    PAUSED = 4


@dataclass(frozen=True, slots=True)
class EventBlock:
    """The state of a unit. ``code`` 0: no event yet; ``age_s`` is how long ago the event happened."""

    magic: int
    version: int
    device_class: int
    faults: int
    sequence: int
    code: int
    age_s: float


def cut_text(text: str) -> bytes:
    """``text`` as UTF-8; what does not fit into 64 bytes is cut at a whole character."""
    return text.encode("utf-8", "replace")[:TEXT_BYTES].decode("utf-8", "ignore").encode("utf-8")
