"""Serve an application on loopback beside other work of the same event loop."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from simulators.errors import SimulatorError


class _Server(uvicorn.Server):
    """Leaves the signals to the process that it is part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(app: FastAPI, port: int, stop: asyncio.Event) -> None:
    """Serve on 127.0.0.1 until ``stop`` is set; requests that hang then are cut off after a second.

    Raises SimulatorError when the port is taken.
    """
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="warning", ws="none", timeout_graceful_shutdown=1
    )
    server = _Server(config)
    with listen(port) as listening:
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(server.serve(sockets=[listening]))
            stopping = group.create_task(stop.wait())
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            stop.set()


def listen(port: int) -> socket.socket:
    """Take a port of this computer (0: any free one). Raises SimulatorError when it is taken."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise SimulatorError(f"port: expected a free one, 127.0.0.1:{port} says: {error.strerror}") from error
