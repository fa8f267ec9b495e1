"""How every message body is read and written: unknown fields are ignored when read and forbidden when written."""

from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from device_profiles.errors import MessageError


class Body(BaseModel):
    """Base of all MQTT bodies: JSON in UTF-8. Writers are checked (``extra=forbid``), readers are lenient (MSG-03)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_bytes(self) -> bytes:
        """The body as it goes on the wire."""
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """Read a body. Raises MessageError that names the first wrong field and what it held."""
        try:
            return cls.model_validate_json(payload, extra="ignore")
        except ValidationError as error:
            raise MessageError(f"{cls.__name__}: {first_problem(error)}") from error


def first_problem(error: ValidationError) -> str:
    """The first validation problem as one line: where, what was wrong, how many more. Never the offending value."""
    problems = error.errors(include_url=False, include_input=False)
    place = ".".join(str(part) for part in problems[0]["loc"]) or "body"
    more = f" (+{len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{place}: {problems[0]['msg']}{more}"
