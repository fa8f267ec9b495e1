"""Commands of the cloud: deadlines, order, one answer, and nothing personal in it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from device_profiles.capabilities.card_reader import ChipData
from device_profiles.capabilities.id_reader import IdDocument
from device_profiles.capabilities.model import Action, DeviceState, Nothing, Shape
from device_profiles.capabilities.printer import PrinterStatus, PrintOutput
from device_profiles.messages.command import CommandBody, Outcome
from device_profiles.messages.sealing import public_key, unseal
from device_profiles.messages.twin import DesiredAgent
from edge_agent.commands.execute import Executor
from edge_agent.commands.journal import Journal, Stage
from edge_agent.commands.proof import ProvenSlot
from edge_agent.lease import Lease
from edge_agent.outbox.memory import MemoryOutbox
from edge_agent.ports import Row
from edge_agent.slots.runner import SlotParts, SlotRunner
from edge_agent.storage import Values
from firmware_bridge.errors import DeviceFault, LinkTimeout, OutcomeUnknown, TransportLost
from tests.edge_agent.fakes import FakeDriver, FixedDesired, Listener, VirtualClock, machine_file, make_slot, running

PAPER = {"blocks": [{"kind": "text", "text": "A012"}]}
PRIVATE_KEY = "1Zoj0NHfYz8bG0bAqxTQZPwbcRBLZgy3RtSMlYrNMUI="
PERSON = IdDocument(name="张三", birth_date="19900101", id_number="000000199001010017", address="某地 1 号", sex="1")


@dataclass
class Machine:
    """A printer, an ID reader and a card unit, all fake, with an executor on top."""

    executor: Executor
    journal: Journal
    outbox: MemoryOutbox
    clock: VirtualClock
    desired: FixedDesired
    drivers: dict[str, FakeDriver]
    slots: dict[str, SlotRunner]
    lease: Lease

    async def send(self, command_id: str, slot: str, name: str, args: Any = None, **changes: Any) -> None:
        """A command arrives."""
        values: dict[str, Any] = {
            "command_id": command_id,
            "name": name,
            "args": args or {},
            "start_by": self.clock.now() + timedelta(seconds=30),
            "run_for_s": 20.0,
        }
        await self.executor.accept(slot, CommandBody(**(values | changes)))

    async def results(self, count: int = 1) -> list[Row]:
        """The results in the outbox, as soon as there are ``count``."""

        def found() -> list[Row]:
            return [row for row in self.outbox.rows if row.type == "command.finished"]

        await self.clock.until(lambda: len(found()) >= count)
        return found()

    async def result(self) -> dict[str, Any]:
        """The data of the only result."""
        (row,) = await self.results()
        return row.data


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    clock, outbox = VirtualClock(), MemoryOutbox()
    drivers = {name: FakeDriver(name) for name in ("printer", "id_reader", "card_reader")}
    port = tmp_path / "port"
    port.touch()
    parts = SlotParts(clock, outbox, Listener())
    slots = {name: make_slot(driver, port, parts) for name, driver in drivers.items()}
    desired = FixedDesired()
    async with machine_file(tmp_path) as file:
        journal = Journal(file)
        lease = Lease(Values(file), clock)
        proven = {name: ProvenSlot(name, slot, journal, clock) for name, slot in slots.items()}
        executor = Executor(journal, outbox, proven, desired, clock, lease)
        await executor.recover()
        async with running(executor.run, *(slot.run for slot in slots.values())):
            await clock.until(lambda: all(slot.ready for slot in slots.values()))
            yield Machine(executor, journal, outbox, clock, desired, drivers, slots, lease)


async def raise_fault(fault: Exception) -> Shape:
    raise fault


async def test_a_command_is_run_and_answered_under_its_slot(machine: Machine) -> None:
    await machine.send("c1", "printer", "print", PAPER, flow_id="f1")
    (row,) = await machine.results()
    assert row.slot == "printer"
    assert row.data == {"command_id": "c1", "outcome": "succeeded", "output": {}, "flow_id": "f1"}
    assert [name for name, _ in machine.drivers["printer"].executed] == ["print"]


async def test_a_known_id_repeats_its_result_and_nothing_else(machine: Machine) -> None:
    await machine.send("c1", "printer", "print", PAPER)
    await machine.results()
    await machine.send("c1", "printer", "print", PAPER)
    first, second = await machine.results(2)
    assert first.data == second.data
    assert len(machine.drivers["printer"].executed) == 1


async def test_the_same_command_twice_while_it_runs_runs_once(machine: Machine) -> None:
    gate = asyncio.Event()

    async def wait(args: Shape) -> Shape:
        await gate.wait()
        return Nothing()

    machine.drivers["printer"].acts["print"] = wait
    await machine.send("c1", "printer", "print", PAPER)
    await machine.clock.until(lambda: len(machine.drivers["printer"].executed) == 1)
    await machine.send("c1", "printer", "print", PAPER)
    gate.set()
    await machine.results()
    assert len(machine.drivers["printer"].executed) == 1


@pytest.mark.parametrize(
    ("slot", "name", "args", "said"),
    [
        ("printer", "print", {"blocks": []}, "args: blocks"),
        ("printer", "print", {"blocks": [{"kind": "text", "text": "x", "colour": "red"}]}, "args: blocks.0"),
        ("printer", "prnt", {}, "did you mean 'print'"),
        ("prnter", "print", PAPER, "did you mean 'printer'"),
        ("printer", "reset", {"hard": True}, "args: hard"),
    ],
)
async def test_what_cannot_be_run_is_refused_with_the_reason(
    machine: Machine, slot: str, name: str, args: dict[str, Any], said: str
) -> None:
    await machine.send("c1", slot, name, args)
    found = await machine.result()
    assert found["outcome"] == Outcome.REFUSED
    assert said in found["error"]["detail"]
    assert machine.drivers["printer"].executed == []


async def test_too_late_is_expired_and_nothing_is_done(machine: Machine) -> None:
    await machine.send("c1", "printer", "print", PAPER, start_by=machine.clock.now() - timedelta(seconds=1))
    assert (await machine.result())["outcome"] == Outcome.EXPIRED
    assert machine.drivers["printer"].executed == []


@pytest.mark.parametrize(
    ("fault", "outcome", "code"),
    [
        (DeviceFault("paper_out", Action.CLEAR, "no paper"), "failed", "paper_out"),
        (OutcomeUnknown("no answer"), "unknown", "outcome_unknown"),
        (TransportLost("unplugged"), "failed", "device_offline"),
        (LinkTimeout("silent"), "failed", "device_offline"),
        (RuntimeError("a defect"), "unknown", "software_error"),
    ],
)
async def test_a_devices_error_becomes_an_outcome(machine: Machine, fault: Exception, outcome: str, code: str) -> None:
    machine.drivers["printer"].acts["print"] = lambda args: raise_fault(fault)
    await machine.send("c1", "printer", "print", PAPER)
    found = await machine.result()
    assert (found["outcome"], found["error"]["code"]) == (outcome, code)
    assert "a defect" not in str(found)


@pytest.mark.parametrize(
    ("slot", "name", "args", "outcome"),
    [("printer", "print", PAPER, "unknown"), ("id_reader", "read", {}, "failed")],
)
async def test_a_command_that_overruns_is_unknown_only_if_it_had_an_effect(
    machine: Machine, slot: str, name: str, args: dict[str, Any], outcome: str
) -> None:
    async def for_ever(args: Shape) -> Shape:
        await asyncio.Event().wait()
        return Nothing()

    machine.drivers[slot].acts[name] = for_ever
    await machine.send("c1", slot, name, args, run_for_s=5)
    found = await machine.result()
    assert (found["outcome"], found["error"]["code"]) == (outcome, "timeout")
    del machine.drivers[slot].acts[name]
    await machine.send("c2", slot, name, args)
    assert (await machine.results(2))[1].data["outcome"] == "succeeded"


async def test_a_device_that_is_away_fails_without_being_asked(machine: Machine) -> None:
    machine.drivers["printer"].lost = True
    await machine.clock.until(lambda: not machine.slots["printer"].ready)
    await machine.send("c1", "printer", "print", PAPER)
    found = await machine.result()
    assert (found["outcome"], found["error"]["code"]) == ("failed", "device_offline")
    entry = await machine.journal.find("c1")
    assert entry is not None
    assert entry.started_at is None


async def test_a_stuck_slot_does_not_hold_another_one(machine: Machine) -> None:
    async def for_ever(args: Shape) -> Shape:
        await asyncio.Event().wait()
        return Nothing()

    machine.drivers["id_reader"].acts["read"] = for_ever
    await machine.send("c1", "id_reader", "read", run_for_s=600)
    await machine.send("c2", "printer", "print", PAPER)
    assert (await machine.result())["command_id"] == "c2"


async def test_one_slot_keeps_the_order_of_its_commands(machine: Machine) -> None:
    for n in range(5):
        await machine.send(f"c{n}", "card_reader", "move", {"to": "hold" if n % 2 else "printer"})
    found = [row.data["command_id"] for row in await machine.results(5)]
    assert found == ["c0", "c1", "c2", "c3", "c4"]


async def test_arguments_are_forgotten_when_the_command_is_over(machine: Machine) -> None:
    await machine.send("c1", "printer", "print", PAPER)
    await machine.results()
    entry = await machine.journal.find("c1")
    assert entry is not None
    assert (entry.stage, entry.body) == (Stage.FINISHED, None)


async def test_old_commands_are_forgotten(machine: Machine) -> None:
    await machine.send("c1", "printer", "print", PAPER)
    await machine.results()
    await machine.journal.expire(machine.clock.now() + timedelta(days=8))
    assert await machine.journal.find("c1") is None


async def test_a_person_leaves_only_as_tokens_and_sealed(machine: Machine) -> None:
    machine.desired.agent = DesiredAgent(seal_key=public_key(PRIVATE_KEY), subject_salt="00ff" * 8)
    machine.drivers["id_reader"].acts["read"] = lambda args: answer(PERSON)
    chip = ChipData(document_number="C00000001", holder_name="张三", birth_date="19900101")
    machine.drivers["card_reader"].acts["read_chip"] = lambda args: answer(chip)
    await machine.send("c1", "id_reader", "read")
    await machine.results()
    await machine.send("c2", "card_reader", "read_chip")
    identity, permit = [row.data["output"] for row in await machine.results(2)]
    assert set(identity) == {"kind", "subject", "holder", "sealed"}
    assert identity["holder"] == permit["holder"]
    assert identity["subject"] != permit["subject"]
    assert unseal(identity["sealed"], PRIVATE_KEY)["id_number"] == PERSON.id_number
    for value in (PERSON.id_number, PERSON.name, PERSON.address, PERSON.birth_date):
        assert value not in str(machine.outbox.rows)


async def test_without_a_key_a_person_stays_here_and_the_result_says_so(machine: Machine) -> None:
    machine.drivers["id_reader"].acts["read"] = lambda args: answer(PERSON)
    await machine.send("c1", "id_reader", "read")
    output = (await machine.result())["output"]
    assert output == {"kind": "citizen", "withheld": ["address", "birth_date", "id_number", "name", "sex"]}


async def test_the_journal_holds_nothing_personal_in_the_clear(machine: Machine, tmp_path: Path) -> None:
    machine.desired.agent = DesiredAgent(seal_key=public_key(PRIVATE_KEY), subject_salt="00ff" * 8)
    machine.drivers["id_reader"].acts["read"] = lambda args: answer(PERSON)
    await machine.send("c1", "id_reader", "read")
    await machine.results()
    stored = b"".join((tmp_path / name).read_bytes() for name in ("machine.db", "machine.db-wal"))
    assert PERSON.id_number.encode() not in stored
    assert PERSON.name.encode() not in stored


async def answer(output: Shape) -> Shape:
    return output


def told(machine: Machine) -> list[dict[str, Any]]:
    return [row.data for row in machine.outbox.rows if row.type == "command.reconciled"]


async def doubtful_print(machine: Machine, before: int | None, after: int | None, cut: bool = True) -> dict[str, Any]:
    """A print whose outcome is unknown; the printer counts ``before`` it and ``after`` it. What is told of it then."""
    driver = machine.drivers["printer"]
    driver.state = PrinterStatus(device=DeviceState.ONLINE, printed_total=before)

    async def lose_the_answer(args: Shape) -> Shape:
        driver.state = PrinterStatus(device=DeviceState.ONLINE, printed_total=after)
        raise OutcomeUnknown("no answer")

    driver.acts["print"] = lose_the_answer
    await machine.send("c1", "printer", "print", PAPER | {"cut": cut}, flow_id="f1")
    assert (await machine.result())["outcome"] == "unknown"
    await machine.clock.until(lambda: bool(told(machine)))
    (found,) = told(machine)
    return found


@pytest.mark.parametrize(
    ("before", "after", "outcome", "code"),
    [
        (7, 8, "succeeded", ""),
        (7, 7, "failed", "not_done"),
        (7, 9, "unknown", "evidence_lost"),
        (None, 8, "unknown", "evidence_lost"),
    ],
)
async def test_an_unknown_outcome_is_settled_by_the_devices_counter(
    machine: Machine, before: int | None, after: int, outcome: str, code: str
) -> None:
    found = await doubtful_print(machine, before, after)
    assert (found["outcome"], found.get("error", {}).get("code", "")) == (outcome, code)
    assert (found["evidence"], found["flow_id"]) == ("printed_total", "f1")
    assert await machine.journal.doubts("printer") == []
    await machine.send("c1", "printer", "print", PAPER, flow_id="f1")
    await machine.clock.until(lambda: machine.outbox.rows[-1].type == "command.finished")
    assert machine.outbox.rows[-1].data["outcome"] == outcome, "the corrected outcome is what is repeated"


async def test_a_counter_that_cannot_be_read_yet_is_looked_at_until_it_can(machine: Machine) -> None:
    driver = machine.drivers["printer"]

    async def lose_the_answer(args: Shape) -> Shape:
        driver.state = PrinterStatus(device=DeviceState.ONLINE)
        raise OutcomeUnknown("no answer")

    driver.state = PrinterStatus(device=DeviceState.ONLINE, printed_total=7)
    driver.acts["print"] = lose_the_answer
    await machine.send("c1", "printer", "print", PAPER)
    await machine.results()
    await machine.clock.until(lambda: machine.clock.monotonic() > 40)
    assert told(machine) == []
    driver.state = PrinterStatus(device=DeviceState.ONLINE, printed_total=8)
    await machine.clock.until(lambda: bool(told(machine)))
    assert told(machine)[0]["outcome"] == "succeeded"


async def test_the_next_print_does_not_become_the_proof_of_the_last_one(machine: Machine) -> None:
    driver, count = machine.drivers["printer"], 7
    driver.state = PrinterStatus(device=DeviceState.ONLINE, printed_total=count)

    async def print_or_not(args: Shape) -> Shape:
        if len(driver.executed) == 1:
            raise OutcomeUnknown("nothing came out, and nobody knows")
        driver.state = PrinterStatus(device=DeviceState.ONLINE, printed_total=count + 1)
        return PrintOutput()

    driver.acts["print"] = print_or_not
    await machine.send("c1", "printer", "print", PAPER)
    await machine.send("c2", "printer", "print", PAPER)
    await machine.clock.until(lambda: bool(told(machine)))
    assert (told(machine)[0]["command_id"], told(machine)[0]["outcome"]) == ("c1", "failed")
    outcomes = {row.data["command_id"]: row.data["outcome"] for row in await machine.results(2)}
    assert outcomes == {"c1": "unknown", "c2": "succeeded"}


async def test_what_disturbs_waits_for_the_citizen_and_is_refused_when_its_time_is_over(machine: Machine) -> None:
    await machine.lease.begin("anna", 300)
    await machine.send("c1", "card_reader", "reset")
    found = await machine.result()
    assert (found["outcome"], found["error"]["code"]) == ("refused", "busy_with_citizen")
    assert machine.drivers["card_reader"].executed == []


async def test_what_is_done_for_the_citizen_does_not_wait_behind_what_disturbs(machine: Machine) -> None:
    await machine.lease.begin("anna", 300)
    await machine.send("c1", "card_reader", "reset")
    await machine.send("c2", "card_reader", "move", {"to": "hold"}, flow_id="f1")
    assert (await machine.results())[0].data["command_id"] == "c2"
    machine.lease.end("anna")
    assert (await machine.results(2))[1].data == {"command_id": "c1", "outcome": "succeeded", "output": {}}


async def test_a_case_is_refused_while_an_act_has_the_machine(machine: Machine) -> None:
    hold = await machine.lease.ask("update")
    await machine.send("c1", "card_reader", "move", {"to": "hold"}, flow_id="f1")
    found = await machine.result()
    assert (found["outcome"], found["error"]["code"]) == ("refused", "out_of_service")
    hold.release()
