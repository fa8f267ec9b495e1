"""A hall under pressure, on both databases: one proposal, and what its acceptance changes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cloud.core.clock import SetClock
from cloud.core.errors import Conflict, NotFound
from cloud.dispatch.model import Proposal, ProposalState
from cloud.queues.states import CounterStep
from cloud.wiring import Cloud
from tests.builders.clouds import HALL, MORNING, open_cloud

PRESSED = "exit-entry"


@pytest.fixture
def clock() -> SetClock:
    return SetClock(MORNING)


@pytest.fixture
async def cloud(database_url: str, tmp_path: Path, clock: SetClock) -> AsyncIterator[Cloud]:
    async with open_cloud(database_url, tmp_path / "cloud", clock) as opened:
        for counter in ("c1", "c2", "c3"):
            await opened.db.write(lambda tx, name=counter: opened.queues.counters.turn(tx, name, CounterStep.OPEN))  # type: ignore[misc]
        await issue(opened, PRESSED, 16)
        await opened.db.write(lambda tx: opened.queues.counters.call_next(tx, "c3"))
        yield opened


async def issue(cloud: Cloud, service: str, people: int) -> None:
    for _ in range(people):
        await cloud.db.write(lambda tx: cloud.queues.tickets.issue(tx, HALL, service))


async def look(cloud: Cloud) -> list[Proposal]:
    return await cloud.db.write(lambda tx: cloud.dispatch.look(tx, HALL))


async def newest(cloud: Cloud) -> Proposal:
    found = await cloud.db.read(lambda conn: cloud.dispatch.newest(conn, HALL))
    return found[0]


async def test_pressure_brings_one_proposal(cloud: Cloud) -> None:
    (proposal,) = await look(cloud)
    assert (proposal.counter, proposal.clerk, proposal.to_service) == ("c1", "w1", PRESSED)
    assert proposal.figures["waiting"] == 15
    assert await look(cloud) == []


async def test_acceptance_lets_the_counter_call_from_the_pressed_queue(cloud: Cloud) -> None:
    (proposal,) = await look(cloud)
    accepted = await cloud.db.write(lambda tx: cloud.dispatch.accept(tx, proposal.proposal_id))
    assert accepted.state is ProposalState.ACCEPTED
    counter, ticket = await cloud.db.write(lambda tx: cloud.queues.counters.call_next(tx, "c1"))
    assert (ticket.service, counter.services) == (PRESSED, (PRESSED, "household"))
    with pytest.raises(Conflict, match="proposal is accepted"):
        await cloud.db.write(lambda tx: cloud.dispatch.decline(tx, proposal.proposal_id))


async def test_what_was_declined_is_remembered_for_a_while(cloud: Cloud, clock: SetClock) -> None:
    (proposal,) = await look(cloud)
    await cloud.db.write(lambda tx: cloud.dispatch.decline(tx, proposal.proposal_id))
    clock.advance(20 * 60 - 1)
    assert await look(cloud) == []
    clock.advance(2)
    assert [one.counter for one in await look(cloud)] == ["c1"]


async def test_an_unanswered_proposal_expires(cloud: Cloud, clock: SetClock) -> None:
    (proposal,) = await look(cloud)
    clock.advance(301)
    with pytest.raises(Conflict, match="expired"):
        await cloud.db.write(lambda tx: cloud.dispatch.accept(tx, proposal.proposal_id))
    assert await look(cloud) == []
    assert (await newest(cloud)).state is ProposalState.EXPIRED


async def test_a_proposal_whose_reason_is_gone_is_withdrawn(cloud: Cloud) -> None:
    await look(cloud)
    await issue(cloud, "household", 1)
    await look(cloud)
    assert (await newest(cloud)).state is ProposalState.WITHDRAWN


async def test_a_clerk_who_has_left_cannot_be_moved(cloud: Cloud) -> None:
    (proposal,) = await look(cloud)
    await cloud.db.write(lambda tx: cloud.queues.counters.turn(tx, "c1", CounterStep.CLOSE))
    with pytest.raises(Conflict, match="clerk w1 is not at counter c1 now"):
        await cloud.db.write(lambda tx: cloud.dispatch.accept(tx, proposal.proposal_id))


async def test_the_outcome_of_a_move_is_recorded(cloud: Cloud, clock: SetClock) -> None:
    (proposal,) = await look(cloud)
    await cloud.db.write(lambda tx: cloud.dispatch.accept(tx, proposal.proposal_id))
    await cloud.db.write(lambda tx: cloud.queues.counters.call_next(tx, "c1"))
    clock.advance(601)
    await look(cloud)
    assert (await newest(cloud)).outcome["waiting"] == 14


async def test_an_unknown_hall_or_proposal_is_not_found(cloud: Cloud) -> None:
    with pytest.raises(NotFound):
        await cloud.db.read(lambda conn: cloud.dispatch.newest(conn, "no-such"))
    with pytest.raises(NotFound):
        await cloud.db.write(lambda tx: cloud.dispatch.accept(tx, "no-such"))
