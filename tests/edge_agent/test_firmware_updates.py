"""A slot's firmware updated: at the command line with the agent stopped, and through a port that its slot lends."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from device_profiles.catalog import load_catalog
from device_profiles.messages.body import read_data
from device_profiles.messages.facts import FirmwareUpdate
from device_profiles.schema.peripheral import PeripheralProfile
from edge_agent.__main__ import main
from edge_agent.devices.places import FilePlace
from edge_agent.errors import MachineBusy, SlotNotReady
from edge_agent.lease import Lease
from edge_agent.outbox.memory import MemoryOutbox
from edge_agent.ports import Row
from edge_agent.slots.inventory import slot_inventory
from edge_agent.slots.runner import SlotParts, SlotRunner
from edge_agent.timing import Backoff, SystemClock
from edge_agent.updates.machine import MachineUpdates
from edge_agent.updates.service import UpdateParts
from edge_agent.updates.shelf import Known, Shelf
from firmware_bridge.drivers import Driver
from firmware_bridge.registry import load_driver, transport_for
from firmware_bridge.update.ports import Record
from firmware_bridge.update.procedure import Release
from firmware_bridge.update.states import UpdateState
from simulators.loaders.modem_device import loader_image
from simulators.peripherals import Peer, build_peer
from simulators.pty_port import PtyPort
from tests.builders.firmware import (
    RELEASE_KEY,
    SECOND_KEY,
    manifest_of,
    mcuboot_image,
    modem_printer,
    pem_public,
    smp_pad,
)
from tests.edge_agent.fakes import Kept, Listener, eventually, running

NEW = Release(mcuboot_image("2.0.0"))
FAST = {"boot_s": 3, "reply_s": 0.5}


def fast(profile: PeripheralProfile) -> PeripheralProfile:
    assert profile.update is not None
    return profile.model_copy(update={"update": profile.update.model_copy(update=FAST)})


@dataclass
class Machine:
    """One slot over a pseudo-terminal, in real time, as the agent runs it."""

    folder: Path
    profile: PeripheralProfile
    peer: Peer
    clock: SystemClock = field(default_factory=SystemClock)
    outbox: MemoryOutbox = field(default_factory=MemoryOutbox)
    lease: Lease = field(init=False)

    def __post_init__(self) -> None:
        self.lease = Lease(Kept(), self.clock)
        (self.folder / "release.pub").write_bytes(pem_public(RELEASE_KEY.public_key()))
        parts = SlotParts(self.clock, self.outbox, Listener())
        backoff = Backoff(0.1, 0.2)
        place = FilePlace(self.folder / "port")
        self.slot = SlotRunner("pad", self.profile, place, self.connect, parts, backoff)
        keys = (self.folder / "release.pub",)
        self.parts = UpdateParts("kiosk-1", self.folder / "firmware", keys, self.outbox, self.clock)
        self.updates = MachineUpdates({"pad": self.slot}, self.parts, transport_for, self.lease)

    async def connect(self, address: str) -> Driver:
        transport = transport_for(self.profile, address)
        driver = load_driver(self.profile, transport, self.clock)
        await transport.open()
        return driver

    def told(self) -> list[str]:
        return [row.type.removeprefix("agent.") for row in self.outbox.rows if row.type.startswith("agent.firmware")]

    @property
    def shelf(self) -> Shelf:
        return Shelf(self.folder / "firmware" / "pad")


@asynccontextmanager
async def machine(folder: Path, profile: PeripheralProfile) -> AsyncIterator[Machine]:
    peer = build_peer(profile, seed=1, shared={})
    port = PtyPort(peer, folder / "port")
    found = Machine(folder, profile, peer)
    port.plug()
    try:
        async with running(found.slot.run):
            await eventually(lambda: found.slot.ready)
            yield found
    finally:
        port.unplug()


async def test_a_slot_is_updated_and_identified_again(tmp_path: Path) -> None:
    async with machine(tmp_path, fast(smp_pad())) as found:
        assert slot_inventory(found.slot).firmware == "1.0.0"
        record = await found.updates.update("pad", NEW)
        assert record.state is UpdateState.DONE, record.note
        await eventually(lambda: found.slot.ready)
        assert slot_inventory(found.slot).firmware == "2.0.0"
        assert found.told() == ["firmware_update_started", "firmware_sent", "firmware_updated"]
        body = read_data(FirmwareUpdate, _last(found).data)
        assert (body.slot, body.from_version, body.to_version) == ("pad", "1.0.0", "2.0.0")
        assert await found.shelf.known() == Known("2.0.0", "B", 0)
        assert await found.shelf.unfinished() is None


def _last(found: Machine) -> Row:
    return next(row for row in reversed(found.outbox.rows) if row.type.startswith("agent.firmware"))


async def test_a_machine_in_use_is_not_updated(tmp_path: Path) -> None:
    async with machine(tmp_path, fast(smp_pad())) as found:
        await found.lease.begin("journey", 300)
        with pytest.raises(MachineBusy, match="citizen"):
            await found.updates.update("pad", NEW)
        assert found.told() == []
        found.lease.end("journey")
        assert (await found.updates.update("pad", NEW)).state is UpdateState.DONE


async def test_an_absent_device_is_not_updated(tmp_path: Path) -> None:
    found = Machine(tmp_path, fast(smp_pad()), build_peer(smp_pad(), seed=1, shared={}))
    with pytest.raises(SlotNotReady):
        await found.updates.update("pad", NEW)


async def test_a_refused_image_is_told_and_the_slot_works_on(tmp_path: Path) -> None:
    async with machine(tmp_path, fast(smp_pad())) as found:
        wrong = Release(mcuboot_image("2.0.0", key=SECOND_KEY))
        assert (await found.updates.update("pad", wrong)).state is UpdateState.REFUSED
        await eventually(lambda: found.slot.ready)
        assert found.told() == ["firmware_refused"]
        assert "firmware_keys" in _last(found).data["note"]


async def test_a_firmware_that_fails_is_rolled_back_and_told(tmp_path: Path) -> None:
    async with machine(tmp_path, fast(smp_pad())) as found:
        found.peer.buttons["spoil_next_firmware"]()
        record = await found.updates.update("pad", NEW)
        assert record.state is UpdateState.ROLLED_BACK
        await eventually(lambda: found.slot.ready)
        assert found.told() == ["firmware_update_started", "firmware_sent", "firmware_rolled_back"]
        assert slot_inventory(found.slot).firmware == "1.0.0"


@pytest.mark.parametrize("state", ["transferring", "rebooting", "testing"])
async def test_a_killed_agent_goes_on_with_its_update(tmp_path: Path, state: str) -> None:
    async with machine(tmp_path, fast(smp_pad())) as found:
        task = asyncio.create_task(found.updates.update("pad", NEW))
        record = found.folder / "firmware" / "pad" / "record.json"
        await eventually(lambda: record.exists() and json.loads(record.read_bytes())["state"] == state)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        again = MachineUpdates({"pad": found.slot}, found.parts, transport_for, found.lease)
        await again.recover()
        await eventually(lambda: found.slot.ready)
        assert slot_inventory(found.slot).firmware == "2.0.0"
        assert found.told()[-1] == "firmware_updated"


async def test_a_key_that_was_taken_away_does_not_stop_the_agent(tmp_path: Path) -> None:
    async with machine(tmp_path, fast(smp_pad())) as found:
        await found.shelf.stage(NEW)
        await found.shelf.save(Record(UpdateState.TESTING, "", "", ""))
        (tmp_path / "release.pub").unlink()
        await found.updates.recover()
        await eventually(lambda: found.slot.ready)
        assert found.told() == []
        assert await found.shelf.unfinished() == NEW


@pytest.mark.slow
async def test_a_printer_with_a_loader_keeps_what_it_goes_back_to(tmp_path: Path) -> None:
    old, new = loader_image("1.0.0", b"factory"), loader_image("2.0.0", b"program " * 200)
    async with machine(tmp_path, fast(modem_printer())) as found:
        first = Release(new, manifest_of(new))
        assert (await found.updates.update("pad", first)).state is UpdateState.FAILED
        adopted = Release(old, manifest_of(old, "1.0.0"))
        assert (await found.updates.update("pad", adopted)).state is UpdateState.DONE
        found.peer.buttons["spoil_next_firmware"]()
        assert (await found.updates.update("pad", first)).state is UpdateState.ROLLED_BACK
        assert found.peer.snapshot()["running"] == "1.0.0"
        assert (await found.updates.update("pad", first)).state is UpdateState.DONE
        kept = await found.shelf.kept()
        assert kept is not None
        assert kept.image == new
        await eventually(lambda: found.slot.ready)
        assert slot_inventory(found.slot).firmware == "2.0.0"


async def test_a_security_counter_is_never_undercut(tmp_path: Path) -> None:
    async with machine(tmp_path, fast(smp_pad())) as found:
        high = Release(mcuboot_image("2.0.0", counter=5))
        assert (await found.updates.update("pad", high)).state is UpdateState.DONE
        record = await found.updates.update("pad", Release(mcuboot_image("2.1.0", counter=4)))
        assert record.state is UpdateState.REFUSED
        assert "security_counter" in record.note


# --- the command line ----------------------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Settings of a machine with one pad, and a site's own profile of it."""
    (tmp_path / "profiles" / "machines").mkdir(parents=True)
    (tmp_path / "profiles" / "machines" / "pad-box.toml").write_text(
        'kind = "counter_set"\nname_zh = "评价器"\nname_en = "Pad"\n[slots.pad]\nperipheral = "hdp-smp-evaluator"\n'
    )
    (tmp_path / "release.pub").write_bytes(pem_public(RELEASE_KEY.public_key()))
    (tmp_path / "new.bin").write_bytes(mcuboot_image("2.0.0", "hdp-smp-evaluator", "A"))
    (tmp_path / "edge.toml").write_text(
        f'machine = "kiosk-1"\nprofile = "pad-box"\nbroker = "mqtt://localhost:1"\ndata_dir = "{tmp_path}/data"\n'
        f'profiles_dir = "{tmp_path}/profiles"\nfirmware_keys = ["{tmp_path}/release.pub"]\n'
        f'[ports]\npad = "{tmp_path}/port"\n'
    )
    return tmp_path


