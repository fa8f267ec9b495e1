"""A vendor's frames as data: what would be ambiguous is an error of the profile that names the key."""

from pathlib import Path
from typing import Any

import pytest

from device_profiles.catalog import find_problems, load_catalog
from device_profiles.schema.line_template import template_problems

START = {"kind": "constant", "hex": "3A"}
END = {"kind": "constant", "hex": "0A"}
NUMBER = {"kind": "binary", "value": "number", "width": 2}
KEY = {"kind": "binary", "value": "key", "width": 1}
TEXT = {"kind": "text", "value": "text"}
Field = dict[str, Any]


def signage(*show: Field, **more: Any) -> list[str]:
    return template_problems("signage", {"show": list(show), **more})


def test_a_frame_that_can_be_told_is_no_problem() -> None:
    assert signage(START, NUMBER, TEXT, END) == []
    assert signage(START, {"kind": "length", "span": ["text", "text"]}, TEXT) == []


@pytest.mark.parametrize(
    ("show", "said"),
    [
        pytest.param([NUMBER], "show.0: expected a constant", id="no beginning"),
        pytest.param([{"kind": "constant", "hex": "3"}], "options.show.0.constant.hex: expected hex", id="half a byte"),
        pytest.param([START, {**NUMBER, "value": "price"}], "show.1.value: expected one of unit", id="unknown value"),
        pytest.param([START, {**NUMBER, "value": "text"}], "show.1: expected a text for 'text'", id="text as number"),
        pytest.param([START, {**TEXT, "value": "number"}], "show.1: expected a number for", id="number as text"),
        pytest.param([START, NUMBER, NUMBER], "show: expected each name once, got 'number' twice", id="twice"),
        pytest.param([START, TEXT], "show.1: expected a width, a length before it", id="endless text"),
        pytest.param([START, TEXT, {**START, "name": "x"}], "below 20 hex", id="text that may hold its end"),
        pytest.param(
            [START, TEXT, END, {**TEXT, "value": "line"}, END], "expected one text without a width", id="texts"
        ),
        pytest.param(
            [START, {"kind": "checksum", "sum": "sum8", "span": ["start", "number"]}, NUMBER],
            "show.1.span: expected names of fields (number), got 'start'",
            id="span of nothing",
        ),
        pytest.param(
            [{**START, "name": "start"}, {"kind": "checksum", "sum": "sum8", "span": ["start", "number"]}, NUMBER],
            "show.1.span: expected fields before the checksum",
            id="sum before its fields",
        ),
        pytest.param(
            [{**START, "name": "start"}, NUMBER, {"kind": "checksum", "sum": "sum8", "span": ["number", "start"]}],
            "show.2.span: expected the first field before the last",
            id="span backwards",
        ),
        pytest.param(
            [START, {"kind": "checksum", "sum": "md5", "span": ["a", "b"]}], "show.1.checksum.sum", id="no sum"
        ),
        pytest.param([START, {**NUMBER, "widht": 2}], "widht", id="misspelt"),
    ],
)
def test_what_cannot_be_told_is_named(show: list[Field], said: str) -> None:
    problems = " | ".join(signage(*show))
    assert said in problems


@pytest.mark.parametrize(
    ("capability", "options", "said"),
    [
        ("signage", {}, "options.show: expected a frame, a signage needs it"),
        ("caller", {"event": [START, KEY]}, "options.keys: expected the numbers of call_next"),
        ("caller", {"event": [START, END], "keys": {"open": 1}}, "options.event: expected a field with the value key"),
        ("caller", {"event": [START, KEY], "keys": {"opne": 1}}, "got opne"),
        ("caller", {"event": [START, KEY], "keys": {"open": 1, "start": 1}}, "keys: expected a number of its own"),
        ("evaluator", {"show": [START, NUMBER], "event": [START, KEY], "keys": {"6": 1}}, "got 6"),
        ("signage", {"show": [START, NUMBER], "modes": {"idle": 1}}, "modes: expected some of nothing"),
        ("signage", {"show": [START, {**NUMBER, "value": "unit"}]}, "options.unit: expected an address"),
        ("signage", {"show": [START, NUMBER], "probe": [START]}, "probe: expected probe_reply beside it"),
        ("signage", {"show": [START, NUMBER], "probe_reply": [START]}, "probe_reply: expected probe beside it"),
        ("printer", {"show": [START, NUMBER]}, "capability: expected one of signage, caller, evaluator"),
        (
            "caller",
            {
                "event": [START, KEY],
                "keys": {"open": 1},
                "probe": [END],
                "probe_reply": [START, {**KEY, "value": "fault"}],
            },
            "event: expected a constant that differs from probe_reply at the same place",
        ),
    ],
)
def test_what_a_capability_lacks_is_named(capability: str, options: dict[str, Any], said: str) -> None:
    assert said in " | ".join(template_problems(capability, options))


def test_a_profile_with_a_broken_template_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    good = Path(__file__).resolve().parents[2] / "device_profiles" / "peripherals" / "led-board-3a.toml"
    (tmp_path / "peripherals").mkdir()
    file = tmp_path / "peripherals" / "my-board.toml"
    file.write_text(good.read_text("utf-8").replace('span = ["start", "lit"]', 'span = ["begin", "lit"]', 1), "utf-8")
    (problem,) = find_problems(tmp_path)
    assert problem.startswith(f"{file}: options.")
    assert "options.show.4.span: expected names of fields (start, colour, number, lit), got 'begin'" in problem


def test_the_templates_of_the_catalogue_have_no_problem() -> None:
    profiles = [profile for profile in load_catalog().peripherals.values() if profile.driver == "line_template"]
    assert {profile.id for profile in profiles} >= {"dlt-caller-21", "led-board-3a", "alpha-sign"}
    assert [template_problems(profile.capability, profile.options) for profile in profiles] == [[]] * len(profiles)
