"""New settings of the uplink by the twin, tried before they are trusted.

    wish -> (durable) -> the new broker for ``trial_s`` -> the cloud is heard there: kept | not: the old ones again

Only hearing the cloud counts, not reaching some broker. A trial that a crash cut short has failed: the agent begins
with the old settings, which worked. A wish that was judged is not tried again; another one is.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Protocol

from device_profiles.errors import ConfigurationError
from device_profiles.messages.envelope import canonical_json
from device_profiles.messages.facts import UplinkTrial
from device_profiles.messages.twin import UplinkWish
from edge_agent.errors import AgentError, MachineBusy, OutboxFull
from edge_agent.lease import Lease
from edge_agent.ports import Clock, Outbox, Remembered, Uplink
from edge_agent.twin import Desired

STARTED, KEPT, FAILED = (f"agent.uplink_trial_{word}" for word in ("started", "kept", "failed"))
WAIT_FOR_MACHINE_S = 3600.0
_NAME = "uplink"
_log = logging.getLogger(__name__)


class TrialState(StrEnum):
    """TRYING: the new settings are in use and not trusted yet."""

    SETTLED = "settled"
    TRYING = "trying"


class TrialStep(StrEnum):
    """What may happen. INTERRUPTED: the agent ended in the middle."""

    TRIED = "tried"
    REACHED = "reached"
    NOT_REACHED = "not_reached"
    INTERRUPTED = "interrupted"


TRANSITIONS: Mapping[TrialState, Mapping[TrialStep, TrialState]] = {
    TrialState.SETTLED: {TrialStep.TRIED: TrialState.TRYING},
    TrialState.TRYING: {
        TrialStep.REACHED: TrialState.SETTLED,
        TrialStep.NOT_REACHED: TrialState.SETTLED,
        TrialStep.INTERRUPTED: TrialState.SETTLED,
    },
}


@dataclass(frozen=True, slots=True)
class Road:
    """The way to the cloud: broker and authority; ``ca`` empty: as in the settings."""

    broker: str
    ca: str = ""


class Session(Protocol):
    """The conversation whose uplink is changed (``uplink.session.CloudSession``)."""

    online: bool

    def use(self, uplink: Uplink) -> None: ...

    async def wait_online(self) -> None: ...


@dataclass(frozen=True, slots=True)
class TrialParts:
    """What a trial works with. ``build`` makes an uplink; it raises ConfigurationError and AgentError."""

    session: Session
    build: Callable[[Road], Uplink]
    desired: Desired
    lease: Lease
    outbox: Outbox
    remembered: Remembered
    clock: Clock


class UplinkTrials:
    """``open`` before the session runs, then ``run`` beside it. ``road``: what is trusted now."""

    def __init__(self, first: Road, parts: TrialParts, changed: Callable[[], None]) -> None:
        self._first = first
        self._parts = parts
        self._changed = changed
        self._state = TrialState.SETTLED
        self._judged = ""
        self.road = first
        self.outcome = ""

    async def open(self) -> None:
        """Take up what was trusted; what was being tried is given up."""
        kept = await self._parts.remembered.get(_NAME)
        if kept is None or kept["first"] != asdict(self._first):
            return  # somebody has written other settings into the file: those are meant
        self._state, self._judged = TrialState(kept["state"]), kept["judged"]
        self.road, self.outcome = Road(**kept["road"]), kept["outcome"]
        if self._state is TrialState.TRYING:
            await self._end(TrialStep.INTERRUPTED, UplinkTrial(**kept["trial"]), "the agent ended in the middle of it")
        elif self.road != self._first:
            self._parts.session.use(self._parts.build(self.road))

    async def run(self) -> None:
        """Try what the twin wants, for ever."""
        while True:
            twin = self._parts.desired.twin
            wish = self._parts.desired.agent.uplink
            if wish is not None and self._is_new(wish):
                try:
                    async with self._parts.lease.disrupting("new settings of the uplink", WAIT_FOR_MACHINE_S):
                        await self._try(wish)
                except MachineBusy as busy:
                    _log.warning("uplink: %s", busy)
                    continue
            await self._parts.desired.wait_beyond(twin.version)

    def _is_new(self, wish: UplinkWish) -> bool:
        return _digest(wish) != self._judged and Road(wish.broker, wish.ca) != self.road

    async def _try(self, wish: UplinkWish) -> None:
        road, trial = (
            Road(wish.broker, wish.ca),
            UplinkTrial(broker=wish.broker, previous=self.road.broker, attempt=wish.attempt),
        )
        self._judged = _digest(wish)
        await self._step(TrialStep.TRIED, trial)
        await self._tell(STARTED, trial)
        try:
            uplink = self._parts.build(road)
        except (ConfigurationError, AgentError) as error:
            await self._end(TrialStep.NOT_REACHED, trial, str(error)[:300])
            return
        self._parts.session.use(uplink)
        try:
            async with self._parts.clock.timeout(wish.trial_s):
                await self._parts.session.wait_online()
        except TimeoutError:
            self._parts.session.use(self._parts.build(self.road))
            await self._end(TrialStep.NOT_REACHED, trial, f"the cloud was not heard there within {wish.trial_s:g} s")
        else:
            self.road = road
            await self._end(TrialStep.REACHED, trial, "")

    async def _end(self, step: TrialStep, trial: UplinkTrial, why: str) -> None:
        self.outcome = "kept" if step is TrialStep.REACHED else f"failed: {why}"
        ended = trial.model_copy(update={"why": why})
        # Told first: a crash in between tells it twice, which is better than never.
        await self._tell(KEPT if step is TrialStep.REACHED else FAILED, ended)
        await self._step(step, ended)
        self._changed()

    async def _step(self, step: TrialStep, trial: UplinkTrial) -> None:
        self._state = TRANSITIONS[self._state][step]
        _log.warning("uplink: %s: %s", trial.broker, step)
        kept: dict[str, Any] = {
            "state": self._state,
            "judged": self._judged,
            "road": asdict(self.road),
            "first": asdict(self._first),
            "outcome": self.outcome,
            "trial": trial.model_dump(mode="json"),
        }
        await self._parts.remembered.put(_NAME, kept)

    async def _tell(self, fact_type: str, trial: UplinkTrial) -> None:
        try:
            data = trial.model_dump(mode="json", exclude_none=True)
            await self._parts.outbox.append("agent", fact_type, data, self._parts.clock.now())
        except OutboxFull as error:
            _log.error("uplink: %s is not told: %s", fact_type, error)


def _digest(wish: UplinkWish) -> str:
    return sha256(canonical_json(wish.model_dump(mode="json"))).hexdigest()
