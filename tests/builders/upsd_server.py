"""The simulated NUT server behind a real loopback port; each connection begins without a user, as upsd's do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from simulators.peripherals.nut import Upsd


@asynccontextmanager
async def serve_upsd(peer: Upsd) -> AsyncIterator[int]:
    """The port. One connection at a time is enough for the tests."""

    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        peer.new_connection()
        now = asyncio.get_running_loop().time
        try:
            while not peer.hang_up and (data := await reader.read(4096)):
                writer.write(b"".join(answer for _, answer in peer.receive(data, now())))
                await writer.drain()
        finally:
            writer.close()
            talks.discard(task)

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    for task in list(talks):  # the callers have hung up or will not
        task.cancel()
    await asyncio.gather(*talks, return_exceptions=True)
