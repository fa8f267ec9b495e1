"""A real agent, enrolled by the command line, speaks to a real cloud over mTLS, renews, and is revoked."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from cloud.enrolment import store
from cloud.enrolment.model import CertificateState
from cloud.fleet.store import read_machine
from cloud.ingest.store import read_events
from device_profiles.catalog import load_catalog
from simulators.machine import SimulatedMachine
from simulators.people import People
from tests.builders.secure_hall import SecureHall, open_secure_hall
from tests.cloud.house import eventually
from tests.conftest import require

pytestmark = [pytest.mark.mosquitto, pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(120)]
MACHINE = "ticket-1"
FOUR_MINUTES = 4 / 24 / 60  # certificates are dated back ten: such a one is due for renewal when it is issued


async def test_enrol_speak_renew_be_revoked(tmp_path: Path, repo_root: Path) -> None:
    require("mosquitto")
    catalog = load_catalog()
    device = SimulatedMachine(MACHINE, catalog.machine("ticket-machine"), catalog, tmp_path / "ports", People(1, 5))
    device.plug()
    ports = "\n".join(f'{slot} = "{device.port(slot).link}"' for slot in catalog.machine("ticket-machine").slots)
    config = tmp_path / "machine" / "edge.toml"
    config.parent.mkdir()
    config.write_text(f"# of this machine\noutbox_mib = 4\n[ports]\n{ports}\n")
    async with open_secure_hall(tmp_path / "cloud", certificate_days=FOUR_MINUTES) as hall:
        await enrol(hall, repo_root, config, await hall.claim(MACHINE))
        assert "# of this machine" in config.read_text()
        assert f'identity_dir = "{config.parent}/identity"' in config.read_text()
        first = (config.parent / "identity" / "current").resolve()
        assert (first / "machine.key").stat().st_mode & 0o777 == 0o600
        assert (config.parent / "identity").stat().st_mode & 0o777 == 0o700
        arguments = ["-m", "edge_agent", "run", "--config", str(config)]
        agent = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=repo_root)
        try:
            await eventually(lambda: state_is(hall, "online"), "the agent on line over mTLS")
            await eventually(lambda: has_fact(hall, "agent.certificate_renewed"), "the renewed certificate in use")
            await eventually(lambda: states_are(hall, "active", "superseded"), "the old certificate ended")
            assert not first.exists()
            await hall.revoke(MACHINE)
            await eventually(lambda: state_is(hall, "online"), "nothing it says counts")
            assert (await hall.http.get(f"/api/v1/machines/{MACHINE}/certificates")).json()["identity"]["epoch"] == 2
        finally:
            agent.kill()
            await agent.wait()
            device.unplug()


async def enrol(hall: SecureHall, root: Path, config: Path, code: str) -> None:
    words = ["--cloud", hall.url, "--machine", MACHINE, "--profile", "ticket-machine", "--config", str(config)]
    command = [sys.executable, "-m", "hallfleet", "enrol", *words, "--out", str(config.parent)]
    pipe = asyncio.subprocess.PIPE
    run = await asyncio.create_subprocess_exec(*command, cwd=root, env=os.environ, stdin=pipe, stdout=pipe, stderr=pipe)
    told, wrong = await run.communicate(f"{code.lower()}\n".encode())  # typed, in small letters
    assert run.returncode == 0, wrong
    assert b"certificate" in told


async def state_is(hall: SecureHall, state: str) -> bool:
    row = await hall.cloud.db.read(lambda conn: read_machine(conn, MACHINE))
    return row is not None and row.state == state


async def has_fact(hall: SecureHall, fact_type: str) -> bool:
    rows = await hall.cloud.db.read(lambda conn: read_events(conn, MACHINE, None, 100))
    return any(row.type == fact_type for row in rows)


async def states_are(hall: SecureHall, *states: str) -> bool:
    found = await hall.cloud.db.read(lambda conn: store.of_machine(conn, MACHINE))
    return {CertificateState(state) for state in states} <= {one.state for one in found}
