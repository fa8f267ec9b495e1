"""The yardstick: the same broker, client and batch insert as the cloud's ingest, and nothing else."""

import asyncio
import json
import sys
from typing import Any

from gmqtt import Client

from cloud.ingest.store import EVENTS, append_events
from cloud.storage.engine import create_engine
from device_profiles.messages.command import Ack
from device_profiles.messages.topics import Down, Topic, ingest_filter


class Bare:
    """Takes what arrived while the last commit ran, inserts it, acknowledges to the broker and to the machines."""

    def __init__(self, database_url: str) -> None:
        self._engine = create_engine(database_url)
        EVENTS.create(self._engine, checkfirst=True)
        self._waiting: list[tuple[dict[str, Any], asyncio.Future[None]]] = []
        self._filled = asyncio.Event()

    async def receive(self, _client: Client, _topic: str, payload: bytes, *_rest: object) -> int:
        body = json.loads(payload)
        row = {
            "machine": body["source"].split("/")[2],
            "epoch": body["epoch"],
            "sequence": int(body["sequence"]),
            "slot": "display",
            "type": body["type"],
            "at_ms": 0,
            "received_ms": 0,
            "historical": False,
            "data": body["data"],
        }
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, future))
        self._filled.set()
        await future
        return 0

    async def run(self, client: Client) -> None:
        """Commit batch after batch."""
        loop = asyncio.get_running_loop()
        while True:
            await self._filled.wait()
            self._filled.clear()
            batch, self._waiting = self._waiting, []
            rows = [row for row, _ in batch]
            await loop.run_in_executor(None, self._commit, rows)
            for _, future in batch:
                future.set_result(None)
            for machine in {row["machine"] for row in rows}:
                newest = max(row["sequence"] for row in rows if row["machine"] == machine)
                client.publish(str(Topic(machine, Down.ACK)), Ack(epoch=1, sequence=newest).to_bytes(), qos=1)

    def _commit(self, rows: list[dict[str, Any]]) -> None:
        with self._engine.begin() as connection:
            append_events(connection, rows)


async def main(port: int, database_url: str) -> None:
    """Consume until killed."""
    client = Client("bench-bare", clean_session=False, session_expiry_interval=86400, optimistic_acknowledgement=False)
    bare = Bare(database_url)
    client.on_message = bare.receive
    await client.connect("127.0.0.1", port)
    client.subscribe(ingest_filter(), qos=1)
    print("ready", flush=True)
    await bare.run(client)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
