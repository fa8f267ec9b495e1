"""A serial server of our own for the tests, written from RFC 854 and RFC 2217 and not from our codec.

It answers every request, as the RFC asks. ``raw`` leaves telnet out: what a serial server does on its plain port.
"""

import asyncio
import os
import socket
from collections.abc import Mapping

IAC, SB, SE, WILL, WONT, DO, DONT = 255, 250, 240, 251, 252, 253, 254
BINARY, ECHO, GO_AHEAD, COM_PORT = 0, 1, 3, 44


class SerialServer:
    """One listener, one connection at a time; ``heard`` is what arrived at the port, ``settings`` what was set."""

    def __init__(self, raw: bool = False, answers: Mapping[int, bytes] | None = None, speaks_2217: bool = True) -> None:
        self.heard = bytearray()
        self.settings: dict[int, bytes] = {}
        self.controls: list[int] = []
        self.reading = True
        self._raw, self._answers, self._speaks_2217 = raw, dict(answers or {}), speaks_2217
        self._state, self._command = "data", bytearray()
        self._connection: socket.socket | None = None
        self._listener: socket.socket | None = None
        self.port = 0

    def plug(self) -> None:
        """Listen, on the same port as before."""
        listener = socket.create_server(("127.0.0.1", self.port), backlog=8)
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self.port = listener.getsockname()[1]
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener, self._accept)

    def unplug(self) -> None:
        """Stop listening and end the connection."""
        for end, listening in ((self._listener, True), (self._connection, False)):
            if end is not None:
                asyncio.get_running_loop().remove_reader(end)
                if not listening:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                end.close()
        self._listener = self._connection = None

    def hang_up(self) -> None:
        """End the connection the polite way: what was said arrives."""
        assert self._connection is not None
        asyncio.get_running_loop().remove_reader(self._connection)
        self._connection.close()
        self._connection = None

    async def say(self, data: bytes) -> None:
        """Bytes that arrive at the port."""
        while self._connection is None:  # noqa: ASYNC110 -- the connection is on its way
            await asyncio.sleep(0)
        wire = data if self._raw else data.replace(b"\xff", b"\xff\xff")
        await asyncio.get_running_loop().sock_sendall(self._connection, wire)

    def say_telnet(self, wire: bytes) -> None:
        """Bytes of the connection itself."""
        assert self._connection is not None
        self._connection.send(wire)

    def stop_reading(self) -> None:
        """From now on nothing is taken off the wire."""
        assert self._connection is not None
        asyncio.get_running_loop().remove_reader(self._connection)

    def _accept(self) -> None:
        assert self._listener is not None
        if self._connection is not None:
            asyncio.get_running_loop().remove_reader(self._connection)
            self._connection.close()
        self._connection, _ = self._listener.accept()
        self._connection.setblocking(False)
        self._state, self._command = "data", bytearray()
        asyncio.get_running_loop().add_reader(self._connection, self._readable)

    def _readable(self) -> None:
        assert self._connection is not None
        try:
            data = os.read(self._connection.fileno(), 65536)
        except ConnectionResetError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._connection)
        elif self._raw:
            self.heard += data
        else:
            for byte in data:
                self._take(byte)

    def _take(self, byte: int) -> None:
        match self._state:
            case "data":
                self._state = "iac" if byte == IAC else "data"
                if byte != IAC:
                    self.heard.append(byte)
            case "iac":
                self._command = bytearray((byte,))
                self._state = {SB: "sub"}.get(byte, "option" if byte in (WILL, WONT, DO, DONT) else "data")
                if byte == IAC:
                    self.heard.append(IAC)
            case "option":
                self._state = "data"
                self._option(self._command[0], byte)
            case "sub":
                self._state = "sub iac" if byte == IAC else "sub"
                if byte != IAC:
                    self._command.append(byte)
            case "sub iac":
                self._state = "data" if byte == SE else "sub"
                if byte == SE:
                    self._set(bytes(self._command[1:]))
                else:
                    self._command.append(byte)

    def _option(self, verb: int, option: int) -> None:
        known = option in (BINARY, GO_AHEAD) or (option == COM_PORT and self._speaks_2217)
        if verb in (WILL, DO):
            self.say_telnet(bytes((IAC, {WILL: (DONT, DO), DO: (WONT, WILL)}[verb][known], option)))

    def _set(self, body: bytes) -> None:
        number, value = body[1], body[2:]
        self.settings[number] = value
        if number == 5:
            self.controls.append(value[0])
        value = self._answers.get(number, value).replace(b"\xff", b"\xff\xff")
        self.say_telnet(bytes((IAC, SB, COM_PORT, number + 100)) + value + bytes((IAC, SE)))
