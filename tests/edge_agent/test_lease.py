"""The lease: citizens share the machine, an act that disturbs has it alone, and a crash keeps a citizen's place."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.errors import MachineBusy
from edge_agent.lease import Hold, Lease, LeaseState
from edge_agent.lease.states import TRANSITIONS, LeaseStep
from tests.edge_agent.fakes import Kept, VirtualClock, running, settle


@pytest.fixture
async def lease() -> Lease:
    made = Lease(Kept(), VirtualClock())
    await made.open()
    return made


def test_the_table_reaches_every_state_and_leaves_every_state() -> None:
    reached = {after for steps in TRANSITIONS.values() for after in steps.values()}
    assert reached == set(LeaseState)
    assert all(TRANSITIONS[state] for state in LeaseState)
    assert {step for steps in TRANSITIONS.values() for step in steps} == set(LeaseStep)


async def test_an_act_waits_for_the_citizen_and_nobody_new_begins(lease: Lease) -> None:
    await lease.begin("anna", 300)
    hold = await lease.ask("test print")
    assert (lease.state, hold.obtained.is_set()) == (LeaseState.DRAINING, False)
    with pytest.raises(MachineBusy) as refused:
        await lease.begin("bert", 300)
    assert refused.value.code == "out_of_service"
    await lease.begin("case 7", 30, joins=True)
    lease.end("anna")
    assert lease.state is LeaseState.DRAINING
    lease.end("case 7")
    assert (lease.state, hold.obtained.is_set()) == (LeaseState.DISRUPTED, True)
    with pytest.raises(MachineBusy):
        await lease.begin("case 7", 30, joins=True)
    hold.release()
    await lease.begin("bert", 300)
    assert lease.serving == {"bert"}


async def test_an_act_that_cannot_have_the_machine_is_told_why_and_leaves_no_trace() -> None:
    clock = VirtualClock()
    lease = Lease(Kept(), clock)
    await lease.begin("anna", 300)

    async def act() -> None:
        async with lease.disrupting("test print", 20):
            raise AssertionError("the citizen is still there")

    acting = asyncio.ensure_future(act())
    await clock.until(acting.done)
    with pytest.raises(MachineBusy, match="citizen") as refused:
        await acting
    assert (refused.value.code, lease.state) == ("busy_with_citizen", LeaseState.SERVING)


async def test_acts_come_one_after_the_other_in_the_order_asked(lease: Lease) -> None:
    order: list[str] = []
    gate = asyncio.Event()

    async def act(name: str) -> None:
        async with lease.disrupting(name, 60):
            order.append(name)
            await gate.wait()

    tasks = [asyncio.ensure_future(act(name)) for name in ("first", "second")]
    await settle()
    assert order == ["first"]
    gate.set()
    await asyncio.gather(*tasks)
    assert (order, lease.state) == (["first", "second"], LeaseState.FREE)


async def test_a_crashed_citizen_keeps_the_machine_until_its_clock_runs_out() -> None:
    clock, kept = VirtualClock(), Kept()
    await Lease(kept, clock).begin("anna", 300)
    again = Lease(kept, clock)
    await again.open()
    async with running(again.run):
        hold = await again.ask("restart")
        await settle()
        assert not hold.obtained.is_set()
        clock.advance(299)
        await settle()
        assert not hold.obtained.is_set()
        await clock.until(hold.obtained.is_set, within_s=600)
    assert again.serving == frozenset()


async def test_a_clock_that_was_set_back_does_not_make_a_crashed_citizen_live_for_ever() -> None:
    clock, kept = VirtualClock(), Kept()
    await kept.put("lease", {"anna": (clock.now() + timedelta(days=400)).isoformat()})
    lease = Lease(kept, clock)
    await lease.open()
    async with running(lease.run):
        hold = await lease.ask("restart")
        await clock.until(hold.obtained.is_set, within_s=4000)


STEPS = st.lists(
    st.tuples(st.sampled_from(["begin", "join", "end", "ask", "release", "force"]), st.sampled_from("abc")), max_size=40
)


@settings(deadline=None)
@given(STEPS)
def test_citizens_and_acts_never_have_the_machine_together(steps: list[tuple[str, str]]) -> None:
    asyncio.run(_walk(steps))


async def _walk(steps: list[tuple[str, str]]) -> None:
    lease = Lease(Kept(), VirtualClock())
    holds: list[Hold] = []
    for step, who in steps:
        had = bool(holds) and holds[0].obtained.is_set()
        try:
            if step in ("begin", "join"):
                before = lease.state
                await lease.begin(who, 60, joins=step == "join")
                assert not had, "nobody begins while an act has the machine"
                assert step == "join" or before is not LeaseState.DRAINING
            elif step == "end":
                lease.end(who)
            elif step == "ask" and not holds:
                holds.append(await lease.ask(who))
            elif step == "release" and holds:
                holds.pop().release()
            elif step == "force" and holds:
                holds[0].force()
        except MachineBusy:
            assert lease.state in (LeaseState.DRAINING, LeaseState.DISRUPTED)
        obtained = bool(holds) and holds[0].obtained.is_set()
        assert not (obtained and lease.serving)
        assert obtained == (lease.state is LeaseState.DISRUPTED)
        assert bool(lease.serving) == (lease.state in (LeaseState.SERVING, LeaseState.DRAINING))
