"""``hallfleet simulate`` as processes: what appears, what they answer, and what is left when they end."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.servers.process import free_port
from tests.simulators.test_pty_port import FIND, NO_CARD, host
from tests.simulators.waiting import eventually


@asynccontextmanager
async def simulate(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hallfleet", "simulate", *arguments, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _ended(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    _, errors = await asyncio.wait_for(process.communicate(), 10)
    return process.returncode, errors.decode()


async def test_peripheral_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    link = tmp_path / "reader"
    async with simulate("peripheral", "sdt-sam-v", "--link", str(link)) as process:
        await eventually(link.exists, 15)
        with host(link) as agent:
            agent.write(FIND)
            assert await agent.receive(len(NO_CARD)) == NO_CARD
        process.send_signal(signal.SIGTERM)
        assert await _ended(process) == (0, "")
        assert not link.is_symlink()


async def test_a_peripheral_has_its_faults_by_plan(tmp_path: Path) -> None:
    link = tmp_path / "reader"
    faults = ("--fault", "insert_card:person=p001@0s", "--fault", "unplug@0.1s..0.2s+0.1s", "--fault", "mute@1s")
    async with simulate("peripheral", "sdt-sam-v", "--link", str(link), "--seed", "3", *faults) as process:
        await eventually(link.exists, 15)
        await eventually(lambda: not link.exists(), 5)
        await eventually(link.exists, 5)
        with host(link) as agent:
            agent.write(FIND)
            assert (await agent.receive(10))[9:10] == b"\x9f"
        process.send_signal(signal.SIGTERM)
        assert await _ended(process) == (0, "")


async def test_a_fault_that_the_device_does_not_have_is_refused(tmp_path: Path) -> None:
    arguments = ("sdt-sam-v", "--link", str(tmp_path / "reader"), "--fault", "paper_out@1s")
    async with simulate("peripheral", *arguments) as process:
        code, errors = await _ended(process)
    assert code == 1
    assert "paper_out" in errors
    assert "Traceback" not in errors


async def test_a_recording_is_played_back_behind_a_port(tmp_path: Path) -> None:
    link, file = tmp_path / "reader", tmp_path / "recording.jsonl"
    lines = [
        {"recording": 1, "peripheral": "sdt-sam-v"},
        {"t": 0.0, "from": "host", "hex": FIND.hex()},
        {"t": 0.02, "from": "device", "hex": NO_CARD.hex()},
    ]
    file.write_text("\n".join(map(json.dumps, lines)))
    async with simulate("peripheral", "sdt-sam-v", "--link", str(link), "--replay", str(file)):
        await eventually(link.exists, 15)
        with host(link) as agent:
            agent.write(FIND)
            assert await agent.receive(len(NO_CARD)) == NO_CARD
    async with simulate("peripheral", "grow-gm65", "--link", str(link), "--replay", str(file)) as process:
        code, errors = await _ended(process)
    assert code == 1
    assert "sdt-sam-v" in errors


async def test_machine_has_a_control_api(tmp_path: Path) -> None:
    port = free_port()
    arguments = ("ticket-machine", "--dir", str(tmp_path), "--id", "ticket-9", "--control-port", str(port))
    async with simulate("machine", *arguments) as process, httpx.AsyncClient(trust_env=False) as hands:
        await eventually((tmp_path / "ticket-9" / "printer").exists, 15)
        machines = await _get(hands, f"http://127.0.0.1:{port}/machines")
        assert list(machines) == ["ticket-9"]
        process.send_signal(signal.SIGINT)
        assert await _ended(process) == (0, "")
    assert not list((tmp_path / "ticket-9").iterdir())


async def test_departments_remember_what_they_answered_through_a_kill(tmp_path: Path) -> None:
    port, data = free_port(), str(tmp_path / "office.db")
    payment = {"key": "k1", "amount_fen": 100, "code": "281234567890123456"}
    async with httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{port}") as client:
        async with simulate("departments", "--port", str(port), "--data", data) as process:
            await _get(client, "/healthz")
            assert (await client.post("/payments", json=payment)).json()["state"] == "authorised"
            process.kill()
            await process.wait()
        async with simulate("departments", "--port", str(port), "--data", data):
            ledger = await _get(client, "/ledger")
            assert [entry["key"] for entry in ledger["payments"]] == ["k1"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("peripheral", "sdt-sam-x", "--link", "x"), "sdt-sam-v"),
        (("hall", "--hall", "demo-hal", "--dir", "x"), "demo-hall"),
        (("hall", "--dir", "x", "--screens", "/nonexistent/screens.json"), "screens.json"),
        (("machine", "kiosk", "--dir", "x", "--id", "k", "--speed", "0"), "above 0"),
    ],
)
async def test_mistakes_on_the_command_line_are_told(arguments: tuple[str, ...], words: str) -> None:
    async with simulate(*arguments) as process:
        code, errors = await _ended(process)
        assert code not in (0, None)
        assert words in errors
        assert "Traceback" not in errors


async def _get(client: httpx.AsyncClient, url: str) -> dict[str, list[dict[str, object]]]:
    """GET as soon as somebody answers."""
    for _ in range(1000):
        try:
            answer: dict[str, list[dict[str, object]]] = (await client.get(url)).json()
            return answer
        except httpx.TransportError:
            await asyncio.sleep(0.02)
    raise AssertionError(f"{url}: nobody answers")
