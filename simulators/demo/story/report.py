"""What a step of the story expected and what was seen."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Step:
    """One checked step."""

    name: str
    expected: str
    observed: str
    ok: bool
    took_ms: int


def print_step(step: Step) -> None:
    """One line per step, and the difference when it failed."""
    print(f"{'ok  ' if step.ok else 'FAIL'} {step.took_ms:6d} ms  {step.name}: {step.observed}", flush=True)
    if not step.ok:
        print(f"               expected: {step.expected}", flush=True)


def print_summary(steps: Sequence[Step]) -> None:
    """How many steps held."""
    failed = [step.name for step in steps if not step.ok]
    print(f"{len(steps) - len(failed)} of {len(steps)} steps ok" + (f"; failed: {', '.join(failed)}" if failed else ""))


def as_json(steps: Sequence[Step]) -> dict[str, object]:
    """The report as a document: ``{"steps": [...], "ok": bool}``."""
    return {"steps": [asdict(step) for step in steps], "ok": bool(steps) and all(step.ok for step in steps)}
