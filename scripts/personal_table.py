"""The table of personal data for ``docs/personal-data.md``, from the fields that capabilities mark and the settings."""

from collections.abc import Iterator

from cloud.settings import CloudSettings
from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.model import Shape, personal_fields

_HEAD = """# Personal data

Generated from `device_profiles/capabilities` and `cloud/settings.py` by `python -m scripts.generate_docs`; do not edit.

A field marked personal leaves a machine only sealed to the cloud's key, and as two salted tokens. `0` days mean without
end. How each class ends, and how one person's data end at once: [audit.md](audit.md).
"""
_FIELDS = """## What devices read

Each of these is in the machine's memory while a journey needs it; sealed in the machine's outbox and journal until the
cloud has it; sealed in `commands.output` and `events.data` until those end; and sealed in `case_secrets`, class
`sealed`, at most {days} days (`keep_sealed_days`) and never longer than the case. Never in topics, telemetry, logs,
audit or exports.

| capability | read by | field | what it is |
|---|---|---|---|"""
_DERIVED = """
## What follows from them

| value | where it may be | class | ends after |
|---|---|---|---|"""


def personal_table() -> str:
    """The whole document as Markdown."""
    return "\n".join([_HEAD, *_fields(), *_derived()]) + "\n"


def _fields() -> Iterator[str]:
    yield _FIELDS.format(days=_default("keep_sealed_days"))
    for name, capability in sorted(CAPABILITIES.items()):
        shapes: dict[str, type[Shape]] = {f"command `{one}`": it.output for one, it in capability.commands.items()}
        shapes |= {f"event `{one}`": body for one, body in capability.events.items()}
        for read_by, shape in sorted(shapes.items()):
            for field in sorted(personal_fields(shape)):
                description = shape.model_fields[field].description or field.replace("_", " ")
                yield f"| {name} | {read_by} | `{field}` | {description} |"


def _derived() -> Iterator[str]:
    yield _DERIVED
    rows = (
        ("`subject`: token of a document's number", "`tickets.subject`", "subjects", "keep_subjects_days"),
        ("`subject`, `holder` (token of name and birth date)", "`cases.data`", "cases", "keep_cases_days"),
        ("a citizen's journey: item, steps, ends, receipts", "`cases`, `case_effects`, `department_calls`", "cases",
         "keep_cases_days"),
        ("messages that did not parse, up to 4 KiB", "`quarantine.payload`", "quarantine", "keep_quarantine_days"),
        ("who of the staff did what: an account's id", "`audit_entries.actor`", "audit", "keep_audit_days"),
    )  # fmt: skip
    for value, where, kind, setting in rows:
        yield f"| {value} | {where} | {kind} | {_default(setting)} days (`{setting}`) |"


def _default(setting: str) -> int:
    return int(CloudSettings.model_fields[setting].default)
