"""The cloud begins again with yesterday's backup, or with nothing, while machines go on: what is gone has a reason."""

import shutil
import sys
from asyncio.subprocess import create_subprocess_exec
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.chaos.town import Plan, Town, open_town, until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]
FACTS = 600


async def hallfleet_cloud(*words: str | Path) -> None:
    """Run one verb of the cloud to its end."""
    process = await create_subprocess_exec(sys.executable, "-m", "hallfleet", "cloud", *map(str, words))
    assert await process.wait() == 0


def freed(town: Town, machine: str, beyond: int) -> bool:
    """Whether the machine has told, and freed, more than ``beyond`` facts."""
    depth = town.depth(machine) if town.accepted(machine) > beyond else None
    return depth is not None and depth.last_sequence - depth.business - depth.telemetry > beyond


@pytest.mark.parametrize("state", ["yesterday", "nothing"])
async def test_machines_explain_what_the_cloud_had_acknowledged(tmp_path: Path, state: str) -> None:
    plan = Plan(machines=1, facts=FACTS, per_s=25)
    (name,) = plan.names
    async with open_town(tmp_path, plan) as town:
        settings, backup = tmp_path / "cloud.toml", tmp_path / "backup.db"
        await until(lambda: freed(town, name, 50), 60, lambda: "some facts are acknowledged")
        await hallfleet_cloud("backup", "--config", settings, backup)
        saved = town.accepted(name)
        await until(lambda: freed(town, name, saved + 100), 60, lambda: "more facts are acknowledged")
        async with town.cloud.turn:
            assert town.cloud.process is not None
            town.cloud.process.kill()
            await town.cloud.process.wait()
            if state == "yesterday":
                await hallfleet_cloud("restore", "--config", settings, backup)
            else:
                shutil.rmtree(tmp_path / "cloud")
            await town.cloud.start()
        await until(lambda: is_whole(town, name), 90, lambda: f"nothing is missing: {town.depth(name)}")
        ledger: Any = await town.get(f"/api/v1/machines/{name}/ledger")
        (day,) = ledger["days"]
        assert day["freed"] >= 100
        assert day["received"] + day["freed"] == town.depth(name).last_sequence
        assert (await open_alerts(town)) == []


async def is_whole(town: Town, machine: str) -> bool:
    """Whether everything was told and the ledger misses nothing."""
    if town.accepted(machine) < FACTS or not await town.is_ready():
        return False
    ledger: Any = await town.get(f"/api/v1/machines/{machine}/ledger")
    depth = town.depth(machine)
    return bool(ledger["epochs"]) and not ledger["gaps"] and ledger["epochs"][0]["complete_to"] == depth.last_sequence


async def open_alerts(town: Town) -> list[str]:
    """The codes of open alerts about the record."""
    found: Any = await town.get("/api/v1/alerts")
    return [item["code"] for item in found["items"] if item["code"] == "facts_missing" and item["state"] != "closed"]
