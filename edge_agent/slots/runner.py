"""One slot: keeps its peripheral running and turns what it says into facts.

    device appears -> open -> identify -> poll status and events until something breaks -> back off -> again

A device that is not there is looked for once in a while (``PORT_POLL_S``): no busy loop. One that is there and is not
the slot's is refused with words, and tried again slowly.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.evidence import Evidence, Record, applies
from device_profiles.capabilities.model import Command, DeviceState, Identity, Shape, Status
from device_profiles.schema.peripheral import PeripheralProfile
from edge_agent.errors import SlotNotReady
from edge_agent.ports import BeforeEffect, Clock, Outbox, Place, Refusal, Remembered
from edge_agent.slots.facts import gone
from edge_agent.slots.identity import Connect, DeviceRefused, identified, sort_out
from edge_agent.slots.loan import Loan
from edge_agent.slots.states import SlotState, SlotStep, after
from edge_agent.slots.telling import Teller
from edge_agent.timing import Backoff
from firmware_bridge.drivers import Driver, Features, Prepares
from firmware_bridge.errors import BridgeError, DeviceFault, OutcomeUnknown, TransportLost, UnsupportedCommand

PORT_POLL_S = 0.5
FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0

Result = TypeVar("Result")
_log = logging.getLogger(__name__)


class SlotListener(Protocol):
    """Who wants to know what a slot is like now."""

    def slot_changed(self, slot: "SlotRunner") -> None: ...


@dataclass(frozen=True, slots=True)
class SlotParts:
    """What every slot of a machine shares. ``boot`` names this run of the machine's kernel: drivers tell events apart
    by a clock that begins again with it. ``remembered`` knows who was in the slot before; None: nobody remembers.
    """

    clock: Clock
    outbox: Outbox
    listener: SlotListener
    boot: str = ""
    remembered: Remembered | None = None


class SlotRunner:
    """See ``ports.SlotView`` for what others may do with it. ``run`` never ends; cancel it."""

    def __init__(
        self, name: str, profile: PeripheralProfile, place: Place, connect: Connect, parts: SlotParts, backoff: Backoff
    ) -> None:
        self.name = name
        self.profile = profile
        self.state = SlotState.ABSENT
        self.identity = Identity()
        self.proved: set[str] = set()
        self._place = place
        self._connect = connect
        self._parts = parts
        self._backoff = backoff
        self._capability = CAPABILITIES[profile.capability]
        self._status: Status = self._capability.status()
        self._teller = Teller(name, self._capability, parts.clock, parts.outbox, parts.boot, parts.remembered)
        self._driver: Driver | None = None
        self._address = ""
        self._refusal: Refusal | None = None
        self._turn = asyncio.Lock()
        self._wake = asyncio.Event()
        self._lost = False
        self._settled = asyncio.Event()
        self._borrowing = asyncio.Lock()
        self._loan: Loan | None = None
        self._lent_for = ""

    @property
    def capability(self) -> str:
        return self._capability.name

    @property
    def ready(self) -> bool:
        return self.state is SlotState.RUNNING and self._driver is not None

    @property
    def status(self) -> Status:
        return self._status

    @property
    def port(self) -> str:
        """Where the device is now, as ``firmware_bridge.registry.transport_for`` takes it; empty while there is none.

        A device that was renumbered (it restarted, ttyUSB0 became ttyUSB3) has another one than before.
        """
        addresses = self._place.look().addresses
        return self._address if not addresses or self._address in addresses else addresses[0]

    @property
    def refused(self) -> str:
        """Why the device that is there is not used, in words; empty when it is used, or when none is there."""
        return "" if self._refusal is None else self._refusal.words

    def counters(self) -> dict[str, float]:
        """Telemetry of the link; empty while there is none."""
        return {} if self._driver is None else self._driver.counters()

    @property
    def features(self) -> Features | None:
        """What the device in the slot has shown beyond its commands, when its driver can tell."""
        if self._driver is None:
            return None
        return self._driver if isinstance(self._driver, Features) else None

    async def settled(self) -> None:
        await self._settled.wait()

    async def execute(
        self,
        name: str,
        args: Shape,
        *,
        run_for_s: float,
        before_effect: BeforeEffect | None = None,
    ) -> Shape:
        command = self._capability.commands[name]
        async with self._turn:
            driver = self._mine()
            seen: Mapping[str, Any] = {}
            if before_effect is not None and applies(command.evidence, args.model_dump()):
                seen = await self._prepared(driver, command, run_for_s)
            if before_effect is not None:
                await before_effect(seen)
            try:
                async with self._parts.clock.timeout(run_for_s):
                    output = await driver.execute(command, args)
            except TransportLost:
                self._lost = True
                self._wake.set()
                raise
            except (OutcomeUnknown, TimeoutError):
                self._wake.set()  # the status now, not at the next poll: it is evidence
                raise
            self.proved.add(name)
            return output

    async def look(self, evidence: Evidence) -> Mapping[str, Any]:
        async with self._turn:
            return await self._show(self._mine(), evidence)

    async def lend(self, work: Callable[[], Awaitable[Result]], reason: str = "updating") -> Result:
        """Give the port to ``work`` alone, such as a firmware update: it opens ``port`` itself and closes it again.

        The running command, and those in line before this call, end first; the driver is closed; later commands are
        refused (SlotNotReady, code ``reason``) and the status says ``starting``. When ``work`` ends, in whatever
        way, the device is opened and identified from scratch; ``settled`` tells when that is over. A device that does
        not answer, or is refused, can be lent as well (its firmware may be broken). One borrower at a time, in the
        order asked. Raises SlotNotReady when there is no device (nothing was begun), and what ``work`` raises.
        """
        async with self._borrowing:
            if self.state is SlotState.ABSENT or not self._place.look().addresses:
                raise SlotNotReady(self.name, self.state, self._refusal.fault.code if self._refusal else "no_device")
            loan = self._loan = Loan(reason)
            self._lent_for = reason
            self._wake.set()
            try:
                await loan.granted()
                try:
                    return await work()
                finally:
                    self._settled.clear()
            finally:
                self._loan = None if self._loan is loan else self._loan
                loan.give_back()

    async def run(self) -> None:
        """Keep the peripheral running."""
        while True:
            await self._wait_for_device()
            try:
                await self._run_device()
            except DeviceRefused as refused:
                await self._refuse(refused.refusal)
            except BridgeError as error:
                _log.warning("slot %s: %s", self.name, error)
                await self._leave_device()
            except Exception:  # noqa: BLE001 - the outer loop of slots: one driver's defect must not stop the machine
                _log.exception("slot %s: defect in the driver %s", self.name, self.profile.driver)
                await self._leave_device()
            else:
                await self._hand_over()

    async def _wait_for_device(self) -> None:
        if self.state is not SlotState.ABSENT:
            return
        self._address, self._refusal = "", None
        if self._loan is not None:
            self._loan.refuse(self._not_ready())
            self._loan = None
        if self._place.look().empty:
            await self._publish(gone(self._status, DeviceState.NO_DEVICE))
            self._settled.set()
        while self._place.look().empty:
            await self._parts.clock.sleep(PORT_POLL_S)
        self._step(SlotStep.PORT_APPEARED)

    async def _run_device(self) -> None:
        """Until the port is borrowed; an error leaves when the device is lost or refused."""
        self._address = await self._find()
        driver = await self._connect(self._address)
        try:
            self._step(SlotStep.OPENED)
            self.identity = await identified(driver, self.name, self.profile, self._address)
            status = await driver.status()
            self._place.hold(self._address)
            self._driver, self._refusal, self._lost = driver, None, False
            self._step(SlotStep.IDENTIFIED)
            self._backoff.reset()
            await self._publish(status)
            self._settled.set()
            await self._teller.identity(self.identity)
            await self._teller.confirm_last(driver)
            await self._poll(driver)
        finally:
            self._driver = None
            await driver.close()

    async def _find(self) -> str:
        sighting = self._place.look()
        if sighting.refusal is not None:
            raise DeviceRefused(sighting.refusal)
        if not sighting.addresses:
            raise TransportLost("the device has left before it was opened")
        if sighting.certain:
            return sighting.addresses[0]
        return await sort_out(self.name, self.profile, self._place, sighting, self._connect)

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
                if await self._teller.event(event):
                    async with self._turn:
                        await driver.confirm(event)

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
        """It broke: told at once, tried again after a while."""
        self._place.release()
        self._refusal = None
        self._step(SlotStep.BROKE)
        if not self._place.look().empty:
            await self._publish(gone(self._status, DeviceState.OFFLINE))
            self._step(SlotStep.WAITING)
            self._settled.set()
            await self._back_off()
        else:
            self._step(SlotStep.PORT_VANISHED)

    async def _refuse(self, refusal: Refusal) -> None:
        """It is not ours: told at once, tried again when something is plugged in or pulled out, and after a while."""
        self._place.release()
        if refusal != self._refusal:
            _log.warning("slot %s: %s", self.name, refusal.words)
        self._refusal = refusal
        self._step(SlotStep.REFUSED)
        await self._publish(gone(self._status, DeviceState.HARDWARE_ERROR))
        self._settled.set()
        await self._back_off()

    async def _back_off(self) -> None:
        """Wait, not longer than until another device is plugged in or somebody borrows the port."""
        before, left_s = self._place.look(), self._backoff.next_s()
        if self._refusal is not None and before.refusal is not None:
            left_s = math.inf  # what the place itself refuses it would refuse again, until something is plugged
        while left_s > 0 and self._loan is None and self._place.look() == before:
            await self._parts.clock.sleep(min(left_s, PORT_POLL_S))
            left_s -= PORT_POLL_S
        if self._place.look().empty:
            self._step(SlotStep.PORT_VANISHED)
        elif self._loan is not None:
            await self._hand_over()
        else:
            self._step(SlotStep.WAITED)

    async def _hand_over(self) -> None:
        """The port is the borrower's until it comes back."""
        self._refusal = None
        self._step(SlotStep.LENT)
        await self._publish(gone(self._status, DeviceState.STARTING))
        loan, self._loan = self._loan, None
        if loan is not None:
            if self._place.look().addresses:
                loan.grant()
                await loan.returned()
            else:
                loan.refuse(SlotNotReady(self.name, self.state, "no_device"))
        self._backoff.reset()
        self._place.release()
        self._step(SlotStep.PORT_VANISHED if self._place.look().empty else SlotStep.RETURNED)

    def _mine(self) -> Driver:
        if self._driver is None or not self.ready:
            raise self._not_ready()
        return self._driver

    async def _prepared(self, driver: Driver, command: Command, within_s: float) -> Mapping[str, Any]:
        """What the device shows before a command whose outcome it may have to prove."""
        if command.evidence is None:
            return {}
        async with self._parts.clock.timeout(within_s):
            if isinstance(driver, Prepares):
                await driver.prepare(command)
            return await self._show(driver, command.evidence)

    async def _show(self, driver: Driver, evidence: Evidence) -> Mapping[str, Any]:
        if isinstance(evidence, Record):
            asked = self._capability.commands[evidence.asked]
            try:
                return (await driver.execute(asked, asked.args())).model_dump(mode="json")
            except (UnsupportedCommand, DeviceFault) as error:
                _log.warning("slot %s: no evidence from %s: %s", self.name, evidence.asked, error)
                return {}
        status = await driver.status()
        await self._publish(status)
        return status.model_dump(mode="json")

    async def _publish(self, status: Status) -> None:
        self._status = status
        await self._teller.status(status, self._refusal)
        self._parts.listener.slot_changed(self)

    def _step(self, step: SlotStep) -> None:
        self.state = after(self.state, step)
        _log.info("slot %s: %s", self.name, self.state)
        self._parts.listener.slot_changed(self)

    def _not_ready(self) -> SlotNotReady:
        if self.state is SlotState.LENT or (self._loan is not None and self.state is SlotState.RUNNING):
            return SlotNotReady(self.name, SlotState.LENT, self._lent_for)
        if self._refusal is not None:
            return SlotNotReady(self.name, self.state, self._refusal.fault.code)
        return SlotNotReady(self.name, self.state, "no_device" if self.state is SlotState.ABSENT else "device_offline")
