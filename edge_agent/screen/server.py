"""Serves the screen on loopback with uvicorn's protocol, without uvicorn's own loop, which wakes ten times a second."""

import asyncio
from typing import Any

from edge_agent.errors import AgentError

HOST = "127.0.0.1"
GOODBYE_S = 0.5


async def serve(application: Any, port: int) -> None:
    """Serve until cancelled. Raises AgentError when the port is taken."""
    from uvicorn.config import Config  # here: a machine without a screen does not load it
    from uvicorn.protocols.http.h11_impl import H11Protocol
    from uvicorn.server import ServerState

    config = Config(application, log_config=None, access_log=False, http="h11", ws="none", lifespan="off")
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(lambda: H11Protocol(config, state, {}), HOST, port)
    except OSError as error:
        raise AgentError(f"screen_port: expected a free port, {HOST}:{port} says: {error.strerror}") from error
    try:
        await server.serve_forever()
    finally:
        server.close()
        await _say_goodbye(state)


async def _say_goodbye(state: Any) -> None:
    """Let what is being answered finish; streams never do, so they are cancelled."""
    for connection in list(state.connections):
        connection.shutdown()
    if tasks := set(state.tasks):
        _, late = await asyncio.wait(tasks, timeout=GOODBYE_S)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
