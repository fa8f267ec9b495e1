"""The envelope of facts: CloudEvents 1.0 in JSON, alone or as a batch, with ``sequence`` and ``epoch``."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from device_profiles.errors import MessageError
from device_profiles.messages.body import (
    MAX_BODY_BYTES,
    MAX_INTEGER,
    Body,
    UtcTime,
    first_problem,
    read_json,
)

CONTENT_TYPE = "application/cloudevents+json"
BATCH_CONTENT_TYPE = "application/cloudevents-batch+json"
MAX_BATCH_BYTES = MAX_BODY_BYTES
MAX_SEQUENCE = MAX_INTEGER
_SOURCE = r"^/machines/[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?/[a-z0-9_]{1,40}$"


class Envelope(Body):
    """One fact, sample set or result of a machine.

    ``sequence`` counts per machine and epoch, from 1, without gaps.
    """

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(max_length=120)
    source: str = Field(max_length=140, pattern=_SOURCE)
    type: str = Field(max_length=80, pattern=r"^[a-z_]+\.[a-z0-9_]+$")
    time: UtcTime
    datacontenttype: Literal["application/json"] = "application/json"
    sequence: str = Field(pattern=r"^[1-9][0-9]{0,18}$")
    epoch: int = Field(ge=1, le=MAX_SEQUENCE)
    historical: bool = False
    data: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _id_matches(self) -> "Envelope":
        expected = f"{self.machine}/{self.epoch}/{self.sequence}"
        if self.id != expected:
            raise ValueError(f"id: expected {expected}")
        if self.number > MAX_SEQUENCE:
            raise ValueError(f"sequence: expected 1 to {MAX_SEQUENCE}")
        return self

    @property
    def number(self) -> int:
        """The sequence as an integer."""
        return int(self.sequence)

    @property
    def machine(self) -> str:
        """The machine that speaks."""
        return self.source.split("/")[2]

    @property
    def slot(self) -> str:
        """The slot that it speaks of."""
        return self.source.split("/")[3]

    def as_historical(self) -> "Envelope":
        """The same fact, marked as sent late."""
        return self.model_copy(update={"historical": True})


def envelope(
    machine: str, slot: str, fact_type: str, data: dict[str, Any], *, at: datetime, epoch: int, sequence: int
) -> Envelope:
    """Build an envelope. Raises MessageError when a part breaks the contract."""
    try:
        return Envelope(
            id=f"{machine}/{epoch}/{sequence}",
            source=f"/machines/{machine}/{slot}",
            type=fact_type,
            time=at,
            sequence=str(sequence),
            epoch=epoch,
            data=data,
        )
    except ValidationError as error:
        raise MessageError(f"envelope: {first_problem(error)}") from error


_BATCH = TypeAdapter(Annotated[list[Envelope], Field(min_length=1)])


def read_envelopes(payload: bytes) -> list[Envelope]:
    """Read one envelope or a batch of them. Raises MessageError; a batch is accepted whole or not at all."""
    if not payload.lstrip().startswith(b"["):
        return [Envelope.from_bytes(payload)]
    return read_json("batch", payload, lambda raw: _BATCH.validate_json(raw, strict=True, extra="ignore"))


def write_batch(encoded: Iterable[bytes]) -> bytes:
    """Join envelopes that are already encoded into one batch body."""
    return b"[" + b",".join(encoded) + b"]"


def split_batches(encoded: Sequence[bytes], limit: int = MAX_BATCH_BYTES) -> list[list[bytes]]:
    """Group encoded envelopes, in order, so that each batch stays within ``limit`` bytes on the wire.

    Raises MessageError when one envelope alone is too long.
    """
    groups: list[list[bytes]] = []
    size = limit + 1
    for item in encoded:
        if len(item) + 2 > limit:
            raise MessageError(f"envelope: expected at most {limit - 2} bytes, got {len(item)}")
        # The first member comes with two brackets, each further one with a comma.
        if size + len(item) + 1 > limit:
            groups.append([])
            size = 1
        groups[-1].append(item)
        size += len(item) + 1
    return groups


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no spaces: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
