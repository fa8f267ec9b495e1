"""Hall device profile (HDP) over SMP: the commands of its user group and the keys of their CBOR maps.

Source: hall device profile 1, binding SMP (our own open profile; docs/peripherals/hdp.md). One device per line, so
there are no units. Times are in 0.1 s, as in the Modbus binding.
"""

from enum import IntEnum

from firmware_bridge.codecs.hdp_model import MAGIC, EventBlock, Show, cut_text
from firmware_bridge.codecs.smp_frame import USER_GROUPS, Body, Operation, SmpMessage

GROUP = USER_GROUPS.start

_STATE = ("hdp", "class", "faults", "seq", "code", "age", "seen")
_LARGEST = 0xFFFF  # numbers are those of 16-bit registers


class Command(IntEnum):
    """Commands of the group."""

    STATE = 0  # read
    SHOW = 1  # write: the keys that are given change, all in one step; read: what is shown
    SEEN = 2  # write


class Refusal(IntEnum):
    """Codes of the group's own errors."""

    INVALID_VALUE = 1
    DEVICE_FAILURE = 2


def read_state(sequence: int, group: int = GROUP) -> SmpMessage:
    """Ask for state and event."""
    return SmpMessage(Operation.READ, group, Command.STATE, sequence, {})


def write_seen(sequence: int, event: int, group: int = GROUP) -> SmpMessage:
    """The host has made the event of that number durable."""
    return SmpMessage(Operation.WRITE, group, Command.SEEN, sequence, {"seen": event})


def show_mode(sequence: int, mode: Show, group: int = GROUP) -> SmpMessage:
    """Change the mode and nothing else."""
    return SmpMessage(Operation.WRITE, group, Command.SHOW, sequence, {"mode": int(mode)})


def show_picture(
    sequence: int, mode: Show, prefix: int, number: int, counter: int, text: str, group: int = GROUP
) -> SmpMessage:
    """Show a ticket (prefix and number 0: none), a counter and a text cut to 64 bytes, in one step."""
    shown = cut_text(text).decode("utf-8")
    body = {"mode": int(mode), "prefix": prefix, "number": number, "counter": counter, "text": shown}
    return SmpMessage(Operation.WRITE, group, Command.SHOW, sequence, body)


def parse_state(body: Body) -> tuple[EventBlock, int]:
    """State and the number of the event seen last. Raises ValueError naming the key."""
    numbers = {}
    for key in _STATE:
        value = body.get(key)
        if type(value) is not int or not 0 <= value <= _LARGEST:  # a bool is no number
            raise ValueError(f"state: {key}: expected a number from 0 to {_LARGEST}, got {value!r}")
        numbers[key] = value
    block = EventBlock(
        magic=MAGIC,  # the key "hdp" stands for it
        version=numbers["hdp"],
        device_class=numbers["class"],
        faults=numbers["faults"],
        sequence=numbers["seq"],
        code=numbers["code"],
        age_s=numbers["age"] / 10,
    )
    return block, numbers["seen"]
