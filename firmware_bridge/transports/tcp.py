"""A device behind a TCP port: a serial server in raw mode, or a device with a network plug of its own."""

import asyncio
import socket
from urllib.parse import urlsplit

from device_profiles.errors import ProfileError
from device_profiles.schema.peripheral import Line, PeripheralProfile
from firmware_bridge.errors import TransportLost
from firmware_bridge.transports._descriptor import STALL_S, DescriptorTransport

CONNECT_S = 5.0
SEND_BUFFER = 64 * 1024  # what the system takes is soon on its way: it does not pile up for a device that has stopped

# A peer that is switched off or cut away says nothing. An idle line asks after 5 s and gives up 6 s later; bytes that
# nobody acknowledges end it after 10 s (Linux, tcp(7)).
_IDLE_S, _INTERVAL_S, _PROBES, _UNACKNOWLEDGED_MS = 5, 2, 3, 10_000


class TcpTransport(DescriptorTransport):
    """One connection. Bytes that the other side does not take in time end it: half a frame cannot be called back."""

    def __init__(self, host: str, port: int, line: Line, stall_s: float = STALL_S) -> None:
        super().__init__(f"{host}:{port}", stall_s)
        self._address = (host, port)
        self._line = line
        self._socket: socket.socket | None = None

    async def _acquire(self) -> int:
        try:
            async with asyncio.timeout(CONNECT_S):
                self._socket = await _connected(*self._address)
        except TimeoutError as error:
            raise TransportLost(f"{self._name}: expected a connection within {CONNECT_S:g} s, none came") from error
        except OSError as error:
            reason = error.strerror or error
            raise TransportLost(f"{self._name}: expected a device or a serial server there, got: {reason}") from error
        return self._socket.fileno()

    def _release(self, fd: int) -> None:
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    def _abandon(self) -> None:
        self._lose("half a frame could not be sent")

    def _wire_s(self, count: int) -> float:
        return count * 11 / self._line.baud  # a serial server passes bytes on no faster than its line


async def _connected(host: str, port: int) -> socket.socket:
    """A connection to the first address of ``host`` that accepts one; raises OSError."""
    loop = asyncio.get_running_loop()
    failed: OSError = OSError(f"no address for {host}")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.setblocking(False)
            _set_up(connection)
            await loop.sock_connect(connection, address)
        except OSError as error:
            connection.close()
            failed = error
        except BaseException:  # cancelled, or out of time
            connection.close()
            raise
        else:
            return connection
    raise failed


def _set_up(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _INTERVAL_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)


def host_and_port(address: str) -> tuple[str, int]:
    """``10.0.0.7:4001`` or ``[fe80::1]:4001``; raises ProfileError."""
    try:
        parts = urlsplit(f"//{address}")
        if parts.hostname and parts.port and parts.netloc == address and "@" not in address:
            return parts.hostname, parts.port
    except ValueError:  # a port that is none
        pass
    raise ProfileError(f"port {address!r}: expected host:port, such as 10.0.0.7:4001 or [fe80::1]:4001")


def open_transport(profile: PeripheralProfile, address: str) -> TcpTransport:
    """A connection to ``host:port``, not open yet."""
    return TcpTransport(*host_and_port(address), profile.line)
