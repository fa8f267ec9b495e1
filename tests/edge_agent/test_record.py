"""Recordings of sessions: what is in them, what is not, and that they play back as a device."""

import asyncio
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.id_reader import IdDocument
from device_profiles.capabilities.model import Identity, Status
from device_profiles.catalog import load_catalog
from device_profiles.errors import ConfigurationError
from device_profiles.schema.peripheral import Line, PeripheralProfile
from edge_agent.__main__ import main
from edge_agent.errors import AgentError
from edge_agent.slots.record import calls_of, in_the_clear, record, save
from firmware_bridge.drivers import Driver
from firmware_bridge.registry import load_driver
from firmware_bridge.transports import AdjustableSpeed
from firmware_bridge.transports.memory import MemoryTransport, VirtualClock
from firmware_bridge.transports.recording import Passed, clear_lines, masked_lines, recorded
from firmware_bridge.transports.serial import SerialTransport
from simulators.errors import SimulatorError
from simulators.faults import FaultyPeer, LineFault
from simulators.people import People
from simulators.peripherals import Peer, build_peer
from simulators.pty_port import PtyPort
from simulators.replay import load_replay, peripheral_of

PERSON = "p003"
KEY = b"0123456789ABCDEF"


class Session:
    """A simulated device on a virtual clock that can be recorded."""

    def __init__(self, profile_id: str, wrap: type[FaultyPeer] | None = None) -> None:
        self.profile: PeripheralProfile = load_catalog().peripheral(profile_id)
        self.clock = VirtualClock()
        self.peer = build_peer(self.profile, seed=1, shared={})
        line: Peer = FaultyPeer(self.peer, 1, LineFault("split", delay_s=0.0005)) if wrap else self.peer
        self.line = MemoryTransport(line, self.clock)

    async def record(self, *runs: str, unmasked: bool = False) -> list[dict[str, Any]]:
        return await record(self.profile, self.line, calls_of(self.profile, runs), self.clock, unmasked=unmasked)


async def replayed(file: Path) -> tuple[Driver, MemoryTransport]:
    profile = load_catalog().peripheral(peripheral_of(file))
    clock = VirtualClock()
    line = MemoryTransport(load_replay(file), clock)
    await line.open()
    return load_driver(profile, line, clock), line


def written(lines: Sequence[dict[str, Any]], folder: Path) -> Path:
    file = folder / "recording.jsonl"
    save(lines, file)
    return file


def device_bytes(lines: Sequence[dict[str, Any]]) -> bytes:
    return b"".join(bytes.fromhex(line["hex"]) for line in lines if line.get("from") == "device")


async def read(driver: Driver) -> IdDocument:
    command = CAPABILITIES["id_reader"].commands["read"]
    document = await driver.execute(command, command.args.model_validate({"wait_s": 5}))
    assert isinstance(document, IdDocument)
    return document


async def truth(profile_id: str) -> tuple[Identity, Status]:
    session = Session(profile_id)
    await session.line.open()
    driver = load_driver(session.profile, session.line, session.clock)
    return await driver.identify(), await driver.status()


@pytest.mark.parametrize("profile_id", sorted(load_catalog().peripherals))
async def test_identify_and_status_of_every_device_play_back_with_the_same_outcome(
    profile_id: str, tmp_path: Path
) -> None:
    lines = await Session(profile_id).record(unmasked=True)
    assert [line["outcome"] for line in lines if "call" in line] == ["answered", "answered"]
    driver, _ = await replayed(written(lines, tmp_path))
    assert (await driver.identify(), await driver.status()) == await truth(profile_id)


@pytest.mark.parametrize("profile_id", ["sdt-sam-v", "epson-compatible-80", "creator-crt-571", "hdp-evaluator"])
async def test_what_cannot_name_anybody_is_in_the_clear_and_plays_back(profile_id: str, tmp_path: Path) -> None:
    lines = await Session(profile_id).record()
    assert [line["masked"] for line in lines if "call" in line] == [False, False]
    driver, _ = await replayed(written(lines, tmp_path))
    assert (await driver.identify(), await driver.status()) == await truth(profile_id)


