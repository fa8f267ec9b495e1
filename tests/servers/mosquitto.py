"""Debian's MQTT 5 broker: on one loopback listener without certificates, or with the configuration of a fleet."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.parts import find_program
from tests.servers.process import HOST, Server, accepts_connections, free_port, give_to_server, running, server_folder

# The default of 1000 drops acknowledged messages of a burst in silence; a hall's configuration raises it too.
MAX_QUEUED_MESSAGES = 200_000

CONFIGURATION = """\
listener {port} {host}
allow_anonymous true
max_queued_messages {max_queued}
max_inflight_messages 100
persistence true
persistence_location {folder}/
autosave_interval 5
log_dest stdout
log_type error
log_type warning
log_type notice
"""


@dataclass(frozen=True)
class Broker:
    """Where to connect, and the process behind it for tests that end it."""

    host: str
    port: int
    process: Server

    @property
    def url(self) -> str:
        return f"mqtt://{self.host}:{self.port}"


@contextmanager
def serve(*, port: int | None = None, extra_configuration: str = "") -> Iterator[Broker]:
    """A broker of its own; `extra_configuration` is added to the configuration file as it stands."""
    program = find_program("mosquitto")
    chosen = port if port is not None else free_port()
    with server_folder("mosquitto") as folder:
        configuration = folder / "mosquitto.conf"
        text = CONFIGURATION.format(port=chosen, host=HOST, max_queued=MAX_QUEUED_MESSAGES, folder=folder)
        configuration.write_text(text + extra_configuration)
        process = Server(
            name="mosquitto",
            argv=[program, "-c", configuration],
            folder=folder,
            is_ready=lambda: accepts_connections(chosen),
        )
        with running(process):
            yield Broker(HOST, chosen, process)


@contextmanager
def serve_fleet(write: Callable[[Path, int], Path]) -> Iterator[Broker]:
    """A broker with a fleet's own configuration: `write(folder, port)` writes its files and returns the main one."""
    program, port = find_program("mosquitto"), free_port()
    with server_folder("mosquitto") as folder:
        configuration = write(folder, port)
        give_to_server(folder)
        process = Server(
            name="mosquitto",
            argv=[program, "-c", configuration],
            folder=folder,
            is_ready=lambda: accepts_connections(port),
        )
        with running(process):
            (folder / "broker.pid").write_text(f"{process.pid}\n")
            yield Broker(HOST, port, process)
