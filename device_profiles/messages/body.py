"""How every message body is read and written: unknown fields are ignored when read, forbidden when written."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, NoReturn, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import PydanticSerializationError

from device_profiles.errors import MessageError

MAX_BODY_BYTES = 64 * 1024
MAX_INTEGER = 2**63 - 1
_BRACKETS_OF_A_BATCH = 2
# Only bodies that show one of these can hold a value that JSON allows and databases refuse; only they are read twice.
# Words are looked for one by one: in one pattern with the numbers they took eight times as long.
_SUSPICIOUS_WORDS = (b"NaN", b"Infinity", b"\\u0000")
_SUSPICIOUS_NUMBER = re.compile(rb"[0-9](?:[eE]\+?[0-9]{3}|[0-9]{18})")

Read = TypeVar("Read")
Model = TypeVar("Model", bound=BaseModel)


def _in_utc(value: datetime) -> datetime:
    offset = value.utcoffset()
    if offset is None or offset.total_seconds() != 0:
        raise ValueError("expected UTC")
    return value


def _written_as_a_time(value: object) -> object:
    # Read here, since pydantic would take a text of digits as seconds since 1970.
    if not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("expected a time such as 2026-03-02T01:00:00Z") from None


UtcTime = Annotated[datetime, BeforeValidator(_written_as_a_time), AfterValidator(_in_utc)]


class Body(BaseModel):
    """Base of all MQTT bodies: JSON in UTF-8, at most 64 KiB. Writers are strict, readers ignore unknown fields."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, ser_json_inf_nan="constants", validate_by_name=True
    )

    def to_bytes(self) -> bytes:
        """The body as it goes on the wire. Raises MessageError when a reader would refuse it."""
        try:
            payload = self.model_dump_json(exclude_none=True, by_alias=True).encode()
        except PydanticSerializationError as error:
            raise MessageError(f"{type(self).__name__}: expected values that JSON can hold: {error}") from error
        limit = MAX_BODY_BYTES - _BRACKETS_OF_A_BATCH
        if len(payload) > limit:
            raise MessageError(f"{type(self).__name__}: expected at most {limit} bytes, got {len(payload)}")
        check_values(payload)
        return payload

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """Read a body. Raises MessageError that names the first wrong field, never what it held."""
        return read_json(cls.__name__, payload, lambda raw: cls.model_validate_json(raw, strict=True, extra="ignore"))


def read_json(what: str, payload: bytes, validate: Callable[[bytes], Read]) -> Read:
    """Validate a payload after checking its size and values. Raises MessageError that begins with ``what``."""
    if len(payload) > MAX_BODY_BYTES:
        raise MessageError(f"{what}: expected at most {MAX_BODY_BYTES} bytes, got {len(payload)}")
    try:
        value = validate(payload)
    except ValidationError as error:
        raise MessageError(f"{what}: {first_problem(error)}") from error
    check_values(payload)
    return value


def read_data(shape: type[Model], data: Mapping[str, Any]) -> Model:
    """The typed view of an envelope's ``data``; unknown fields are ignored. Raises MessageError."""
    try:
        return shape.model_validate(dict(data), extra="ignore")
    except ValidationError as error:
        raise MessageError(f"{shape.__name__}: {first_problem(error)}") from error


def first_problem(error: ValidationError) -> str:
    """The first problem as one line: where, what was wrong, how many more. Never the offending value."""
    problems = error.errors(include_url=False, include_input=False)
    place = ".".join(str(part) for part in problems[0]["loc"]) or "body"
    more = f" (+{len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{place}: {problems[0]['msg']}{more}"


def check_values(payload: bytes) -> None:
    """Refuse what no database keeps: NaN, infinite numbers, integers over 64 bits, U+0000. ``payload`` is JSON."""
    if not (any(word in payload for word in _SUSPICIOUS_WORDS) or _SUSPICIOUS_NUMBER.search(payload)):
        return
    value = json.loads(payload.decode(), parse_constant=_refuse_constant, parse_float=_finite, parse_int=_in_64_bits)
    if any("\0" in text for text in _strings(value)):
        raise MessageError("body: expected text without U+0000")


def _refuse_constant(name: str) -> NoReturn:
    raise MessageError(f"body: expected finite numbers, got {name}")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise MessageError("body: expected numbers that a 64-bit float holds")
    return number


def _in_64_bits(text: str) -> int:
    # The length first: Python refuses to convert thousands of digits.
    if len(text) > len(str(-MAX_INTEGER)) or abs(int(text)) > MAX_INTEGER:
        raise MessageError(f"body: expected integers from -{MAX_INTEGER} to {MAX_INTEGER}")
    return int(text)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, member in value.items():
            yield key
            yield from _strings(member)
    elif isinstance(value, list):
        for member in value:
            yield from _strings(member)
