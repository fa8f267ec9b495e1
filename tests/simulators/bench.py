"""A device on the bench: talk to it in hex, with a clock that only the test moves."""

from typing import Any

from device_profiles.catalog import load_catalog
from simulators.people import People
from simulators.peripherals import build_peer
from simulators.peripherals.peer import Peer

SEED = 7
CATALOG = load_catalog()


class Bench:
    """One device; ``say`` returns the bytes of all answers, in the order in which they would be sent."""

    def __init__(self, profile_id: str, shared: dict[str, Any] | None = None, **options: Any) -> None:
        self.shared = {"people": People(SEED)} if shared is None else shared
        profile = CATALOG.peripheral(profile_id)
        changed = profile.model_copy(update={"options": {**profile.options, **options}})
        self.peer: Peer = build_peer(changed, SEED, self.shared)
        self.now = 0.0

    def say(self, text: str) -> str:
        """Send hex, wait until every answer has come, and return the answers in hex."""
        return self.send(bytes.fromhex(text))

    def send(self, data: bytes) -> str:
        """The same with bytes."""
        return self._collect(self.peer.receive(data, self.now))

    def drip(self, data: bytes) -> str:
        """Send byte by byte, a millisecond apart."""
        sent = []
        for byte in data:
            self.now += 0.001
            sent += self.peer.receive(bytes((byte,)), self.now)
        return self._collect(sent)

    def press(self, button: str, **arguments: Any) -> Any:
        """Press a button."""
        return self.peer.buttons[button](**arguments)

    def unasked(self) -> str:
        """What the device sends by itself now."""
        return self._collect(self.peer.advance(self.now))

    def see(self) -> dict[str, Any]:
        """What an onlooker sees."""
        return self.peer.snapshot()

    def _collect(self, output: list[tuple[float, bytes]]) -> str:
        in_time = sorted(output, key=lambda one: one[0])
        if in_time:
            assert in_time[0][0] >= self.now, "an answer before its question"
            self.now = max(self.now, in_time[-1][0])
        return spaced(b"".join(data for _, data in in_time))


def spaced(data: bytes) -> str:
    """Hex as the documents print it."""
    return data.hex(" ").upper()
