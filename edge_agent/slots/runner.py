"""One slot: keeps its peripheral running and turns what it says into facts.

    port appears -> open -> identify -> poll status and events until something breaks -> back off -> again

A port that does not exist is looked for once in a while (``PORT_POLL_S``): a stat call, no busy loop.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol, TypeVar

from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.model import DeviceState, Event, Identity, Nothing, Shape, Status
from device_profiles.schema.peripheral import PeripheralProfile
from edge_agent.errors import OutboxFull, SlotNotReady
from edge_agent.ports import Clock, Outbox
from edge_agent.slots.facts import event_fact, gone, status_facts
from edge_agent.slots.loan import Loan
from edge_agent.slots.states import SlotState, SlotStep, after
from edge_agent.timing import Backoff
from firmware_bridge.drivers import Driver
from firmware_bridge.errors import BridgeError, OutcomeUnknown, TransportLost

PORT_POLL_S = 0.5
FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0

Connect = Callable[[], Awaitable[Driver]]
Result = TypeVar("Result")
_log = logging.getLogger(__name__)


class SlotListener(Protocol):
    """Who wants to know what a slot is like now."""

    def slot_changed(self, slot: "SlotRunner") -> None: ...


@dataclass(frozen=True, slots=True)
class SlotParts:
    """What every slot of a machine shares. ``boot`` names this run of the machine's kernel: drivers tell events apart
    by a clock that begins again with it.
    """

    clock: Clock
    outbox: Outbox
    listener: SlotListener
    boot: str = ""


class SlotRunner:
    """See ``ports.SlotView`` for what others may do with it. ``run`` never ends; cancel it."""

    def __init__(
        self, name: str, profile: PeripheralProfile, port: Path, connect: Connect, parts: SlotParts, backoff: Backoff
    ) -> None:
        self.name = name
        self.profile = profile
        self.state = SlotState.ABSENT
        self.identity = Identity()
        self.proved: set[str] = set()
        self._port = port
        self._connect = connect
        self._parts = parts
        self._backoff = backoff
        self._capability = CAPABILITIES[profile.capability]
        self._status: Status = self._capability.status()
        self._told: dict[str, StrEnum] = {}
        self._driver: Driver | None = None
        self._turn = asyncio.Lock()
        self._wake = asyncio.Event()
        self._lost = False
        self._settled = asyncio.Event()
        self._borrowing = asyncio.Lock()
        self._loan: Loan | None = None

    @property
    def capability(self) -> str:
        return self._capability.name

    @property
    def ready(self) -> bool:
        return self.state is SlotState.RUNNING and self._driver is not None

    @property
    def port(self) -> str:
        """Where the device is now, as ``firmware_bridge.registry.transport_for`` takes it."""
        return str(self._port)

    @property
    def status(self) -> Status:
        return self._status

    def counters(self) -> dict[str, float]:
        """Telemetry of the link; empty while there is none."""
        return {} if self._driver is None else self._driver.counters()

    async def settled(self) -> None:
        await self._settled.wait()

    async def execute(
        self,
        name: str,
        args: Shape,
        *,
        run_for_s: float,
        before_effect: Callable[[], Awaitable[None]] | None = None,
    ) -> Shape:
        command = self._capability.commands[name]
        async with self._turn:
            if self._driver is None or not self.ready:
                raise self._not_ready()
            if before_effect is not None:
                await before_effect()
            try:
                async with self._parts.clock.timeout(run_for_s):
                    output = await self._driver.execute(command, args)
            except TransportLost:
                self._lost = True
                self._wake.set()
                raise
            except (OutcomeUnknown, TimeoutError):
                self._wake.set()  # the status now, not at the next poll: it is evidence
                raise
            self.proved.add(name)
            return output

    async def lend(self, work: Callable[[], Awaitable[Result]]) -> Result:
        """Give the port to ``work`` alone, such as a firmware update: it opens ``port`` itself and closes it again.

        The running command, and those in line before this call, end first; the driver is closed; later commands are
        refused (SlotNotReady, code ``updating``) and the status says ``starting``. When ``work`` ends, in whatever
        way, the device is opened and identified from scratch; ``settled`` tells when that is over. A device that does
        not answer can be lent as well (its firmware may be broken). One borrower at a time, in the order asked.
        Raises SlotNotReady when there is no device (nothing was begun), and what ``work`` raises.
        """
        async with self._borrowing:
            if self.state is SlotState.ABSENT:
                raise self._not_ready()
            loan = self._loan = Loan()
            self._wake.set()
            try:
                await loan.granted()
                return await work()
            finally:
                self._loan = None
                self._settled.clear()
                loan.give_back()

    async def run(self) -> None:
        """Keep the peripheral running."""
        while True:
            await self._wait_for_port()
            try:
                await self._run_device()
            except BridgeError as error:
                _log.warning("slot %s: %s", self.name, error)
            except Exception:  # noqa: BLE001 - the outer loop of slots: one driver's defect must not stop the machine
                _log.exception("slot %s: defect in the driver %s", self.name, self.profile.driver)
            else:
                await self._hand_over()
                continue
            await self._leave_device()

    async def _wait_for_port(self) -> None:
        if self.state is SlotState.ABSENT:
            if self._loan is not None:
                self._loan.refuse(self._not_ready())
            if not self._port.exists():
                await self._publish(gone(self._status, DeviceState.NO_DEVICE))
                self._settled.set()
            while not self._port.exists():
                await self._parts.clock.sleep(PORT_POLL_S)
            self._step(SlotStep.PORT_APPEARED)

    async def _run_device(self) -> None:
        driver = await self._connect()
        try:
            self._step(SlotStep.OPENED)
            self.identity = await driver.identify()
            status = await driver.status()
            self._driver = driver
            self._lost = False
            self._step(SlotStep.IDENTIFIED)
            self._backoff.reset()
            await self._publish(status)
            self._settled.set()
            await self._confirm_last(driver)
            await self._poll(driver)
        finally:
            self._driver = None
            await driver.close()

    async def _confirm_last(self, driver: Driver) -> None:
        """The confirmation of the last event may have been lost with the line, or with the agent: not twice."""
        boot, _, device = (await self._parts.outbox.last_origin(self.name)).partition(" ")
        if device and boot == self._parts.boot:
            await driver.confirm(Event(device, Nothing()))

    async def _poll(self, driver: Driver) -> None:
        """Until the port is borrowed, or the device is lost: then the driver's error leaves from here."""
        pace_s = self.profile.timing.poll_ms / 1000
        while True:
            await self._pause(pace_s)
            async with self._turn:
                if self._loan is not None:
                    self._driver = None  # still in our turn: a command in line behind us finds nobody
                    return
                status = await driver.status()
                events = await driver.poll()
            await self._publish(status)
            for event in events:
                await self._publish_event(driver, event)

    async def _pause(self, seconds: float) -> None:
        try:
            async with self._parts.clock.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()
        if self._lost:
            raise TransportLost("a command found the line gone")

    async def _leave_device(self) -> None:
        self._step(SlotStep.BROKE)
        if self._port.exists():
            await self._publish(gone(self._status, DeviceState.OFFLINE))
            self._step(SlotStep.WAITING)
            self._settled.set()
            if await self._back_off():
                if self._loan is not None:
                    await self._hand_over()
                else:
                    self._step(SlotStep.WAITED)
                return
        self._step(SlotStep.PORT_VANISHED)

    async def _hand_over(self) -> None:
        """The port is the borrower's until it comes back."""
        self._step(SlotStep.LENT)
        await self._publish(gone(self._status, DeviceState.STARTING))
        if (loan := self._loan) is not None and self._port.exists():
            loan.grant()
            await loan.returned()
        self._backoff.reset()
        self._step(SlotStep.RETURNED if self._port.exists() else SlotStep.PORT_VANISHED)

    async def _back_off(self) -> bool:
        """Wait, not longer than until somebody borrows the port; False when it vanished meanwhile."""
        left_s = self._backoff.next_s()
        while left_s > 0 and self._loan is None and self._port.exists():
            await self._parts.clock.sleep(min(left_s, PORT_POLL_S))
            left_s -= PORT_POLL_S
        return self._port.exists()

    async def _publish(self, status: Status) -> None:
        """Facts for what is new. What the outbox does not take is new again at the next poll."""
        self._status = status
        for field, value, (fact_type, data) in status_facts(self._capability, status, self._told):
            try:
                await self._parts.outbox.append(self.name, fact_type, data, self._now())
            except OutboxFull as error:
                _log.error("slot %s: %s", self.name, error)
                break
            self._told[field] = value
        self._parts.listener.slot_changed(self)

    async def _publish_event(self, driver: Driver, event: Event) -> None:
        fact_type, data = event_fact(self._capability, event)
        try:
            origin = f"{self._parts.boot} {event.device}"
            await self._parts.outbox.append(self.name, fact_type, data, self._now(), origin=origin)
        except OutboxFull as error:
            _log.error("slot %s: %s was not confirmed to the device: %s", self.name, fact_type, error)
            return
        async with self._turn:
            await driver.confirm(event)

    def _step(self, step: SlotStep) -> None:
        self.state = after(self.state, step)
        _log.info("slot %s: %s", self.name, self.state)
        self._parts.listener.slot_changed(self)

    def _not_ready(self) -> SlotNotReady:
        if self.state is SlotState.LENT or (self._loan is not None and self.state is SlotState.RUNNING):
            return SlotNotReady(self.name, SlotState.LENT, "updating")
        return SlotNotReady(self.name, self.state, "no_device" if self.state is SlotState.ABSENT else "device_offline")

    def _now(self) -> datetime:
        return self._parts.clock.now()
