"""HTTP bodies of the twins."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class TwinSide(BaseModel):
    """One side of a twin; ``version`` is also its ETag."""

    model_config = ConfigDict(frozen=True)

    machine: str
    version: int
    values: dict[str, Any]
