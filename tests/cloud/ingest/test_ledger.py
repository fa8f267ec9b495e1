"""The ledger: what came, what was given up, what is missing, by machine and by the hall's day; gaps that stay open."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cloud.core.clock import SetClock
from cloud.core.facts import Fact
from cloud.ingest.gaps import first_gaps
from cloud.ingest.pipeline import ingest
from cloud.ingest.reading import read_message
from cloud.ingest.store import purge_events
from cloud.ingest.watch import AHEAD_S, ENOUGH, SETTLE_S, ClockWatch, GapWatch
from tests.builders.facts import AT, Sender
from tests.cloud.house import House, open_house

KIOSK = "kiosk-1"
PATIENCE_S = 300.0


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path / "cloud", database_url=database_url, connect=False) as found:
        yield found


async def take(house: House, *messages: tuple[str, bytes], at: Any = AT) -> None:
    register = house.cloud.register
    items = [item for message in messages for item in read_message(*message, register)]
    zones = {hall: ZoneInfo(profile.timezone) for hall, profile in register.halls.items()}
    await house.cloud.db.write(partial(ingest, items=items, now=at, zones=zones))


async def ledger(house: House) -> dict[str, Any]:
    found: dict[str, Any] = (await house.get(f"/machines/{KIOSK}/ledger")).json()
    return found


def given_up(sender: Sender, first: int, last: int, lane: str = "telemetry") -> tuple[str, bytes]:
    told = {"lane": lane, "from_sequence": first, "to_sequence": last, "reason": "full"}
    return sender.event("agent.dropped", told)


def day(**counts: int | str) -> dict[str, Any]:
    nothing = dict.fromkeys(
        ("received", "dropped", "dropped_telemetry", "dropped_business", "freed", "quarantined", "missing"), 0
    )
    return {**nothing, **counts}


async def test_a_day_begins_at_midnight_in_the_hall(house: House) -> None:
    kiosk, midnight = Sender(KIOSK), AT.replace(hour=16, minute=0)  # in Shanghai
    await take(house, kiosk.event("agent.noted"), at=midnight - timedelta(seconds=1))
    await take(house, kiosk.event("agent.noted"), at=midnight)
    assert (await ledger(house))["days"] == [day(day="2026-05-04", received=1), day(day="2026-05-05", received=1)]


async def test_what_was_dropped_is_counted_by_class_and_what_is_missing_is_shown(house: House) -> None:
    kiosk = Sender(KIOSK)
    kiosk.sequence = 4
    await take(house, given_up(kiosk, 1, 3), given_up(kiosk, 4, 4, "business"))
    kiosk.sequence = 9
    await take(house, kiosk.event("agent.noted"))
    found = await ledger(house)
    assert found["days"] == [
        day(day="2026-05-04", received=3, dropped=4, dropped_telemetry=3, dropped_business=1, missing=3)
    ]
    assert found["gaps"] == [
        {"epoch": 1, "first": 7, "last": 9, "noticed_at": AT.isoformat().replace("+00:00", "Z"), "open": True}
    ]


async def test_a_gap_that_closes_later_belongs_to_no_day(house: House) -> None:
    kiosk = Sender(KIOSK)
    late = [kiosk.event("agent.noted") for _ in range(2)]
    await take(house, kiosk.event("agent.noted"))
    await take(house, late[0], at=AT + timedelta(days=1))
    found = await ledger(house)
    assert [(one["day"], one["missing"]) for one in found["days"]] == [("2026-05-04", 1), ("2026-05-05", 0)]
    await take(house, late[1], at=AT + timedelta(days=1))
    found = await ledger(house)
    assert ([one["missing"] for one in found["days"]], found["gaps"]) == ([0, 0], [])


async def test_a_cloud_that_was_set_back_learns_what_it_had_acknowledged_and_why_it_is_gone(house: House) -> None:
    """Yesterday's backup knows 1 to 2; the machine was told that 1 to 9 are safe, and freed them."""
    kiosk = Sender(KIOSK)
    await take(house, kiosk.event("agent.noted"), kiosk.event("agent.noted"))
    kiosk.sequence = 9
    await take(house, kiosk.event("agent.noted"))
    assert (await ledger(house))["epochs"][0]["missing"] == 7
    await take(house, kiosk.event("agent.freed", {"from_sequence": 1, "to_sequence": 9}))
    found = await ledger(house)
    assert (found["epochs"][0]["complete_to"], found["epochs"][0]["missing"]) == (11, 0)
    assert found["days"] == [day(day="2026-05-04", received=4, freed=7)]


