"""Every protocol with golden replies, as a target of the fuzz engine."""

from tests.builders.fuzz import Outcome, Target, fuzz
from tests.firmware_bridge.vector_checks import FILES, octets
from tests.firmware_bridge.vector_codecs import ENTRIES

SEED = 20170501


def target(name: str) -> Target:
    """The protocol of ``tests/vectors/{name}.toml``."""
    file = FILES[name]
    frames = [(octets(vector["bytes"]), vector.get("checked", file["checked"])) for vector in file["reply"]]
    checked = tuple(frame for frame, has_checksum in frames if has_checksum)
    return Target(name, ENTRIES[name].codec, tuple(frame for frame, _ in frames), checked)


def protocols() -> list[str]:
    """Names of all protocols that have replies to spoil."""
    return sorted(name for name, file in FILES.items() if file.get("reply") and name in ENTRIES)


def run_part(part: tuple[str, int, int]) -> tuple[str, Outcome]:
    """One part of a long run, for a pool of processes; see ``tests.builders.fuzz.parts``."""
    name, frames, seed = part
    return name, fuzz(target(name), frames, seed)
