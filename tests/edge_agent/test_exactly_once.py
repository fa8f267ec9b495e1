"""Prints and dispensed cards, the agent killed with -9 in the middle of each: what happened is what was reported."""

import asyncio
import json
import os
import random
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from device_profiles.catalog import load_catalog
from device_profiles.schema.machine import MachineProfile, Slot
from simulators.machine import SimulatedMachine
from simulators.people import People
from tests.edge_agent.doomed import PERIPHERALS

SEED = 20_260_301
UNHURT = 2  # the first commands are not killed before they are settled: they tell how long one takes here, today
CARDS, PAPER_LINES = 170, 500


@dataclass
class Devices:
    """A printer and a card dispenser that live on while the agent dies, and a citizen who takes every card."""

    folder: Path
    printed: list[str] = field(default_factory=list)
    sheets: int = 0

    def __post_init__(self) -> None:
        slots = {name: Slot(peripheral=profile) for name, profile in PERIPHERALS.items()}
        made = MachineProfile(id="doomed", kind="kiosk", name_zh="一次", name_en="Once", slots=slots)
        catalog, people = load_catalog(), People(SEED, 1)
        self.machine = SimulatedMachine("doomed", made, catalog, self.folder, people, speed=5.0)

    @property
    def links(self) -> Path:
        return self.folder / "doomed"

    @property
    def dispensed(self) -> int:
        return int(self.machine.snapshot("dispenser")["dispensed_total"])

    @property
    def partial(self) -> int:
        return int(self.machine.snapshot("printer")["partial_total"])

    async def attend(self) -> None:
        """Take cards, read papers, fill up; for ever."""
        while True:
            self.look()
            await asyncio.sleep(0.02)

    def look(self) -> None:
        """What an attentive citizen does in a moment."""
        printer, dispenser = self.machine.snapshot("printer"), self.machine.snapshot("dispenser")
        new = printer["printed_total"] - self.sheets
        self.sheets += new
        self.printed += [sheet["lines"][0] for sheet in printer["papers"][len(printer["papers"]) - new :]]
        if printer["lines_left"] < PAPER_LINES:
            self.machine.press("printer", "load_paper")
        if dispenser["position"] == "mouth":
            self.machine.press("dispenser", "take_card")
        if dispenser["stacker"] < 2:
            self.machine.press("dispenser", "set_stacker", cards=CARDS)


def command_of(number: int) -> tuple[str, str, str, dict[str, Any]]:
    if number % 2:
        return f"c{number}", "dispenser", "dispense", {"wait_taken_s": 0}
    blocks = [{"kind": "text", "text": f"c{number}"}, *({"kind": "text", "text": "回执"} for _ in range(8))]
    return f"c{number}", "printer", "print", {"blocks": blocks}


async def live(root: Path, folder: Path, links: Path, *command: str) -> asyncio.subprocess.Process:
    arguments = ["-m", "tests.edge_agent.doomed", str(folder), str(links), *command]
    with (folder / "agent.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, *arguments, cwd=root, stdout=asyncio.subprocess.PIPE, stderr=log
        )


async def kill_each(root: Path, folder: Path, count: int) -> tuple[dict[str, dict[str, Any]], Devices, float]:
    """``count`` commands, a kill in each; the outcomes, the devices, and how many seconds it took."""
    devices, chance, began = Devices(folder / "dev"), random.Random(SEED), time.monotonic()
    takes_s: dict[str, float] = {}
    devices.machine.plug()
    attending = asyncio.ensure_future(devices.attend())
    try:
        for number in range(count):
            command_id, slot, name, args = command_of(number)
            process = await live(root, folder, devices.links, command_id, slot, name, json.dumps(args))
            assert process.stdout is not None
            assert (await process.stdout.readline()).strip() == b"accepted", (folder / "agent.log").read_text()[-2000:]
            if number < UNHURT:
                accepted = time.monotonic()
                assert (await process.stdout.readline()).strip() == b"settled"
                takes_s[slot] = time.monotonic() - accepted
            else:
                # This sleep is the test: the moment of the kill is drawn, not waited for.
                await asyncio.sleep(chance.random() * takes_s[slot])
            process.send_signal(signal.SIGKILL)
            await process.communicate()
        process = await live(root, folder, devices.links, "")
        output, _ = await asyncio.wait_for(process.communicate(), 60)
        devices.look()
    finally:
        attending.cancel()
        await asyncio.gather(attending, return_exceptions=True)
        devices.machine.unplug()
    return json.loads(output), devices, time.monotonic() - began


async def check(root: Path, folder: Path, count: int) -> dict[str, Any]:
    found, devices, took_s = await kill_each(root, folder, count)
    outcomes = {name: result["outcome"] for name, result in found["finished"].items()}
    in_doubt = [name for name, outcome in outcomes.items() if outcome == "unknown"]
    outcomes |= {name: result["outcome"] for name, result in found["reconciled"].items()}
    assert set(outcomes) == {command_of(number)[0] for number in range(count)}, "every command has an outcome"
    unknown = [name for name, outcome in outcomes.items() if outcome == "unknown"]
    done = {slot: set[str]() for slot in PERIPHERALS}
    for number in range(count):
        name, slot, *_ = command_of(number)
        if outcomes[name] == "succeeded":
            done[slot].add(name)
    assert len(devices.printed) == len(set(devices.printed)), "no paper came out twice"
    doubtful_prints = {name for name in unknown if name in devices.printed}
    assert set(devices.printed) - doubtful_prints == done["printer"]
    doubtful_cards = sum(1 for name in unknown if int(name[1:]) % 2)
    assert len(done["dispenser"]) <= devices.dispensed <= len(done["dispenser"]) + doubtful_cards
    return {
        "commands": count,
        "papers": len(devices.printed),
        "cards": devices.dispensed,
        "reported as done": len(done["printer"]) + len(done["dispenser"]),
        "in doubt at first": len(in_doubt),
        "unknown in the end": len(unknown),
        "partial papers": devices.partial,
        "seconds": round(took_s),
    }


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_twenty_effects_and_twenty_kills(tmp_path: Path, repo_root: Path) -> None:
    found = await check(repo_root, tmp_path, 20)
    assert found["unknown in the end"] <= 1, found


@pytest.mark.soak
async def test_a_thousand_effects_and_a_thousand_kills(tmp_path: Path, repo_root: Path) -> None:
    found = await check(repo_root, tmp_path, int(os.environ.get("HALLFLEET_KILLS", "1000")))
    print(json.dumps(found))
    assert found["unknown in the end"] < found["commands"] / 100, found
