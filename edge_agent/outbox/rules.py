"""The rules of the two lanes that every outbox keeps."""

import json
from collections.abc import Iterable
from typing import Any, Final

from device_profiles.messages.facts import Dropped, Freed

DROPPED: Final = "agent.dropped"
FREED: Final = "agent.freed"
AGENT: Final = "agent"
FLOW_LIMIT: Final = 0.8
"""Part of the room that business rows may fill before nothing new is begun for a citizen."""

FULL: Final = "outbox full, oldest telemetry first"
ROW_OVERHEAD: Final = 64  # bytes of a row beside its data: columns, index, page headers
GIVE_UP_CHUNK: Final = 128  # rows in one transaction: a larger one would make the write-ahead log grow
DROP_CHUNK: Final = 64  # telemetry rows given up at a time: fewer facts about drops than drops


def encode(data: dict[str, Any]) -> str:
    """The data of a row as it is stored."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def size_of(text: str) -> int:
    """The room that a row with this data takes, in bytes (an estimate from above)."""
    return 4 * len(text) // 3 + ROW_OVERHEAD if text.isascii() else 3 * len(text) + ROW_OVERHEAD


def runs(sequences: Iterable[int]) -> list[tuple[int, int]]:
    """Sorted sequences as inclusive runs without gaps."""
    found: list[tuple[int, int]] = []
    for sequence in sequences:
        if found and found[-1][1] == sequence - 1:
            found[-1] = (found[-1][0], sequence)
        else:
            found.append((sequence, sequence))
    return found


def dropped_data(first: int, last: int, reason: str = FULL) -> dict[str, Any]:
    """The data of the fact that telemetry ``first`` to ``last`` was given up."""
    fact = Dropped(lane="telemetry", from_sequence=first, to_sequence=last, reason=reason)
    return fact.model_dump(mode="json")


def freed_data(last: int) -> dict[str, Any]:
    """The data of the fact that everything up to ``last`` was acknowledged and is here no more."""
    return Freed(from_sequence=1, to_sequence=last).model_dump(mode="json")
