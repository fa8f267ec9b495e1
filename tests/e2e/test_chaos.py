"""Machines, cloud, broker and database are killed, stopped, cut off and filled up: nothing is lost or doubled.

A sample of a minute runs with all tests; the whole, 20 machines and 200,000 facts, with ``make soak``. HALLFLEET_SEED
draws other faults.
"""

import os
import time
from pathlib import Path

import pytest

from tests.conftest import require
from tests.e2e.chaos.storm import Storm
from tests.e2e.chaos.town import Plan, Town, open_town, until
from tests.e2e.chaos.verdict import judge

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
SEED = int(os.environ.get("HALLFLEET_SEED", "20261122"))


async def endure(folder: Path, plan: Plan, storm_s: float, drain_s: float) -> None:
    """A storm over the town, then quiet until every outbox is empty; the verdict must be faultless."""
    async with open_town(folder, plan) as town:
        storm = Storm(town, SEED)
        began = time.monotonic()
        await storm.run(storm_s)
        quiet = time.monotonic()
        await until(lambda: all(_is_done(town, name) for name in plan.names), drain_s, lambda: _left(town))
        ended = time.monotonic()
        verdict = await judge(town)
    died = sum(victim.deaths for victim in [*town.machines.values(), town.cloud])
    print(
        f"\nseed {SEED}: {plan.machines} machines, {verdict.accepted} facts and {verdict.sequences} sequences, "
        f"storm {quiet - began:.0f} s, done {ended - quiet:.0f} s later; faults: {dict(storm.faults)}, "
        f"{died} processes gave up and were started again; lost {verdict.lost}, doubled {verdict.doubled}, "
        f"out of order {verdict.out_of_order}, missing {verdict.missing}, uncounted {verdict.uncounted}"
    )
    assert verdict.faultless, verdict.problems
    assert sum(storm.faults.values()) > storm_s / 3


def _is_done(town: Town, machine: str) -> bool:
    if town.accepted(machine) < town.plan.facts:
        return False
    depth = town.depth(machine)
    return depth.business + depth.telemetry == 0


def _left(town: Town) -> str:
    rows = {name: (town.accepted(name), town.depth(name)) for name in town.plan.names if not _is_done(town, name)}
    return f"every outbox is empty; left: {rows}"


@pytest.mark.timeout(300)
async def test_a_minute_of_chaos_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    await endure(tmp_path, Plan(machines=5, facts=1500, per_s=100), storm_s=30, drain_s=120)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("mosquitto", "postgres", "wipe"),
    [
        (False, False, True),  # the embedded broker keeps nothing anyway
        pytest.param(True, True, False, marks=[pytest.mark.mosquitto, pytest.mark.postgres]),
        pytest.param(True, True, True, marks=[pytest.mark.mosquitto, pytest.mark.postgres]),
    ],
    ids=["embedded-sqlite", "mosquitto-postgres", "mosquitto-wiped-postgres"],
)
async def test_the_whole_of_it(tmp_path: Path, mosquitto: bool, postgres: bool, wipe: bool) -> None:
    for server, wanted in (("mosquitto", mosquitto), ("postgres", postgres)):
        if wanted:
            require(server)
    plan = Plan(machines=20, facts=10_000, per_s=60, mosquitto=mosquitto, postgres=postgres, wipe=wipe)
    await endure(tmp_path, plan, storm_s=float(os.environ.get("HALLFLEET_STORM_S", "180")), drain_s=1800)
