"""The machine itself as a slot: restart, test print and vendor mode go through the journal like devices' commands."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from device_profiles.capabilities.agent import VendorModeArgs, VendorModeOutput
from device_profiles.capabilities.evidence import Evidence
from device_profiles.capabilities.model import Action, DeviceState, Nothing, Shape, Status
from device_profiles.capabilities.printer import FeedBlock, PrintArgs, TextBlock
from edge_agent.ports import BeforeEffect, Clock, Remembered, SlotView
from edge_agent.vendor.mode import VendorMode
from firmware_bridge.errors import DeviceFault, UnsupportedCommand

_RESTARTING = "restarting"
_log = logging.getLogger(__name__)


class AgentSlot:
    """See ``ports.SlotView``. ``restart`` ends this run of the agent in order; another one begins after it."""

    capability = "agent"
    ready = True

    def __init__(
        self,
        machine: str,
        vendor: VendorMode,
        printer: SlotView | None,
        remembered: Remembered,
        clock: Clock,
        restart: Callable[[], None],
    ) -> None:
        self._machine = machine
        self._vendor = vendor
        self._printer = printer
        self._remembered = remembered
        self._clock = clock
        self._restart = restart

    @property
    def status(self) -> Status:
        return Status(device=DeviceState.ONLINE)

    async def settled(self) -> None:
        return

    async def look(self, evidence: Evidence) -> Mapping[str, Any]:
        return self.status.model_dump(mode="json")

    async def execute(
        self, name: str, args: Shape, *, run_for_s: float, before_effect: BeforeEffect | None = None
    ) -> Shape:
        if before_effect is not None:
            await before_effect({})
        if isinstance(args, VendorModeArgs):
            return await self._vendor_mode(args, run_for_s)
        match name:
            case "restart_agent":
                return await self._restart_once()
            case "test_print":
                return await self._test_print(run_for_s)
            case _:
                raise UnsupportedCommand(f"agent: expected restart_agent, test_print or vendor_mode, got {name!r}")

    async def _vendor_mode(self, args: VendorModeArgs, run_for_s: float) -> Shape:
        self._vendor.decided_here()
        match args.phase:
            case "drain":
                await self._vendor.drain(args.for_s)
            case "maintain":
                await self._vendor.maintain(args.for_s, run_for_s, force=args.force)
            case "end":
                await self._vendor.end()
        return VendorModeOutput(phase=args.phase)

    async def _restart_once(self) -> Shape:
        """The next run of the agent finds this command begun, and the mark that says what ended the last run."""
        if await self._remembered.get(_RESTARTING):
            await self._remembered.put(_RESTARTING, False)
            return Nothing()
        await self._remembered.put(_RESTARTING, True)
        _log.warning("agent: asked to restart")
        self._restart()
        await self._clock.sleep(3600.0)  # until this run ends
        raise DeviceFault("software_error", Action.SOFTWARE_ERROR, "the agent did not end when it was asked to")

    async def _test_print(self, run_for_s: float) -> Shape:
        if self._printer is None:
            raise DeviceFault("no_device", Action.CONFIGURATION, "this machine has no printer")
        await self._printer.settled()  # at the start of the agent this takes a moment
        at = self._clock.now().astimezone()
        blocks: list[TextBlock | FeedBlock] = [
            TextBlock(text="测试打印 TEST PRINT", size=2, align="center"),
            TextBlock(text=f"{self._machine}  {at:%Y-%m-%d %H:%M:%S}", align="center"),
            TextBlock(text="0123456789 ABCDEFGHIJ 取号机"),
            FeedBlock(lines=3),
        ]
        await self._printer.execute("print", PrintArgs.model_validate({"blocks": blocks}), run_for_s=run_for_s)
        return Nothing()
