"""The whole way on a real Mosquitto: enrol, speak, be revoked."""

import time
from pathlib import Path

import pytest

from tests.builders.secure_hall import in_thread, open_secure_hall
from tests.conftest import require

MACHINE = "ticket-1"


@pytest.mark.mosquitto
async def test_a_revoked_machine_is_out_within_seconds(tmp_path: Path) -> None:
    require("mosquitto")
    async with open_secure_hall(tmp_path) as hall:
        have = await hall.enrol(MACHINE)
        client = hall.client(have)
        assert await in_thread(client.connect) == "in"
        began = time.monotonic()
        await hall.revoke(MACHINE)
        ended = await in_thread(client.wait_for_end) - began
        again = hall.client(hall.copy_disk(have))
        refused = await in_thread(again.connect)
        assert refused.startswith("refused")
        print(ended, refused)
        assert ended < 10
