"""A whole cloud on a real Mosquitto with the fleet's own certificates: everything is TLS, all clients have one."""

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from cloud.app.http import create_app
from cloud.app.process import _listen, _Server, prepare_schema, run
from cloud.core.clock import SystemClock
from cloud.enrolment.adapters.broker_files import BrokerPlan, write_broker_files
from cloud.enrolment.service.authority import load_authority
from cloud.settings import CloudSettings, IdentitySettings
from cloud.web.site import build_site
from cloud.wiring import Cloud, build
from device_profiles.messages.enrolment import Enrolled, renewal_statement
from edge_agent.identity import keys
from edge_agent.identity.files import IdentityFolder
from tests.builders.mqtt_client import PlainClient
from tests.servers import mosquitto
from tests.servers.process import free_port

WITHIN_S = 15.0


@dataclass
class Keys:
    """What a machine has on its disk."""

    machine: str
    folder: IdentityFolder
    key: bytes
    enrolled: Enrolled


@dataclass
class SecureHall:
    """The cloud, its broker, and what a machine or a thief can do."""

    cloud: Cloud
    http: httpx.AsyncClient
    url: str
    port: int
    folder: Path
    broker: mosquitto.Broker

    async def claim(self, machine: str) -> str:
        """A claim code."""
        answer = await self.http.post(f"/api/v1/machines/{machine}/claims")
        assert answer.status_code == 201, answer.text
        return str(answer.json()["code"])

    async def enrol(self, machine: str, code: str | None = None) -> Keys:
        """Enrol a machine as ``hallfleet enrol`` does."""
        key = keys.new_key()
        asked = {
            "machine": machine,
            "code": code or await self.claim(machine),
            "csr": keys.signing_request(key, machine),
        }
        answer = await self.http.post("/api/v1/enrolments", json=asked)
        assert answer.status_code == 201, answer.text
        return self._stored(machine, key, Enrolled.from_bytes(answer.content))

    async def ask_to_enrol(self, machine: str, code: str, csr: str) -> str:
        """The answer in words."""
        return _said(await self.http.post("/api/v1/enrolments", json={"machine": machine, "code": code, "csr": csr}))

    async def ask_to_renew(self, have: Keys, machine: str = "", signer: bytes = b"") -> str:
        """The answer in words."""
        who, key = machine or have.machine, keys.new_key()
        csr = keys.signing_request(key, who)
        asked = {
            "machine": who,
            "certificate": have.enrolled.certificate,
            "csr": csr,
            "signature": keys.sign(signer or have.key, renewal_statement(who, csr)),
        }
        return _said(await self.http.post("/api/v1/enrolments/renewals", json=asked))

    async def revoke(self, machine: str) -> None:
        """As staff does."""
        answer = await self.http.post(f"/api/v1/machines/{machine}/certificates/revoke", json={"reason": "stolen"})
        assert answer.status_code == 200, answer.text

    def tls(self, have: Keys | None, ca_file: Path | None = None) -> ssl.SSLContext:
        """A machine's context."""
        context = ssl.create_default_context(cafile=ca_file or self.folder / "ca.crt")
        if have is not None:
            pair = have.folder.current()
            context.load_cert_chain(pair.cert_file, pair.key_file)
        return context

    def client(self, have: Keys, **options: Any) -> PlainClient:
        """A client with a machine's certificate."""
        return PlainClient(self.port, self.tls(have), options.pop("client_id", have.machine), **options)

    def copy_disk(self, have: Keys) -> Keys:
        """What a thief has who copied the disk."""
        copy = have.folder.path.with_name(f"{have.folder.path.name}-copy")
        shutil.copytree(have.folder.path, copy, symlinks=True)
        return Keys(have.machine, IdentityFolder(copy), have.key, have.enrolled)

    def _stored(self, machine: str, key: bytes, enrolled: Enrolled) -> Keys:
        folder = IdentityFolder(
            self.folder.parent / f"{self.folder.name}-machines" / f"{machine}-{enrolled.serial[-6:]}"
        )
        folder.take_in(key, enrolled)
        return Keys(machine, folder, key, enrolled)


@asynccontextmanager
async def open_secure_hall(folder: Path, database_url: str = "", **identity: Any) -> AsyncIterator[SecureHall]:
    """Cloud and broker; ``identity`` are settings of that name."""
    data = folder / "data"
    authority = load_authority(data, SystemClock().now())

    def write(place: Path, port: int) -> Path:
        crl = place / "fleet.crl"
        plan = BrokerPlan("mosquitto", ["127.0.0.1"], place, place, crl, port)
        write_broker_files(place, plan, authority, SystemClock().now())
        # The tests run beside other software: one address only.
        configuration = place / "mosquitto.conf"
        text = configuration.read_text().replace(f"listener {port}", f"listener {port} 127.0.0.1")
        configuration.write_text(text + "log_dest stdout\n")
        return configuration

    with mosquitto.serve_fleet(write) as broker:
        place = broker.process.folder
        settings = CloudSettings(
            data_dir=data,
            database_url=database_url,
            port=free_port(),
            demo=True,
            broker=f"mqtts://127.0.0.1:{broker.port}",
            broker_ca_file=place / "ca.crt",
            broker_cert_file=place / "cloud" / "cloud.crt",
            broker_key_file=place / "cloud" / "cloud.key",
            identity=IdentitySettings(crl_file=place / "fleet.crl", pid_file=place / "broker.pid", **identity),
        )
        async with running_cloud(settings) as (cloud, http):
            yield SecureHall(cloud, http, settings.public_address, broker.port, place, broker)


@asynccontextmanager
async def running_cloud(settings: CloudSettings) -> AsyncIterator[tuple[Cloud, httpx.AsyncClient]]:
    """The cloud as a process runs it, on this test's loop."""
    cloud = build(settings)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(cloud.telemetry.close)
        await stack.enter_async_context(cloud.db)
        await asyncio.to_thread(prepare_schema, cloud, True)
        for prepare in cloud.preparations:
            await cloud.db.write(prepare)
        site = build_site(cloud)
        config = uvicorn.Config(create_app(cloud, site), log_config=None, access_log=False, lifespan="off")
        server = _Server(config, site.stream.close)
        door = stack.enter_context(_listen(settings.host, settings.port))
        serving = asyncio.ensure_future(run(cloud, server, door))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=settings.public_address, trust_env=False))
        try:
            async with asyncio.timeout(WITHIN_S):
                await cloud.link.connected.wait()
            yield cloud, http
        finally:
            server.should_exit = True
            await asyncio.wait({serving})
            serving.result()


def _said(answer: httpx.Response) -> str:
    told = answer.json()
    return "certificate issued" if answer.status_code == 201 else f"{answer.status_code}: {told['detail']}"


async def in_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    """Paho blocks; the cloud runs on this loop."""
    return await asyncio.to_thread(partial(work, *arguments))