async def test_a_new_epoch_makes_the_old_gap_one_that_nobody_can_fill(house: House) -> None:
    old = Sender(KIOSK)
    await take(house, old.event("agent.noted", sequence=5), Sender(KIOSK, epoch=2).event("agent.noted"))
    found = await ledger(house)
    assert [(gap["epoch"], gap["open"]) for gap in found["gaps"]] == [(1, False)]


async def test_sums_stay_when_facts_are_forgotten_and_forgotten_facts_do_not_come_back(house: House) -> None:
    kiosk, db = Sender(KIOSK), house.cloud.db
    messages = [kiosk.event("agent.noted") for _ in range(5)]
    await take(house, *messages[:3])
    await take(house, *messages[3:], at=AT + timedelta(days=30))
    before_ms = round((AT + timedelta(days=1)).timestamp() * 1000)
    gone = [await db.write(lambda tx: purge_events(tx.conn, before_ms, 2)) for _ in range(3)]
    assert gone == [2, 1, 0]
    await take(house, *messages)
    events = (await house.get(f"/machines/{KIOSK}/events")).json()["items"]
    assert [item["sequence"] for item in events] == [5, 4]
    assert sum(one["received"] for one in (await ledger(house))["days"]) == 5


class Watched:
    """The watch over gaps, its time, and what it asked for."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.now_s = 0.0
        self.asked: list[tuple[int, int]] = []
        cloud = house.cloud
        self.gaps = GapWatch(
            cloud.db, lambda machine, epoch, gap: self.asked.append(gap), cloud.register.hall_of, cloud.clock,
            cloud.metrics, PATIENCE_S,
        )  # fmt: skip

    async def after(self, seconds: float) -> list[str]:
        """The codes of the alerts that are not closed after so long."""
        self.now_s += seconds
        await self.gaps.look(self.now_s)
        items = (await self.house.get("/alerts")).json()["items"]
        return [item["code"] for item in items if item["state"] != "closed"]


async def test_a_gap_that_stays_open_is_an_alert_that_closes_itself(house: House) -> None:
    kiosk, watched = Sender(KIOSK), Watched(house)
    missing = kiosk.event("agent.noted")
    await take(house, kiosk.event("agent.noted"))
    assert await watched.after(0) == []
    assert watched.asked == [(1, 1)]
    assert await watched.after(PATIENCE_S - 1) == []
    assert await watched.after(1) == ["facts_missing"]
    assert await watched.after(PATIENCE_S) == ["facts_missing"]
    (alert,) = (await house.get("/alerts")).json()["items"]
    assert (alert["count"], alert["machine"], alert["severity"]) == (1, KIOSK, "warning")
    await take(house, missing)
    assert await watched.after(1) == []


async def test_a_gap_that_fills_from_its_beginning_alarms_nobody(house: House) -> None:
    kiosk, watched = Sender(KIOSK), Watched(house)
    backlog = [kiosk.event("agent.noted") for _ in range(5)]
    await take(house, kiosk.event("agent.noted"))
    for message in backlog[:4]:
        assert await watched.after(PATIENCE_S - 1) == []
        await take(house, message)
    assert await watched.after(PATIENCE_S - 1) == []


async def test_an_explained_gap_closes_its_alert_also_after_a_restart_of_the_cloud(house: House) -> None:
    kiosk = Sender(KIOSK)
    kiosk.sequence = 3
    await take(house, kiosk.event("agent.noted"))
    watched = Watched(house)
    await watched.after(0)
    assert await watched.after(PATIENCE_S) == ["facts_missing"]
    await take(house, given_up(kiosk, 1, 3))
    assert await Watched(house).after(0) == []
    assert await house.cloud.db.read(first_gaps) == []


class Clocks:
    """The watch over clocks, its time, and what it told."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.now_s = 0.0
        self.clock = SetClock(AT)
        self.watch = ClockWatch(house.cloud.db, house.cloud.register.hall_of, self.clock, house.cloud.metrics)

    async def says(self, machine: str, ahead_s: float, after_s: float = 1.0, historical: bool = False) -> list[str]:
        """A machine says something; who has an alert then."""
        self.now_s += after_s
        at = AT + timedelta(seconds=ahead_s)
        self.watch.note([Fact("agent.noted", at, {}, machine, sequence=1, historical=historical)], self.now_s)
        await self.watch.look(self.now_s)
        items = (await self.house.get("/alerts")).json()["items"]
        return [item["machine"] for item in items if item["state"] != "closed" and item["code"] == "clock_wrong"]


