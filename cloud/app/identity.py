"""``hallfleet cloud claim | revoke | broker-files``: what is done beside the running cloud, on the same store."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from cloud.core.bus import Bus
from cloud.core.clock import SystemClock, from_ms
from cloud.core.metrics import Metrics
from cloud.enrolment.adapters.broker_files import BrokerPlan, Kind, write_broker_files
from cloud.enrolment.adapters.hands import Hands
from cloud.enrolment.adapters.revocation_list import Reload, RevocationFile
from cloud.enrolment.jobs import RevocationPublisher
from cloud.enrolment.service import EnrolmentService
from cloud.enrolment.service.admission import Admission
from cloud.fleet.model import Register
from cloud.settings import CloudSettings
from cloud.storage import schema
from cloud.storage.engine import must_answer, sqlite_file
from cloud.storage.tx import Tx
from cloud.storage.unit_of_work import Database
from cloud.wiring import enrolment_of
from device_profiles.catalog import load_catalog
from device_profiles.messages.enrolment import shown_code

T = TypeVar("T")


def claim(settings: CloudSettings, machine: str) -> str:
    """A new claim code for ``machine``, in words."""
    made = asyncio.run(_beside(settings, lambda service, tx: service.make_claim(tx, machine), publish=False))
    until = from_ms(made.claim.expires_ms).astimezone().isoformat(sep=" ", timespec="minutes")
    return f"{shown_code(made.code)}\n{machine}: works once, until {until}; earlier codes no longer work"


def revoke(settings: CloudSettings, machine: str, reason: str) -> str:
    """Revoke ``machine``, write the broker's list, and say so. The running cloud notices by itself."""
    identity = asyncio.run(_beside(settings, lambda service, tx: service.revoke(tx, machine, reason), publish=True))
    return f"{machine}: revoked; its certificates of epoch {identity.epoch - 1} and before are dead"


def broker_files(settings: CloudSettings, kind: Kind, out: Path, hosts: list[str], folder: Path | None) -> str:
    """Write the broker's files, and say what goes where."""
    parts = urlsplit(settings.identity.machine_broker or settings.broker)
    place = (folder or out).resolve()
    plan = BrokerPlan(
        kind=kind,
        hosts=hosts or [str(parts.hostname)],
        folder=place,
        data=Path("/var/lib/mosquitto") if folder is not None else place,
        crl=settings.revocation_file.resolve(),
        port=(parts.port if parts.scheme == "mqtts" else None) or 8883,
        fetches_list=bool(settings.identity.crl_url),
    )
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    service = enrolment_of(settings, _register(settings), SystemClock())
    written = write_broker_files(out, plan, service.authority, SystemClock().now())
    cloud = out / "cloud"
    return "\n".join(
        [
            *(str(file) for file in written),
            f"the cloud connects with broker_cert_file = {cloud / 'cloud.crt'}, "
            f"broker_key_file = {cloud / 'cloud.key'}, broker_ca_file = {out / 'ca.crt'}",
            f"the broker reads the revocation list {plan.crl}",
        ]
    )


async def _beside(settings: CloudSettings, work: Callable[[EnrolmentService, Tx], T], *, publish: bool) -> T:
    clock, metrics = SystemClock(), Metrics()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    service = enrolment_of(settings, _register(settings), clock)
    async with Database(settings.database, Bus[Tx](), metrics) as db:
        await asyncio.to_thread(_check_schema, settings, db)
        done = await db.write(lambda tx: work(service, tx))
        if publish:
            file = RevocationFile(settings.revocation_file)
            reload = Reload(settings.identity.reload_command, settings.identity.pid_file)
            publisher = RevocationPublisher(db, service, Admission(), file, Hands(reload), clock, metrics)
            await publisher.look()
        return done


def _check_schema(settings: CloudSettings, db: Database) -> None:
    with must_answer():
        if sqlite_file(settings.database) is not None:
            schema.upgrade(db.write_engine)
        schema.check(db.write_engine)


def _register(settings: CloudSettings) -> Register:
    return Register(load_catalog(settings.profiles_dir), settings.halls)
