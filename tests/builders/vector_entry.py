"""What ``tests/vectors/<protocol>.py`` says about its codec."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from firmware_bridge.link import Codec


@dataclass(frozen=True)
class Entry:
    """``codec`` makes a fresh receiving side; ``requests`` makes the bytes that the file lists."""

    codec: Callable[[], Codec[Any]]
    requests: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)
