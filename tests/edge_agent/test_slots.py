"""A slot's life: found, opened, identified, polled, lost and back again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from device_profiles.capabilities.caller import CallerKey, KeyPressed
from device_profiles.capabilities.model import DeviceState, Event, Nothing
from device_profiles.capabilities.printer import Paper, PrinterStatus
from edge_agent.errors import OutboxFull, SlotNotReady
from edge_agent.outbox.memory import MemoryOutbox
from edge_agent.slots.runner import LONGEST_BACKOFF_S, SlotParts, SlotRunner
from edge_agent.slots.states import TRANSITIONS, SlotState
from firmware_bridge.errors import PeerBrokeProtocol, TransportLost
from tests.edge_agent.fakes import FakeDriver, Listener, VirtualClock, make_slot, running, settle


@dataclass
class Rig:
    """One slot with a fake device."""

    slot: SlotRunner
    driver: FakeDriver
    outbox: MemoryOutbox
    clock: VirtualClock
    listener: Listener
    port: Path

    def facts(self) -> list[str]:
        return [row.type for row in self.outbox.rows]

    async def until_ready(self) -> None:
        await self.clock.until(lambda: self.slot.ready)


@asynccontextmanager
async def rig(folder: Path, capability: str, *, plugged: bool = True, room: int = 1 << 20) -> AsyncIterator[Rig]:
    clock, outbox, listener = VirtualClock(), MemoryOutbox(room_bytes=room), Listener()
    driver, port = FakeDriver(capability), folder / "port"
    if plugged:
        port.touch()
    slot = make_slot(driver, port, SlotParts(clock, outbox, listener))
    async with running(slot.run):
        yield Rig(slot, driver, outbox, clock, listener, port)


def test_every_state_can_be_reached_and_left() -> None:
    reached = {state for steps in TRANSITIONS.values() for state in steps.values()}
    assert reached == set(SlotState)
    assert all(TRANSITIONS[state] for state in SlotState)


async def test_a_device_is_opened_identified_and_reported(tmp_path: Path) -> None:
    async with rig(tmp_path, "printer") as found:
        found.driver.state = PrinterStatus(device=DeviceState.ONLINE, paper=Paper.FULL)
        await found.until_ready()
        await found.clock.until(lambda: len(found.facts()) == 2)
        assert found.facts() == ["printer.device_online", "printer.paper_full"]
        assert found.slot.identity.model == "fake printer"
        assert found.listener.states == ["opening", "identifying", "running"]


async def test_only_what_changes_becomes_a_fact(tmp_path: Path) -> None:
    async with rig(tmp_path, "printer") as found:
        found.driver.state = PrinterStatus(device=DeviceState.ONLINE, paper=Paper.FULL)
        await found.until_ready()
        found.driver.state = PrinterStatus(device=DeviceState.ONLINE, paper=Paper.OUT)
        await found.clock.until(lambda: "printer.paper_out" in found.facts())
        fact = found.outbox.rows[-1]
        assert fact.data == {
            "field": "paper",
            "value": "out",
            "previous": "full",
            "fault": {"code": "paper_out", "action": "clear"},
        }
        assert found.facts().count("printer.device_online") == 1


async def test_an_unplugged_device_is_noticed_and_comes_back(tmp_path: Path) -> None:
    async with rig(tmp_path, "id_reader") as found:
        await found.until_ready()
        found.port.unlink()
        found.driver.lost = True
        await found.clock.until(lambda: found.slot.state is SlotState.ABSENT)
        await found.clock.until(lambda: found.facts()[-1] == "id_reader.device_no_device")
        assert found.outbox.rows[-1].data["fault"] == {"code": "no_device", "action": "clear"}
        found.driver.lost = False
        found.port.touch()
        await found.until_ready()
        await found.clock.until(lambda: found.facts()[-1] == "id_reader.device_online")
        assert found.driver.opened == 2
        assert found.driver.closed == 1


async def test_a_missing_device_is_reported_once_and_looked_for_without_haste(tmp_path: Path) -> None:
    async with rig(tmp_path, "printer", plugged=False) as found:
        await found.clock.until(lambda: found.clock.monotonic() > 60)
        assert found.facts() == ["printer.device_no_device"]
        assert found.driver.opened == 0
        found.port.touch()
        await found.until_ready()


async def test_a_device_that_does_not_answer_is_tried_less_and_less_often(tmp_path: Path) -> None:
    async with rig(tmp_path, "printer") as found:
        found.driver.lost = True
        await found.clock.until(lambda: found.driver.opened == 12, within_s=1000)
        assert found.clock.monotonic() > 4 * LONGEST_BACKOFF_S
        assert found.facts() == ["printer.device_offline"]
        found.driver.lost = False
        await found.until_ready()


async def test_another_device_on_the_port_is_not_used(tmp_path: Path) -> None:
    async with rig(tmp_path, "printer") as found:
        found.driver.refuses = PeerBrokeProtocol("expected a printer, got a scanner")
        await found.clock.until(lambda: found.facts() == ["printer.device_hardware_error"])
        told = found.outbox.rows[-1].data
        assert told["fault"] == {"code": "wrong_device", "action": "maintenance"}
        assert "expected a printer, got a scanner" in told["detail"]
        assert "ports.printer" in found.slot.refused
        with pytest.raises(SlotNotReady) as refused:
            await found.slot.execute("reset", Nothing(), run_for_s=5)
        assert refused.value.code == "wrong_device"
        found.driver.refuses = None
        await found.until_ready()
        assert found.slot.refused == ""


async def test_a_defect_in_a_driver_does_not_end_the_slot(tmp_path: Path) -> None:
    async with rig(tmp_path, "printer") as found:
        found.driver.refuses = ZeroDivisionError("a defect")
        await found.clock.until(lambda: found.driver.opened >= 3)
        found.driver.refuses = None
        await found.until_ready()


async def test_an_event_is_confirmed_after_it_is_durable(tmp_path: Path) -> None:
    async with rig(tmp_path, "caller") as found:
        await found.until_ready()
        pressed = Event("caller", KeyPressed(key=CallerKey.CALL_NEXT))
        found.driver.events.append(pressed)
        await found.clock.until(lambda: found.driver.confirmed == [pressed])
        assert found.facts()[-1] == "caller.key_pressed"
        assert found.outbox.rows[-1].data == {"key": "call_next"}


async def test_an_event_that_the_outbox_refuses_stays_with_the_device(tmp_path: Path) -> None:
    async with rig(tmp_path, "caller", room=2000) as found:
        await found.until_ready()
        with suppress(OutboxFull):
            while True:
                await found.outbox.append("agent", "ticket.issued", {}, found.clock.now())
        found.driver.events.append(Event("caller", KeyPressed(key=CallerKey.RECALL)))
        before = found.clock.monotonic()
        await found.clock.until(lambda: found.clock.monotonic() > before + 5)
        assert found.driver.confirmed == []
        await found.outbox.ack(1, (await found.outbox.depth()).last_sequence)
        await found.clock.until(lambda: len(found.driver.confirmed) == 1)
        assert found.facts() == ["caller.key_pressed"]


async def test_status_is_never_asked_while_a_command_runs(tmp_path: Path) -> None:
    async with rig(tmp_path, "id_reader") as found:
        await found.until_ready()
        done = asyncio.Event()

        async def wait(args: object) -> PrinterStatus:
            await done.wait()
            return PrinterStatus()

        found.driver.acts["read"] = wait
        found.driver.refuses = None
        call = asyncio.ensure_future(found.slot.execute("read", Nothing(), run_for_s=60))
        await settle()
        found.driver.refuses = AssertionError("asked for its status during a command")
        found.clock.advance(10)
        await settle()
        assert found.slot.ready
        found.driver.refuses = None
        done.set()
        await call


async def test_a_command_that_finds_the_line_gone_starts_the_way_back(tmp_path: Path) -> None:
    async with rig(tmp_path, "printer") as found:
        await found.until_ready()
        found.driver.lost = True
        with pytest.raises(TransportLost):
            await found.slot.execute("reset", Nothing(), run_for_s=5)
        await found.clock.until(lambda: not found.slot.ready, within_s=0)
        with pytest.raises(SlotNotReady):
            await found.slot.execute("reset", Nothing(), run_for_s=5)
