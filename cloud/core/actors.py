"""Who does something: a person, a program with a token, a machine, or the cloud itself."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Actor:
    """``id`` names it among its kind: an account, a token, a machine, or the part of the cloud that acts."""

    kind: Literal["person", "token", "machine", "system"]
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


SYSTEM = Actor("system", "cloud")
CURRENT: ContextVar[Actor] = ContextVar("hallfleet_actor", default=SYSTEM)
"""On whose behalf the present task works; ``Database.write`` takes it along into the unit of work."""
