"""Where the programs are that the tests start, and which of them this run may do without."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

SKIP_VARIABLE = "HALLFLEET_SKIP"

# Debian's names first; daemons live in /usr/sbin, which is not on everybody's PATH.
PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "mosquitto": ("mosquitto",),
    "postgres": ("postgres", "initdb"),
    "victoria": ("victoria-metrics", "victoria-metrics-prod"),
    "chromium": ("chromium", "chromium-browser"),
    "ser2net": ("ser2net",),
    "lrzsz": ("rb", "lrb"),
}


class MissingPart(Exception):
    """A program that the tests need is not on this machine."""

    def __init__(self, part: str, names: tuple[str, ...]) -> None:
        super().__init__(
            f"{part}: none of {', '.join(names)} was found; run scripts/install-servers, "
            f"or leave the part out by name: {SKIP_VARIABLE}={part}"
        )
        self.part = part


class UnknownPart(Exception):
    """HALLFLEET_SKIP names something that is no part: a misspelt name must not skip nothing in silence."""

    def __init__(self, names: set[str]) -> None:
        super().__init__(f"{SKIP_VARIABLE} names {', '.join(sorted(names))}; known: {', '.join(PROGRAMS)}")


def skipped_parts() -> frozenset[str]:
    """The parts that HALLFLEET_SKIP leaves out."""
    named = {name.strip() for name in os.environ.get(SKIP_VARIABLE, "").split(",")} - {""}
    if unknown := named - PROGRAMS.keys():
        raise UnknownPart(unknown)
    return frozenset(named)


def find_program(part: str, *names: str) -> Path:
    """The first of `names` (by default all names of the part) that exists."""
    wanted = names or PROGRAMS[part]
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", *_versioned_folders(part)])
    for name in wanted:
        if found := shutil.which(name, path=search):
            return Path(found)
    raise MissingPart(part, wanted)


def _versioned_folders(part: str) -> list[str]:
    # Debian keeps the server programs of every PostgreSQL release off the PATH, side by side.
    if part != "postgres":
        return []
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    return [str(folder) for folder in sorted(folders, key=lambda f: float(f.parent.name), reverse=True)]
