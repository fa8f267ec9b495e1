"""What flows need of others; ``cloud.wiring`` brings them together."""

from collections.abc import Mapping
from typing import Any, Protocol

from cloud.flows.model import Answer
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
        flow_id: str | None = None,
    ) -> str:
        """Queue a command and return its id; the same key gives the same id and sends nothing again."""
        ...


class StatusReader(Protocol):
    """Knows the present status of peripherals."""

    def status_now(self, tx: Tx, machine: str, slot: str) -> Mapping[str, Any] | None:
        """The slot's last status, None while the machine or the peripheral is not online."""
        ...


class Vault(Protocol):
    """Holds the private key that personal values are sealed to."""

    def unseal(self, sealed: str) -> Mapping[str, str]:
        """Open a sealed value. Raises MessageError when it is damaged."""
        ...


class Departments(Protocol):
    """The back offices."""

    async def call(self, operation: str, body: Mapping[str, str | int], attempt: int) -> Answer:
        """One attempt (from 0). Answers ``again`` when nobody knows what came of it; the same key is done once."""
        ...
