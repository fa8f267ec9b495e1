"""iotcore (rumqttd in Rust) with the settings that make it fit: MQTT 5 only, loopback only, large payloads.

It has no access control, keeps nothing over a restart and holds its log in memory, so real devices never connect to it.
"""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from iotcore import Broker
from iotcore.iotcore import IotCoreBroker

from cloud.core.errors import Invalid, Unavailable

LOOPBACK = "127.0.0.1"
PARENT_POLL_S = 0.5
# One listener, for MQTT 5: a version 3 client would be disconnected by the first message with user properties.
# Segments of the log stay in memory after delivery: 10 of 4 MiB per topic filter instead of 10 of 100.
CONFIGURATION = """\
id = 0

[router]
id = 0
max_connections = 2000
max_outgoing_packet_count = 200
max_segment_size = 4194304
max_segment_count = 10

[v5.1]
name = "hallfleet"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 5000
max_payload_size = 262144
max_inflight_count = 100
dynamic_filters = true
"""


@dataclass(frozen=True, slots=True)
class EmbeddedBroker:
    """Where a running broker listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Its address as settings want it."""
        return f"mqtt://{self.host}:{self.port}"


def configuration(port: int, host: str = LOOPBACK) -> str:
    """The broker's TOML file. Raises Invalid for an address that others can reach."""
    if host != LOOPBACK:
        raise Invalid(f"embedded broker: listens on {LOOPBACK} only since it cannot tell clients apart, got {host}")
    return CONFIGURATION.format(host=host, port=port)


@contextmanager
def running(port: int) -> Iterator[EmbeddedBroker]:
    """A broker in a child process that ends with the block, and with this process however that ends."""
    with tempfile.TemporaryDirectory(prefix="hallfleet-broker-") as folder:
        file = Path(folder) / "broker.toml"
        file.write_text(configuration(port))
        with Broker(config_path=str(file)):
            yield EmbeddedBroker(LOOPBACK, port)


def run_forever(port: int, host: str = LOOPBACK) -> None:
    """Be the broker: returns only by a signal, or by the end of the process that started this one."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml", prefix="hallfleet-broker-") as file:
        file.write(configuration(port, host))
        file.flush()
        broker = IotCoreBroker(config_path=file.name)
        try:
            broker.check_ports()
        except OSError as error:
            raise Unavailable(f"embedded broker: {error}; is another broker running?") from error
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    broker.run_forever()


def _end_with_parent(parent: int) -> None:
    # The broker's own loop is native code that no signal handler of ours reaches.
    nap = threading.Event()
    while os.getppid() == parent:
        nap.wait(PARENT_POLL_S)
    os._exit(0)
