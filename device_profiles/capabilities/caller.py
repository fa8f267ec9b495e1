"""Caller (呼叫器; nearest in XFS4IoT: Keyboard): the clerk's keys at a counter."""

from enum import StrEnum

from device_profiles.capabilities.model import Capability, Shape, Status


class CallerKey(StrEnum):
    """The keys, in the order of their codes on the wire (1 to 7)."""

    CALL_NEXT = "call_next"
    RECALL = "recall"
    START = "start"
    FINISH = "finish"
    NO_SHOW = "no_show"
    PAUSE = "pause"
    OPEN = "open"


class CallerStatus(Status):
    """Status of a caller."""


class KeyPressed(Shape):
    """A key was pressed once."""

    key: CallerKey


CALLER = Capability(name="caller", status=CallerStatus, events={"key_pressed": KeyPressed})