async def test_a_recording_keeps_nothing_of_a_document(tmp_path: Path) -> None:
    session = Session("sdt-sam-v")
    session.peer.buttons["insert_card"](PERSON)
    lines = await session.record('read {"wait_s": 5}')
    (call,) = (line for line in lines if line.get("call") == "read")
    assert (call["outcome"], call["masked"]) == ("answered", True)
    text = written(lines, tmp_path).read_text()
    person = People(1).person(PERSON)
    for datum in (person.name, person.id_number, person.address, person.birth_date):
        for charset in ("utf-16-le", "utf-8", "gb18030"):
            encoded = datum.encode(charset)
            for part in (encoded[at : at + 4] for at in range(0, len(encoded) - 3)):
                assert part.hex(" ").upper() not in text
    masked = [line for line in lines if line.get("masked") and "from" in line and line["from"] == "device"]
    assert max(line["masked"] for line in masked) > 1000
    assert all(len(bytes.fromhex(line["hex"])) <= session.profile.harmless_bytes for line in masked)


async def test_a_document_that_comes_byte_by_byte_is_masked_as_one_run() -> None:
    session = Session("sdt-sam-v", wrap=FaultyPeer)
    session.peer.buttons["insert_card"](PERSON)
    lines = await session.record('read {"wait_s": 5}')
    at = next(number for number, line in enumerate(lines) if line.get("call") == "read")
    directions = [line["from"] for line in lines[at + 1 :] if "from" in line]
    assert len(directions) < 20
    assert all(first != second for first, second in itertools.pairwise(directions))


async def test_an_unmasked_recording_of_a_test_card_plays_back_the_same_document(tmp_path: Path) -> None:
    session = Session("sdt-sam-v")
    session.peer.buttons["insert_card"](PERSON)
    file = written(await session.record('read {"wait_s": 5}', unmasked=True), tmp_path)
    driver, _ = await replayed(file)
    await driver.identify()
    await driver.status()
    assert (await read(driver)).id_number == People(1).person(PERSON).id_number


@pytest.mark.parametrize("at", [0.0, 0.001])
async def test_a_code_that_somebody_shows_meanwhile_is_masked(at: float) -> None:
    session = Session("grow-gm65")
    session.clock.at(at, lambda: session.peer.buttons["present_code"]("11010519491231002X"))
    lines = await session.record('read {"wait_s": 5}')
    assert b"1101" not in device_bytes(lines)
    assert next(line for line in lines if line.get("call") == "read")["masked"]


class Blurts:
    """A scanner that says a code right behind its answer."""

    def __init__(self, peer: Peer, nth: int) -> None:
        self._peer, self._left = peer, nth
        self.buttons, self.advance, self.snapshot = peer.buttons, peer.advance, peer.snapshot

    def receive(self, data: bytes, now: float) -> list[tuple[float, bytes]]:
        output = self._peer.receive(data, now)
        self._left -= bool(output)
        return [(at, said + b"11010519491231002X\r") for at, said in output] if self._left == 0 else output


@pytest.mark.parametrize("nth", [1, 2])
async def test_a_code_behind_the_answer_to_a_status_is_masked(nth: int) -> None:
    session = Session("grow-gm65")
    session.line = MemoryTransport(Blurts(session.peer, nth), session.clock)
    lines = await session.record()
    assert b"1101" not in device_bytes(lines)
    assert [line["masked"] for line in lines if "call" in line][nth - 1]


def test_only_commands_that_cannot_name_anybody_are_in_the_clear() -> None:
    clear = {
        f"{name}.{command.name}"
        for name, capability in CAPABILITIES.items()
        for command in capability.commands.values()
        if in_the_clear(capability, command)
    }
    assert not clear & {"id_reader.read", "barcode_reader.read", "printer.print", "card_reader.read", "camera.capture"}
    assert not {name for name in clear if name.startswith(("id_reader", "card_reader", "fingerprint", "barcode"))}
    assert {"lights.all_off", "auxiliaries.read"} <= clear


