"""Faults open alerts and good values close them, on both databases."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cloud.alerts import store
from cloud.alerts.model import Alert, AlertState, Severity, Who
from cloud.alerts.states import ENDS, FIRST, TRANSITIONS, AlertStep
from cloud.alerts.states.advice import WHO, advice_for, who_acts
from cloud.core.clock import SetClock
from cloud.core.errors import Conflict, NotFound
from cloud.core.facts import Fact
from cloud.wiring import Cloud
from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.model import DEVICE_FAULTS, Action
from device_profiles.messages.facts import status_fact
from tests.builders.clouds import MORNING, come_online, open_cloud, tell

MACHINE = "ticket-1"


@pytest.fixture
def clock() -> SetClock:
    return SetClock(MORNING)


@pytest.fixture
async def cloud(database_url: str, tmp_path: Path, clock: SetClock) -> AsyncIterator[Cloud]:
    async with open_cloud(database_url, tmp_path / "cloud", clock) as opened:
        yield opened


async def report(cloud: Cloud, field: str, value: str, previous: str = "full") -> Fact:
    fact_type, change = status_fact(CAPABILITIES["printer"], field, value, previous)
    return await tell(cloud, MACHINE, fact_type, change.model_dump(exclude_none=True), "printer")


async def alerts(cloud: Cloud, active: bool = False) -> list[Alert]:
    return list(await cloud.db.read(lambda conn: store.listed(conn, {}, active, None, 100)))


async def test_a_fault_opens_one_alert_that_says_who_must_act(cloud: Cloud) -> None:
    fact = await report(cloud, "paper", "out")
    (alert,) = await alerts(cloud)
    assert (alert.machine, alert.slot, alert.field) == (MACHINE, "printer", "paper")
    assert (alert.code, alert.action, alert.who, alert.severity) == (
        "paper_out", "clear", Who.HALL_STAFF, Severity.FAULT,
    )  # fmt: skip
    assert (alert.hall, alert.opened_by) == ("demo-hall", f"{MACHINE}/1/{fact.sequence}")


async def test_repeated_faults_are_counted_and_a_worse_one_opens_it_again(cloud: Cloud) -> None:
    await report(cloud, "paper", "low")
    (alert,) = await alerts(cloud)
    assert (alert.severity, alert.count) == (Severity.WARNING, 1)
    await cloud.db.write(lambda tx: cloud.alerts.acknowledge(tx, alert.alert_id))
    await report(cloud, "paper", "low")
    await report(cloud, "paper", "out", "low")
    (alert,) = await alerts(cloud)
    assert (alert.code, alert.count, alert.state) == ("paper_out", 3, AlertState.OPEN)


async def test_the_good_value_closes_it_with_its_evidence(cloud: Cloud, clock: SetClock) -> None:
    await report(cloud, "paper", "out")
    await report(cloud, "cover", "open", "closed")
    clock.advance(5)
    fact = await report(cloud, "paper", "full", "out")
    closed = [alert for alert in await alerts(cloud) if alert.state is AlertState.CLOSED]
    assert [(alert.field, alert.evidence) for alert in closed] == [("paper", f"{MACHINE}/1/{fact.sequence}")]
    await report(cloud, "paper", "out")
    assert len(await alerts(cloud)) == 3, "the next fault is a new alert"


async def test_a_device_that_is_only_being_tried_again_closes_nothing(cloud: Cloud) -> None:
    await report(cloud, "device", "offline", "online")
    await report(cloud, "device", "starting", "offline")
    assert [alert.state for alert in await alerts(cloud)] == [AlertState.OPEN]
    await report(cloud, "device", "online", "starting")
    assert [alert.state for alert in await alerts(cloud)] == [AlertState.CLOSED]


async def test_events_that_are_no_change_of_status_open_nothing(cloud: Cloud) -> None:
    await tell(cloud, "counter-1", "evaluator.rated", {"grade": 5, "subject": ""}, "pad")
    assert await alerts(cloud) == []


async def test_a_person_cannot_resolve_what_the_device_still_reports(cloud: Cloud) -> None:
    await report(cloud, "paper", "out")
    (alert,) = await alerts(cloud)
    with pytest.raises(Conflict, match="ticket-1/printer still reports paper_out"):
        await cloud.db.write(lambda tx: cloud.alerts.resolve(tx, alert.alert_id))
    values = {"printer": {"device": "online", "paper": "full"}}
    await tell(cloud, MACHINE, "machine.reported", {"version": 1, "values": values})
    resolved = await cloud.db.write(lambda tx: cloud.alerts.resolve(tx, alert.alert_id))
    assert (resolved.state, resolved.evidence) == (AlertState.CLOSED, "person")
    with pytest.raises(Conflict, match="alert is closed"):
        await cloud.db.write(lambda tx: cloud.alerts.resolve(tx, alert.alert_id))
    with pytest.raises(NotFound):
        await cloud.db.write(lambda tx: cloud.alerts.resolve(tx, "no-such"))


async def test_a_shelved_alert_comes_back_by_itself(cloud: Cloud, clock: SetClock) -> None:
    await report(cloud, "paper", "out")
    (alert,) = await alerts(cloud)
    await cloud.db.write(lambda tx: cloud.alerts.shelve(tx, alert.alert_id, 60))
    for seconds, state in ((59, AlertState.SHELVED), (1, AlertState.OPEN)):
        clock.advance(seconds)
        await cloud.db.write(cloud.alerts.look_at_clock)
        assert [one.state for one in await alerts(cloud)] == [state]


async def test_a_machine_that_stays_away_opens_an_alert_and_its_return_closes_it(cloud: Cloud, clock: SetClock) -> None:
    await come_online(cloud, MACHINE)
    await come_online(cloud, MACHINE, "offline")
    clock.advance(29)
    await cloud.db.write(cloud.alerts.look_at_clock)
    assert await alerts(cloud) == []
    clock.advance(1)
    for _ in range(2):
        await cloud.db.write(cloud.alerts.look_at_clock)
    (alert,) = await alerts(cloud)
    assert (alert.code, alert.slot, alert.who) == ("machine_offline", "agent", Who.CREW)
    with pytest.raises(Conflict, match="still reports machine_offline"):
        await cloud.db.write(lambda tx: cloud.alerts.resolve(tx, alert.alert_id))
    await come_online(cloud, MACHINE)
    (alert,) = await alerts(cloud)
    assert alert.state is AlertState.CLOSED
    assert alert.evidence


async def test_a_short_absence_opens_nothing(cloud: Cloud, clock: SetClock) -> None:
    for state in ("online", "offline", "online"):
        await come_online(cloud, MACHINE, state)
    clock.advance(3600)
    await cloud.db.write(cloud.alerts.look_at_clock)
    assert await alerts(cloud) == []


def test_every_state_is_reached_and_left() -> None:
    assert {FIRST} | set(TRANSITIONS.values()) == set(AlertState)
    assert {state for state, _ in TRANSITIONS} == set(AlertState) - ENDS
    assert {step for _, step in TRANSITIONS} == set(AlertStep)


def test_every_action_has_somebody_and_every_known_fault_a_sentence_of_its_own() -> None:
    assert set(WHO) == set(Action)
    faults = [fault for capability in CAPABILITIES.values() for fault in capability.faults.values()]
    for fault in (*faults, *DEVICE_FAULTS.values()):
        who = who_acts(fault.action)
        assert advice_for(fault.code, who) != advice_for("no-such-code", who), fault.code
