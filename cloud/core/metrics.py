"""Numbers about this process in Prometheus' text format (version 0.0.4)."""

from collections.abc import Callable, Iterator
from threading import Lock

_Labels = tuple[tuple[str, str], ...]
# Upper bounds in seconds: commits on fast disks take 1 ms, on tired ones 100.
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class Metrics:
    """Counters, gauges and histograms by name; made when first used, described once. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._help: dict[str, tuple[str, str]] = {}
        self._values: dict[str, dict[_Labels, float]] = {}
        self._histograms: dict[str, list[float]] = {}
        self._probes: list[Callable[[], None]] = []

    def describe(self, name: str, kind: str, text: str) -> None:
        """Say what ``name`` means; ``kind`` is counter, gauge or histogram. Counters are shown from 0 on."""
        with self._lock:
            self._help[name] = (kind, text)
            if kind == "histogram":
                self._histograms.setdefault(name, [0.0] * (len(_BOUNDS) + 2))
            else:
                self._values.setdefault(name, {})

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add ``amount`` to a counter."""
        with self._lock:
            series = self._values.setdefault(name, {})
            key = tuple(sorted(labels.items()))
            series[key] = series.get(key, 0) + amount

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        with self._lock:
            self._values.setdefault(name, {})[tuple(sorted(labels.items()))] = value

    def observe(self, name: str, seconds: float) -> None:
        """Add one measurement to a histogram."""
        with self._lock:
            row = self._histograms.setdefault(name, [0.0] * (len(_BOUNDS) + 2))
            row[sum(seconds > bound for bound in _BOUNDS)] += 1
            row[-1] += seconds

    def value(self, name: str, **labels: str) -> float:
        """What a counter or gauge stands at; 0 when it was never touched."""
        with self._lock:
            return self._values.get(name, {}).get(tuple(sorted(labels.items())), 0.0)

    def probe(self, measure: Callable[[], None]) -> None:
        """Call ``measure`` before each rendering, for gauges that are looked up instead of kept."""
        self._probes.append(measure)

    def render(self) -> str:
        """Everything, as ``GET /metrics`` gives it."""
        for measure in self._probes:
            measure()
        with self._lock:
            return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        for name in sorted(self._values.keys() | self._histograms.keys()):
            kind, text = self._help.get(name, ("untyped", ""))
            yield f"# HELP {name} {text}"
            yield f"# TYPE {name} {kind}"
            if name in self._histograms:
                yield from _histogram(name, self._histograms[name])
            else:
                series = self._values[name] or {(): 0.0}
                yield from (f"{name}{_braces(labels)} {value:g}" for labels, value in sorted(series.items()))


def _histogram(name: str, row: list[float]) -> Iterator[str]:
    total = 0.0
    for bound, amount in zip((*map(str, _BOUNDS), "+Inf"), row, strict=False):
        total += amount
        yield f'{name}_bucket{{le="{bound}"}} {total:g}'
    yield f"{name}_sum {row[-1]:g}"
    yield f"{name}_count {total:g}"


def _braces(labels: _Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
