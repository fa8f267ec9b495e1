"""What a machine does with each capability, command after command, and what a person does meanwhile.

For tests that run every command of every profile. A capability without a scene of its own gets its commands in order,
so a new one needs a line here only when a command has arguments that must be given.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from device_profiles.capabilities import CAPABILITIES


@dataclass(frozen=True)
class Act:
    """One command, its arguments, and the buttons that somebody presses while it runs (those that the device has)."""

    command: str
    args: Mapping[str, Any] = field(default_factory=dict)
    press: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


PERSON = {"person": "p001"}
CODE = {"present_code": {"text": "A012"}}
SCENES: Mapping[str, tuple[Act, ...]] = {
    "barcode_reader": (Act("read", {"wait_s": 3}, CODE),),
    "camera": (Act("take_picture", {"wait_s": 3}), Act("check_liveness", {"wait_s": 3})),
    "card_dispenser": (
        Act("reset"),
        Act("dispense", {"wait_taken_s": 3}, {"take_card": {}}),
        Act("dispense", {"wait_taken_s": 0}),
        Act("retain"),
    ),
    "card_printer": (Act("reset"), Act("print", {"lines": ["HALL", "2026"]})),
    "card_reader": (
        Act("reset"),
        Act("accept", {"wait_s": 5}, {"insert_card": PERSON}),
        Act("read_chip"),
        Act("move", {"to": "hold"}),
        Act("eject", {"wait_taken_s": 5}, {"take_card": {}}),
        Act("dispense"),
        Act("retain"),
    ),
    "evaluator": (Act("show", {"mode": "welcome"}), Act("show", {"mode": "ask_rating", "subject": "A012"})),
    "fingerprint": (
        Act("enrol", {"page": 1, "wait_s": 5}, {"present_finger": PERSON}),
        Act("verify", {"page": 1, "wait_s": 5}, {"present_finger": PERSON}),
        Act("identify", {"wait_s": 5}, {"present_finger": PERSON}),
        Act("delete", {"page": 1}),
    ),
    "id_reader": (Act("read", {"wait_s": 5}, {"insert_card": PERSON}),),
    "lights": (Act("set", {"light": "card_reader", "flash": "slow"}), Act("all_off")),
    "payment": (
        Act(
            "pay",
            {"amount_minor": 100, "wait_s": 5},
            {"present_card": {}, "present_code": {"text": "130000000000000001"}},
        ),
        Act("last"),
        Act("reverse", {"receipt": "0001"}),
        Act("end_of_day"),
    ),
    "power": (Act("self_test"), Act("shut_down", {"delay_s": 60}), Act("cancel_shut_down")),
    "printer": (
        Act("reset"),
        Act(
            "print", {"blocks": [{"kind": "text", "text": "A012"}, {"kind": "qr", "data": "https://hall.example/t/1"}]}
        ),
    ),
    "signage": (Act("show", {"ticket": "A012", "counter": 3}),),
}


def scene_of(capability: str) -> tuple[Act, ...]:
    """Every command of the capability at least once."""
    known = SCENES.get(capability, ())
    shown = {act.command for act in known}
    return (*known, *(Act(name) for name in CAPABILITIES[capability].commands if name not in shown))