async def command(site: Path, *words: str) -> int:
    """The command as a person types it, beside the loop that moves the device."""
    argv = ["update", "--config", str(site / "edge.toml"), "--slot", "pad", "--image", str(site / "new.bin"), *words]
    return await asyncio.to_thread(main, argv)


@asynccontextmanager
async def plugged(site: Path) -> AsyncIterator[Peer]:
    peer = build_peer(load_catalog().peripheral("hdp-smp-evaluator"), seed=1, shared={})
    port = PtyPort(peer, site / "port")
    port.plug()
    try:
        yield peer
    finally:
        port.unplug()


async def test_the_command_updates_a_slot(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with plugged(site) as peer:
        assert await command(site) == 0
        assert "pad: done, 1.0.0 -> 2.0.0" in capsys.readouterr().out
        assert peer.snapshot()["running"] == "2.0.0"
        assert await command(site) == 0


@pytest.mark.parametrize(
    ("spoil", "words", "code"),
    [
        (lambda site: (site / "new.bin").write_bytes(b"x"), "manifest", 1),
        (lambda site: (site / "new.bin").unlink(), "expected a file", 2),
        (lambda site: (site / "release.pub").unlink(), "expected a key file", 2),
        (lambda site: (site / "port").unlink(), "port", 1),
    ],
    ids=["no image", "no file", "no key file", "no device"],
)
async def test_what_is_missing_is_said(
    site: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], object], words: str, code: int
) -> None:
    async with plugged(site):
        spoil(site)
        assert await command(site) == code
        said = capsys.readouterr()
        assert words in said.out + said.err


async def test_without_keys_there_are_no_updates(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (site / "edge.toml").read_text()
    (site / "edge.toml").write_text("".join(line for line in text.splitlines(True) if "firmware_keys" not in line))
    assert await command(site) == 1
    assert "no key is trusted" in capsys.readouterr().out


def test_a_shelf_that_was_cut_short_is_still_read(tmp_path: Path) -> None:
    async def story() -> None:
        shelf = Shelf(tmp_path / "pad")
        assert await shelf.known() == Known()
        assert await shelf.kept() is None
        await shelf.stage(NEW)
        assert await shelf.unfinished() is None
        await shelf.save(Record(UpdateState.TRANSFERRING, "", "", ""))
        assert await shelf.unfinished() == NEW
        (tmp_path / "pad" / "record.json").write_text("{half")
        assert await shelf.unfinished() is None
        await shelf.keep()
        assert await shelf.kept() == NEW

    asyncio.run(story())
