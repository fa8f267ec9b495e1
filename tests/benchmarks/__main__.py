"""Run one benchmark, or all of them, and print or write the figures."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.benchmarks import agent, commands, delivery, drivers, id_read, ingest, link

Figures = Mapping[str, object]
BENCHMARKS: dict[str, Callable[[], Figures]] = {
    "agent": agent.measure,
    "commands": commands.measure,
    "delivery": delivery.measure,
    "drivers": drivers.measure,
    "id_read": id_read.measure,
    "ingest": ingest.measure,
    "link": link.measure,
}


def main(argv: list[str]) -> int:
    """``NAME`` or ``all``; returns 0, or 2 for an unknown name."""
    parser = argparse.ArgumentParser(prog="hallfleet bench", description=__doc__)
    parser.add_argument("name", choices=[*BENCHMARKS, "all"], help="what to measure")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args(argv)
    names = list(BENCHMARKS) if options.name == "all" else [options.name]
    results = {name: dict(BENCHMARKS[name]()) for name in names}
    for name, figures in results.items():
        for key, value in figures.items():
            print(f"{name:<8} {key:<{26 if isinstance(value, Mapping) else 44}} {_row(value)}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


def _row(value: object) -> str:
    """One figure, or several of one thing in columns of one width."""
    if isinstance(value, Mapping):
        return "  ".join(f"{key} {number:>5}" for key, number in value.items())
    return str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
