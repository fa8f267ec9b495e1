"""Debian's serial server on a pseudo-terminal: one port with RFC 2217, one raw."""

import os
import pwd
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.parts import find_program
from tests.servers.process import HOST, Server, free_port, running, server_folder, server_user

CONFIGURATION = """\
connection: &telnet
  accepter: telnet(rfc2217),tcp,{host},{telnet}
  connector: serialdev,{device},9600n81,local
connection: &raw
  accepter: tcp,{host},{raw}
  connector: serialdev,{device},9600n81,local
"""


@dataclass(frozen=True)
class Served:
    """Where to connect (one at a time), and the device's side of the port."""

    telnet_port: int
    raw_port: int
    master: int
    slave: int

    def hear(self) -> bytes:
        """What arrived at the device and was not heard yet."""
        try:
            return os.read(self.master, 65536)
        except BlockingIOError:
            return b""

    def baud(self) -> int:
        """The speed that the port is set to."""
        code = termios.tcgetattr(self.slave)[5]
        names = (name for name in dir(termios) if name[:1] == "B" and name[1:].isdigit())
        return {getattr(termios, name): int(name[1:]) for name in names}[code]


def _listening() -> set[int]:
    """TCP ports that somebody listens on. To try one by connecting would take the device for a while."""
    lines = Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]
    fields = (line.split() for line in lines)
    return {int(local.rpartition(":")[2], 16) for _, local, _, state, *_ in fields if state == "0A"}


@contextmanager
def serve() -> Iterator[Served]:
    """A server of its own, with a port that nobody else has."""
    program = find_program("ser2net")
    telnet, raw = free_port(), free_port()
    master, slave = os.openpty()
    try:
        tty.setraw(slave)
        os.set_blocking(master, False)
        os.fchown(slave, pwd.getpwnam(server_user()).pw_uid, -1)
        with server_folder("ser2net") as folder:
            file = folder / "ser2net.yaml"
            file.write_text(CONFIGURATION.format(host=HOST, telnet=telnet, raw=raw, device=os.ttyname(slave)))
            process = Server(
                name="ser2net",
                argv=[program, "-d", "-u", "-c", file],
                folder=folder,
                is_ready=lambda: {telnet, raw} <= _listening(),
            )
            with running(process):
                yield Served(telnet, raw, master, slave)
    finally:
        os.close(master)
        os.close(slave)
