"""What an attacker tries, what must come of it, and what did: the rows of ``docs/red-team.md``.

Every module here that has ``TITLE`` and ``async def rows(folder: Path) -> Result`` is a part of the table; no list to
edit. ``test_red_team`` runs all of them and compares; ``python -m scripts.red_team`` writes what came of them down.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType


@dataclass(frozen=True, slots=True)
class Row:
    """One attempt. ``observed`` is what happened, in words that do not change from run to run."""

    attempt: str
    expected: str
    observed: str

    @property
    def held(self) -> bool:
        """Whether what had to come of it came of it: ``expected`` begins ``observed`` or is all of it."""
        return self.observed.startswith(self.expected)


@dataclass(frozen=True, slots=True)
class Result:
    """What a part found. ``figures``: measured numbers by what they mean; they differ from run to run."""

    rows: Sequence[Row]
    figures: Mapping[str, float] = field(default_factory=dict)


def parts() -> dict[str, ModuleType]:
    """The parts of the table by name."""
    names = sorted(one.name for one in iter_modules([str(Path(__file__).parent)]) if not one.name.startswith("test_"))
    modules = {name: import_module(f"tests.red_team.{name}") for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "TITLE")}
