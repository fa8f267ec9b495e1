"""Who may speak: the revoked machines in memory, asked for every message."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

from cloud.core.clock import from_ms
from device_profiles.errors import MessageError

M_co = TypeVar("M_co", covariant=True)


class Machines(Protocol[M_co]):
    """The machines of this cloud."""

    def find(self, machine: str) -> M_co | None:
        """The machine with this id, None when there is none."""
        ...


class Admission:
    """Which machines are kept out, and since when (ms)."""

    def __init__(self) -> None:
        self.revoked: Mapping[str, int] = {}

    def shut_out(self, machine: str, since_ms: int) -> None:
        """From now on nothing that ``machine`` says counts."""
        self.revoked = {**self.revoked, machine: since_ms}

    def let_in(self, machine: str) -> None:
        """It was enrolled anew."""
        self.revoked = {name: since for name, since in self.revoked.items() if name != machine}

    def check(self, machine: str) -> None:
        """Raises MessageError for a machine that is kept out."""
        if (since := self.revoked.get(machine)) is not None:
            at = from_ms(since).isoformat(timespec="seconds")
            raise MessageError(f"machine {machine}: revoked since {at}: nothing it says counts; enrol it anew")


class Admitted(Machines[M_co]):
    """The machines that may speak."""

    def __init__(self, machines: Machines[M_co], admission: Admission) -> None:
        self._machines = machines
        self._admission = admission

    def find(self, machine: str) -> M_co | None:
        """The machine with this id, None when there is none. Raises MessageError for one that is kept out."""
        self._admission.check(machine)
        return self._machines.find(machine)
