"""New settings of the uplink: kept when the cloud is heard there, given up when it is not, over a crash as well."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from device_profiles.errors import ConfigurationError
from device_profiles.messages.twin import CONFLICTS, DesiredAgent, Twin
from edge_agent.lease import Lease
from edge_agent.outbox.memory import MemoryOutbox
from edge_agent.ports import Uplink
from edge_agent.storage import Values
from edge_agent.twin import Desired
from edge_agent.uplink.memory import MemoryUplink
from edge_agent.uplink.trial import FAILED, KEPT, STARTED, Road, TrialParts, UplinkTrials
from tests.edge_agent.fakes import Kept, VirtualClock, machine_file, running

OLD, NEW = "mqtts://old.test", "mqtts://new.test"


@dataclass
class Session:
    """Hears the cloud behind some brokers."""

    cloud_at: set[str]
    used: list[str] = field(default_factory=list)
    online: bool = True

    def use(self, uplink: Uplink) -> None:
        self.used.append(uplink.broker)  # type: ignore[attr-defined]
        self.online = self.used[-1] in self.cloud_at

    async def wait_online(self) -> None:
        if not self.online:
            await asyncio.Event().wait()


def build(road: Road) -> Uplink:
    if not road.broker.startswith("mqtts:"):
        raise ConfigurationError(f"broker: expected mqtts://, got {road.broker}")
    uplink = MemoryUplink()
    uplink.broker = road.broker  # type: ignore[attr-defined]
    return uplink


@dataclass
class Machine:
    """One life of the agent."""

    trials: UplinkTrials
    session: Session
    desired: Desired
    outbox: MemoryOutbox
    clock: VirtualClock

    async def want(self, version: int, **uplink: Any) -> None:
        await self.desired.offer(Twin(version=version, values={"uplink": {"broker": NEW, **uplink}}))

    def told(self) -> list[str]:
        return [row.type for row in self.outbox.rows]


@asynccontextmanager
async def machine(folder: Path, cloud_at: set[str], kept: Kept | None = None) -> AsyncIterator[Machine]:
    clock, outbox, session = VirtualClock(), MemoryOutbox(), Session(cloud_at)
    async with machine_file(folder) as file:
        desired = Desired(Values(file))
        await desired.open()
        parts = TrialParts(session, build, desired, Lease(Kept(), clock), outbox, kept or Kept(), clock)
        trials = UplinkTrials(Road(OLD), parts, lambda: None)
        await trials.open()
        async with running(trials.run):
            yield Machine(trials, session, desired, outbox, clock)


async def test_settings_under_which_the_cloud_is_heard_are_kept_over_a_restart(tmp_path: Path) -> None:
    kept = Kept()
    async with machine(tmp_path, {NEW}, kept) as found:
        await found.want(1)
        await found.clock.until(lambda: KEPT in found.told())
        assert (found.trials.road.broker, found.trials.outcome) == (NEW, "kept")
    async with machine(tmp_path, {NEW}, kept) as found:
        assert found.session.used == [NEW]


async def test_without_the_cloud_the_old_settings_are_back_after_thirty_seconds_and_the_wish_is_judged(
    tmp_path: Path,
) -> None:
    async with machine(tmp_path, {OLD}) as found:
        await found.want(1)
        await found.clock.until(lambda: FAILED in found.told())
        assert found.clock.monotonic() >= 30
        assert (found.session.used, found.trials.road.broker) == ([NEW, OLD], OLD)
        assert "was not heard" in found.outbox.rows[-1].data["why"]
        await found.want(2)
        await found.want(3, attempt=2)
        await found.clock.until(lambda: found.told().count(FAILED) == 2)
        assert found.told() == [STARTED, FAILED] * 2


async def test_a_crash_in_the_middle_is_a_failed_trial(tmp_path: Path) -> None:
    kept = Kept()
    async with machine(tmp_path, {OLD}, kept) as found:
        await found.want(1)
        await found.clock.until(lambda: found.session.used == [NEW])
    async with machine(tmp_path, {OLD}, kept) as found:
        assert found.session.used == [], "it begins with what worked"
        assert (found.told(), found.trials.road.broker) == ([FAILED], OLD)


async def test_settings_that_cannot_be_used_are_told_and_change_nothing(tmp_path: Path) -> None:
    async with machine(tmp_path, {OLD}) as found:
        await found.want(1, broker="http://new.test")
        await found.clock.until(lambda: FAILED in found.told())
        assert found.session.used == []


def test_every_field_has_a_rule_and_nothing_derived_can_be_written() -> None:
    assert set(CONFLICTS) == set(DesiredAgent.model_fields)
    assert not {"presence", "online", "faults"} & set(DesiredAgent.model_fields)


async def test_a_delta_is_taken_on_top_of_the_version_that_it_was_made_from(tmp_path: Path) -> None:
    async with machine_file(tmp_path) as file:
        desired = Desired(Values(file))
        assert await desired.offer(Twin(version=3, values={"day": "2026-03-02", "public_url": "http://a.test"}))
        assert not await desired.offer(Twin(version=6, values={"day": "2026-03-09"}, base=5))
        assert await desired.offer(Twin(version=5, values={"day": "2026-03-03", "public_url": None}, base=3))
        assert desired.twin.values == {"day": "2026-03-03"}