YEAR_S = 365 * 86_400.0


async def test_a_clock_a_year_ahead_is_an_alert_until_it_is_right(house: House) -> None:
    clocks = Clocks(house)
    assert await clocks.says(KIOSK, AHEAD_S) == []
    assert await clocks.says(KIOSK, YEAR_S) == [KIOSK]
    assert await clocks.says(KIOSK, 1.0) == []


async def test_a_clock_a_year_behind_must_stay_so_before_it_is_an_alert(house: House) -> None:
    clocks = Clocks(house)
    assert await clocks.says(KIOSK, -YEAR_S) == []
    assert await clocks.says(KIOSK, -5.0) == []  # it had been long under way
    assert await clocks.says(KIOSK, -YEAR_S) == []
    assert await clocks.says(KIOSK, -YEAR_S, after_s=SETTLE_S) == [KIOSK]


async def test_history_says_nothing_of_a_clock(house: House) -> None:
    assert await Clocks(house).says(KIOSK, -YEAR_S, after_s=2 * SETTLE_S, historical=True) == []


@pytest.mark.parametrize("ahead_s", [YEAR_S, -YEAR_S])
async def test_when_most_machines_differ_it_is_our_own_clock(
    house: House, ahead_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    clocks = Clocks(house)
    machines = list(house.cloud.register.machines)[:ENOUGH]
    now = [Fact("agent.noted", AT + timedelta(seconds=ahead_s), {}, machine, sequence=1) for machine in machines]
    clocks.watch.note(now, 0.0)
    for later in (0.0, SETTLE_S, 2 * SETTLE_S):
        await clocks.watch.look(later)
    assert (await house.get("/alerts")).json()["items"] == []
    assert caplog.text.count("set the clock of this computer") == 1
    clocks.watch.note([Fact("agent.noted", AT, {}, machine, sequence=2) for machine in machines[1:]], 2 * SETTLE_S)
    await clocks.watch.look(2 * SETTLE_S)
    expected = [machines[0]]
    assert [item["machine"] for item in (await house.get("/alerts")).json()["items"]] == expected


async def test_facts_of_a_wrong_clock_are_marked_and_stay_in_order(house: House) -> None:
    kiosk = Sender(KIOSK)
    facts = [kiosk.envelope("agent.noted").model_copy(update={"time": AT + timedelta(days=days)}) for days in (366, 0)]
    await take(house, kiosk.batch(*facts))
    events = (await house.get(f"/machines/{KIOSK}/events")).json()["items"]
    assert [(item["sequence"], item["time_doubtful"]) for item in events] == [(2, False), (1, True)]
