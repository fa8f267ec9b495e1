"""InfluxDB line protocol: one line per measurement, tag set and time, all of its fields on it."""

from collections.abc import Sequence

from cloud.telemetry.port import Sample


def lines_of(points: Sequence[Sample]) -> str:
    """``points`` as joined lines with time stamps in milliseconds. Names and tags need no escapes (see ``limits``)."""
    grouped: dict[tuple[str, int], dict[str, float]] = {}
    heads: dict[tuple[str, tuple[tuple[str, str], ...]], str] = {}
    for point in points:
        key = (point.measurement, point.tags)
        head = heads.get(key)
        if head is None:
            head = heads[key] = "".join([point.measurement, *(f",{name}={value}" for name, value in point.tags)])
        grouped.setdefault((head, point.ts_ms), {})[point.field] = point.value
    return "\n".join(
        f"{head} {','.join(f'{name}={value!r}' for name, value in fields.items())} {ts_ms}"
        for (head, ts_ms), fields in grouped.items()
    )
