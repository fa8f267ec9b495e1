"""Renewal before the certificate ends: a new key, a new certificate, and the way back when the broker refuses it."""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from device_profiles.messages.enrolment import CertificateRefused, CertificateRenewed
from edge_agent.errors import AgentError, OutboxFull
from edge_agent.identity.cloud import Cloud
from edge_agent.identity.files import IdentityFolder, Pair
from edge_agent.ports import Clock, Outbox
from edge_agent.timing import Backoff

JITTER = 0.05
"""Part of the lifetime over which the machines of a fleet spread."""
LONGEST_NAP_S = 3600.0  # the wall clock may be set meanwhile
RETRY_S = (30.0, 6 * 3600.0)
REFUSALS_BEFORE_FALL_BACK = 3
_log = logging.getLogger(__name__)


@dataclass
class Trial:
    """Which pair the next link uses, and what came of it. A new pair that fails gives way to the one before."""

    folder: IdentityFolder
    leave: Callable[[str], None] | None = None  # ends the present link
    news: "asyncio.Queue[tuple[str, CertificateRenewed | CertificateRefused]]" = field(default_factory=asyncio.Queue)
    _failures: int = 0

    def pair(self) -> Pair:
        """What to connect with now. Raises AgentError."""
        previous = self.folder.previous()
        if previous is not None and self._failures >= REFUSALS_BEFORE_FALL_BACK:
            return previous
        return self.folder.current()

    def linked(self, pair: Pair) -> None:
        """The broker has let us in with ``pair``."""
        self._failures = 0
        previous, current = self.folder.previous(), self.folder.current()
        if previous is None:
            return
        if pair.folder == current.folder:
            told = CertificateRenewed(
                serial=current.facts.serial, previous=previous.facts.serial, not_after=current.facts.not_after
            )
            self.folder.prove()
            self.news.put_nowait(("agent.certificate_renewed", told))
        else:
            refused = CertificateRefused(serial=current.facts.serial, previous=previous.facts.serial)
            self.folder.fall_back()
            self.news.put_nowait(("agent.certificate_refused", refused))

    def relink(self) -> None:
        """End the present link, if there is one; the next one uses the pair that is in use then."""
        if self.leave is not None:
            self.leave("another certificate is in use now")

    def failed(self, pair: Pair) -> None:
        """There was no link with ``pair``: refused, or no way to the broker."""
        if self.folder.previous() is not None:
            self._failures = 0 if self._failures >= REFUSALS_BEFORE_FALL_BACK else self._failures + 1


class Renewal:
    """``run`` for ever."""

    def __init__(self, trial: Trial, cloud: Cloud, outbox: Outbox, clock: Clock) -> None:
        self._trial, self._cloud, self._outbox, self._clock = trial, cloud, outbox, clock
        self._early = JITTER * random.random()
        self._backoff = Backoff(*RETRY_S)

    async def run(self) -> None:
        """Renew whenever it is due, and tell the cloud what came of it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._renew_when_due())
            group.create_task(self._tell())

    def due_at(self) -> datetime:
        """When the present pair is renewed: at two thirds of its life, a little earlier on every machine."""
        pair = self._trial.folder.current()
        return pair.due_at - (pair.facts.not_after - pair.facts.not_before) * self._early

    async def _renew_when_due(self) -> None:
        while True:
            left = self.due_at() - self._clock.now()
            if left > timedelta() or self._trial.folder.previous() is not None:
                await self._clock.sleep(min(LONGEST_NAP_S, max(left.total_seconds(), RETRY_S[0])))
                continue
            try:
                await asyncio.to_thread(self._renew)
                self._trial.relink()  # so that the new certificate is tried at once
            except (AgentError, OSError) as error:
                _log.warning("certificate: not renewed: %s", error)
            await self._clock.sleep(self._backoff.next_s())

    def _renew(self) -> None:
        from edge_agent.identity.keys import new_key  # here: it loads cryptography

        folder, key = self._trial.folder, new_key()
        pair = folder.take_in(key, self._cloud.renew(folder.current(), key))
        _log.info("certificate: renewed, lasts until %s", pair.facts.not_after.isoformat())

    async def _tell(self) -> None:
        while True:
            fact_type, told = await self._trial.news.get()
            if isinstance(told, CertificateRenewed):
                self._backoff.reset()
            while True:
                try:
                    await self._outbox.append("agent", fact_type, told.model_dump(mode="json"), self._clock.now())
                    break
                except OutboxFull as error:
                    _log.warning("certificate: %s", error)
                    await self._clock.sleep(RETRY_S[0])