def test_masked_runs_keep_length_and_equality_and_short_ones_only_length() -> None:
    passed = [
        *(Passed(0.1, False, bytes((value,))) for value in b"0123456789ABCDEFGH"),
        Passed(0.2, True, b"ok"),
        Passed(0.3, False, b"0123456789ABCDEFGH"),
        Passed(0.4, True, b""),
        Passed(0.5, False, b"", discarded=7),
    ]
    first, host, second, _, dropped = masked_lines(passed, 2, KEY)
    assert (first["hex"], first["masked"]) == ("30 31", 16)
    assert first["hash"] == second["hash"]
    assert host == {"t": 0.2, "from": "host", "hex": "6F 6B"}
    assert dropped["discarded"] == 7
    assert first["hash"] != next(masked_lines(passed, 2, b"another key"))["hash"]
    assert "hash" not in next(masked_lines(passed, 3, KEY))
    assert sum(len(bytes.fromhex(line["hex"])) for line in clear_lines(passed)) == 38


async def test_a_replayed_device_answers_again_and_in_another_order(tmp_path: Path) -> None:
    driver, line = await replayed(written(await Session("grow-gm65").record(), tmp_path))
    for _ in range(3):
        await driver.status()
    await driver.identify()
    await line.write(b"\x01\x02\x03")
    assert load_replay(tmp_path / "recording.jsonl").snapshot()["unknown_bytes"] == 0
    await driver.status()


def test_a_recorded_line_has_a_speed_if_the_line_has_one() -> None:
    assert isinstance(recorded(SerialTransport("/dev/none", Line()), float), AdjustableSpeed)
    assert not isinstance(recorded(Session("grow-gm65").line, float), AdjustableSpeed)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"recording": 2}', '{"recording": 1}\n{"from": "host"}', "null"])
def test_a_file_that_is_no_recording_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(text)
    with pytest.raises(SimulatorError, match="recording"):
        load_replay(tmp_path / "file")


def test_a_recording_never_replaces_a_file_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    file = written([{"recording": 1}], tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(AgentError, match="new file"):
        save([], file)


def test_commands_to_run_are_checked_before_the_line_is_opened() -> None:
    profile = load_catalog().peripheral("sdt-sam-v")
    with pytest.raises(ConfigurationError, match="did you mean 'read'"):
        calls_of(profile, ["rea"])
    with pytest.raises(ConfigurationError, match="JSON object"):
        calls_of(profile, ["read {"])
    with pytest.raises(ConfigurationError, match="wait_s"):
        calls_of(profile, ['read {"wait_s": "long"}'])


async def test_the_command_line_records_the_device_of_a_slot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = load_catalog().peripheral("epson-compatible-80")
    port = PtyPort(build_peer(profile, seed=1, shared={}), tmp_path / "printer")
    config, out = tmp_path / "agent.toml", tmp_path / "out.jsonl"
    config.write_text(
        f'machine = "t1"\nprofile = "ticket-machine"\nbroker = "mqtt://127.0.0.1"\ndata_dir = "{tmp_path}"\n'
        f'[ports]\nprinter = "{port.link}"\nid_reader = "/nowhere/id"\nscanner = "/nowhere/scan"\n'
    )
    words = ["record", "--config", str(config), "--slot", "printer", "--out", str(out)]
    assert await asyncio.to_thread(main, words) == 1
    assert "printer" in capsys.readouterr().err
    port.plug()
    try:
        assert await asyncio.to_thread(main, words) == 0
    finally:
        port.unplug()
    assert "epson-compatible-80" in capsys.readouterr().out
    assert json.loads(out.read_text().splitlines()[0])["peripheral"] == "epson-compatible-80"
    assert peripheral_of(out) == "epson-compatible-80"
