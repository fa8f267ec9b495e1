"""A vendor's line protocol as data: the frames of a display, caller or pad, field by field.

For boards that have a sheet of paper and no standard. The ``[options]`` of a profile with ``driver = "line_template"``
are a ``LineTemplate``; docs/peripherals/line_template.md explains the keys. Everything that would make a frame
ambiguous or impossible to find again after noise is an error of the profile, before anything is sent.
"""

from itertools import combinations

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from device_profiles.capabilities.caller import CallerKey
from device_profiles.schema.line_frame import (
    Checksum,
    Constant,
    Frame,
    Length,
    Number,
    Text,
    frame_size,
    length_before,
    part_size,
    span_of,
    terminator_behind,
)

SENT, RECEIVED = ("show", "probe", "event_ack"), ("show_reply", "probe_reply", "event")
VALUES = {
    "show": ("unit", "ticket", "prefix", "number", "counter", "text", "line", "lit", "mode"),
    "probe": ("unit",),
    "event_ack": ("unit", "key", "sequence"),
    "show_reply": ("unit", "ticket", "prefix", "number", "counter", "text", "line", "lit", "mode", "fault"),
    "probe_reply": ("unit", "fault"),
    "event": ("unit", "key", "sequence"),
}
MODES = ("idle", "welcome", "ask_rating", "thanks", "paused")
GRADES = ("1", "2", "3", "4", "5")
NEEDED = {"signage": ("show",), "caller": ("event",), "evaluator": ("show", "event")}
KEYS: dict[str, tuple[str, ...]] = {"signage": (), "caller": tuple(CallerKey), "evaluator": GRADES}
TEXTS = ("ticket", "text", "line")
LONGEST = 256  # bytes of a frame


