"""The walk-through names functions; they must exist."""

import re
from importlib import import_module
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "walk-through.md"
REFERENCE = re.compile(r"`((?:device_profiles|firmware_bridge|edge_agent|cloud|simulators)(?:\.\w+)+):([\w.]+)`")
REFERENCES = sorted(set(REFERENCE.findall(DOCUMENT.read_text()))) if DOCUMENT.exists() else []


def test_the_walk_through_follows_a_ticket_through_the_rooms() -> None:
    rooms = {module.split(".")[0] for module, _ in REFERENCES}
    assert rooms == {"device_profiles", "firmware_bridge", "edge_agent", "cloud", "simulators"}
    assert len(REFERENCES) >= 20


@pytest.mark.parametrize(("module", "name"), REFERENCES)
def test_a_function_of_the_walk_through_exists(module: str, name: str) -> None:
    thing: object = import_module(module)
    for part in name.split("."):
        thing = getattr(thing, part)
    assert callable(thing)
