"""What the queue needs of others; ``cloud.wiring`` brings them together."""

from collections.abc import Mapping
from typing import Any, Protocol

from cloud.storage.unit_of_work import Tx


class CommandSender(Protocol):
    """Sends commands to machines, once per key."""

    def send(
        self,
        tx: Tx,
        machine: str,
        slot: str,
        name: str,
        args: Mapping[str, Any],
        *,
        start_in_s: float,
        run_for_s: float,
        key: str,
    ) -> str:
        """Queue a command; the same key gives the same id and sends nothing again."""
        ...


class DesiredWriter(Protocol):
    """Says what the cloud wants of a machine."""

    def set_desired(self, tx: Tx, machine: str, patch: Mapping[str, Any]) -> object:
        """Replace the named values of the machine's desired twin."""
        ...