class LineTemplate(BaseModel):
    """The frames that a device knows; an empty one does not exist."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: int | None = Field(default=None, ge=0, le=255, description="address on a line with several devices")
    modes: dict[str, int] = Field(default_factory=dict, description="what a pad shows and its number on the wire")
    keys: dict[str, int] = Field(
        default_factory=dict, description="a key, or a grade 1 to 5, and its number on the wire"
    )
    show: Frame = Field(default=(), description="sent: show this")
    show_reply: Frame = Field(default=(), description="the answer to show")
    probe: Frame = Field(default=(), description="sent: are you there")
    probe_reply: Frame = Field(default=(), description="the answer to probe; its value fault tells how it is")
    healthy: int = Field(default=0, ge=0, description="the number of fault that means: all is well")
    event: Frame = Field(default=(), description="said unasked: a key or a grade")
    event_ack: Frame = Field(default=(), description="sent: the event has arrived and is safe")

    @model_validator(mode="after")
    def _frames(self) -> "LineTemplate":
        problems = [problem for role in (*SENT, *RECEIVED) for problem in _problems(role, getattr(self, role))]
        for first, second in combinations([role for role in RECEIVED if getattr(self, role)], 2):
            problems += _alike(first, getattr(self, first), second, getattr(self, second))
        for question, answer in (("show", "show_reply"), ("probe", "probe_reply"), ("event", "event_ack")):
            if getattr(self, answer) and not getattr(self, question):
                problems.append(f"{answer}: expected {question} beside it, there is none")
        if self.probe and not self.probe_reply:
            problems.append("probe: expected probe_reply beside it: a question without an answer says nothing")
        for key, numbers in (("modes", self.modes), ("keys", self.keys)):
            if len(set(numbers.values())) < len(numbers):
                problems.append(f"{key}: expected a number of its own for each, got {numbers}")
        if problems:
            raise ValueError("; ".join(problems))
        return self


def template_problems(capability: str, options: dict[str, object]) -> list[str]:
    """What is wrong with the options of a profile, each as ``key: expected ..., got ...``."""
    try:
        template = LineTemplate.model_validate(options)
    except ValidationError as error:
        return [
            ".".join(("options", *map(str, item["loc"]))) + _told(item["msg"], item["loc"]) for item in error.errors()
        ]
    return [f"options.{problem}" for problem in _missing(capability, template)]


def _told(message: str, place: tuple[int | str, ...]) -> str:
    """A mistake of the whole template says its place itself."""
    words = message.removeprefix("Value error, ")
    return f": {words}" if place else f".{words}"


def _missing(capability: str, template: LineTemplate) -> list[str]:
    if capability not in NEEDED:
        return [f"capability: expected one of {', '.join(NEEDED)} for a line template, got {capability!r}"]
    needed = NEEDED[capability]
    problems = [f"{role}: expected a frame, a {capability} needs it" for role in needed if not getattr(template, role)]
    if template.event and "key" not in _values(template.event):
        problems.append("event: expected a field with the value key")
    problems += _names("keys", template.keys, KEYS[capability], bool(template.event))
    shows_mode = "mode" in _values(template.show)
    problems += _names("modes", template.modes, MODES if shows_mode else (), shows_mode)
    frames = [getattr(template, role) for role in (*SENT, *RECEIVED)]
    if template.unit is None and any("unit" in _values(frame) for frame in frames):
        problems.append("unit: expected an address, a frame has a field for it")
    return problems


def _values(frame: Frame) -> set[str]:
    return {part.value for part in frame if isinstance(part, Number | Text)}


def _names(key: str, numbers: dict[str, int], known: tuple[str, ...], needed: bool) -> list[str]:
    if unknown := sorted(set(numbers) - set(known)):
        return [f"{key}: expected some of {', '.join(known) or 'nothing'}, got {', '.join(unknown)}"]
    return [f"{key}: expected the numbers of {', '.join(known)}"] if needed and not numbers else []


def _problems(role: str, frame: Frame) -> list[str]:
    if not frame:
        return []
    problems = []
    if not isinstance(frame[0], Constant):
        problems.append(f"{role}.0: expected a constant: a frame is found by its beginning")
    labels = [part.label for part in frame if part.label]
    labels += [part.value for part in frame if isinstance(part, Number | Text) and part.name]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    problems += [f"{role}: expected each name once, got {label!r} twice" for label in twice]
    for at, part in enumerate(frame):
        if isinstance(part, Number | Text):
            problems += _value_problems(role, at, part)
        if isinstance(part, Length | Checksum):
            problems += _span_problems(f"{role}.{at}.span", frame, at, part)
    if not problems:
        problems += _free_text(role, frame)
    if frame_size(frame) > LONGEST - 64:
        problems.append(f"{role}: expected at most {LONGEST - 64} bytes beside its text, got {frame_size(frame)}")
    return problems


def _value_problems(role: str, at: int, part: Number | Text) -> list[str]:
    if part.value not in VALUES[role]:
        return [f"{role}.{at}.value: expected one of {', '.join(VALUES[role])}, got {part.value!r}"]
    if isinstance(part, Text) != (part.value in TEXTS):
        return [f"{role}.{at}: expected {'a text' if part.value in TEXTS else 'a number'} for {part.value!r}"]
    return []


def _span_problems(place: str, frame: Frame, at: int, part: Length | Checksum) -> list[str]:
    labels = [other.label for other in frame]
    missing = [end for end in part.span if not end or end not in labels]
    if missing:
        known = ", ".join(label for label in labels if label)
        return [f"{place}: expected names of fields ({known}), got {', '.join(map(repr, missing))}"]
    span = span_of(frame, part.span)
    if not span:
        return [f"{place}: expected the first field before the last, got {part.span[0]} behind {part.span[1]}"]
    later = [frame[n] for n in span if n >= at]
    if isinstance(part, Checksum) and later:
        return [f"{place}: expected fields before the checksum itself"]
    most = sum(part_size(frame[n]) or getattr(frame[n], "longest", 0) for n in span)
    if isinstance(part, Length) and most >= 256**part.width:
        return [f"{place}: expected at most {256**part.width - 1} bytes, got up to {most}"]
    return []


def _free_text(role: str, frame: Frame) -> list[str]:
    """A text without a width must end where a length says, or before a byte that no text holds."""
    free = [at for at, part in enumerate(frame) if isinstance(part, Text) and part.width == 0]
    if len(free) > 1:
        return [f"{role}: expected one text without a width, got {len(free)}: nobody could tell where the first ends"]
    for at in free:
        if length_before(frame, at) is None and terminator_behind(frame, at) is None:
            return [
                f"{role}.{at}: expected a width, a length before it, or a constant behind it that begins with a byte "
                "below 20 hex: nobody could tell where the text ends"
            ]
    return []


def _alike(first: str, one: Frame, second: str, other: Frame) -> list[str]:
    if one == other or _differ(one, other):
        return []
    return [f"{second}: expected a constant that differs from {first} at the same place: nobody could tell them apart"]


def _differ(one: Frame, other: Frame) -> bool:
    ours, theirs = dict(_constants(one)), dict(_constants(other))
    return any(ours[at] != theirs[at] for at in ours.keys() & theirs.keys())


def _constants(frame: Frame) -> set[tuple[int, int]]:
    """Offset and byte of all constants before a text of free length."""
    found: set[tuple[int, int]] = set()
    offset = 0
    for part in frame:
        if isinstance(part, Text) and part.width == 0:
            break
        if isinstance(part, Constant):
            found |= set(enumerate(part.octets, offset))
        offset += part_size(part)
    return found
