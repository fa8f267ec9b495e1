"""What may become telemetry. Checked here, since a store may take or drop a bad point without a word."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cloud.telemetry.port import Sample

MEASUREMENT = "machine"
TAGS = frozenset({"hall", "device", "slot"})
# Clocks run ahead a little; VictoriaMetrics drops what is days ahead in silence.
MAX_AHEAD_MS = 10 * 60_000
OLDEST_MS = 1_000_000_000_000  # September 2001: an earlier clock was never set
NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_TAG = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Checked:
    """``good`` may be written; ``rejected`` never; ``clamped`` of the good ones had a time ahead of ours."""

    good: list[Sample]
    rejected: int
    clamped: int


def check(samples: Iterable[Sample], now_ms: int) -> Checked:
    """Sort out what cannot be stored and pull times that are ahead back to now."""
    good: list[Sample] = []
    rejected = clamped = 0
    for sample in samples:
        if not _storable(sample):
            rejected += 1
        elif sample.ts_ms > now_ms + MAX_AHEAD_MS:
            clamped += 1
            good.append(Sample(sample.measurement, sample.tags, sample.field, now_ms, sample.value))
        else:
            good.append(sample)
    return Checked(good, rejected, clamped)


def is_name(text: str) -> bool:
    """Whether ``text`` may name a measurement or a field."""
    return NAME.fullmatch(text) is not None


def _storable(sample: Sample) -> bool:
    names = is_name(sample.measurement) and is_name(sample.field)
    tags = all(name in TAGS and _TAG.fullmatch(value) for name, value in sample.tags)
    return names and tags and math.isfinite(sample.value) and sample.ts_ms >= OLDEST_MS
