"""Everything a broker needs to serve a fleet: configuration, rights, certificates, the first revocation list."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from string import Template
from typing import Literal

from cryptography.hazmat.primitives.asymmetric import ec

from cloud.core.errors import Invalid
from cloud.enrolment.adapters.revocation_list import RevocationFile
from cloud.enrolment.service.authority import Authority, key_pem, make_once
from device_profiles.messages.enrolment import CLOUD_NAME
from device_profiles.messages.topics import CLOUD_PRESENCE

TEMPLATES = Path(__file__).parent / "templates"
FILES = {
    "mosquitto": (
        "mosquitto.conf",
        "hallfleet.acl",
        "hallfleet-broker-reload.path",
        "hallfleet-broker-reload.service",
    ),
    "emqx": ("emqx.conf", "emqx-acl.conf"),
}
CERTIFICATE_LIFETIME = timedelta(days=825)
Kind = Literal["mosquitto", "emqx"]


@dataclass(frozen=True, slots=True)
class BrokerPlan:
    """``hosts``: names and addresses under which clients reach it. ``folder``: where the files will lie there.

    ``data``: what the broker may write. ``crl``: the revocation list. ``fetches_list``: it has an address of ours.
    """

    kind: Kind
    hosts: Sequence[str]
    folder: Path
    data: Path
    crl: Path
    port: int = 8883
    connections: int = 10_000
    fetches_list: bool = False


def write_broker_files(out: Path, plan: BrokerPlan, authority: Authority, now: datetime) -> list[Path]:
    """Write the files into ``out``; keys and certificates that are there already stay. Returns all of them.

    Raises Invalid when no host is named.
    """
    if not plan.hosts:
        raise Invalid("broker-files: expected --host NAME: the name under which machines reach the broker")
    out.mkdir(parents=True, exist_ok=True)
    (out / "ca.crt").write_text(authority.pem)
    _pair(out / "broker", authority, now, plan.hosts)
    (out / "cloud").mkdir(mode=0o700, exist_ok=True)
    _pair(out / "cloud" / "cloud", authority, now, ())
    if RevocationFile(plan.crl).read() is None:
        RevocationFile(plan.crl).write(authority.revocations([], int(now.timestamp() * 1000), now))
    values = _values(plan)
    for name in FILES[plan.kind]:
        (out / name).write_text(Template((TEMPLATES / name).read_text("utf-8")).safe_substitute(values), "utf-8")
    return sorted(file for file in out.rglob("*") if file.is_file())


def _values(plan: BrokerPlan) -> dict[str, str]:
    return {
        "port": str(plan.port),
        "folder": str(plan.folder),
        "data": str(plan.data),
        "crl": str(plan.crl),
        "crl_check": str(plan.fetches_list).lower(),
        "connections": str(plan.connections),
        "cloud": CLOUD_NAME,
        "presence": CLOUD_PRESENCE,
    }


def _pair(stem: Path, authority: Authority, now: datetime, hosts: Sequence[str]) -> None:
    """A key and its certificate: a server's for ``hosts``, the cloud's own without."""
    key_file, cert_file = stem.with_suffix(".key"), stem.with_suffix(".crt")
    if key_file.exists() and cert_file.exists():
        return
    key, until = ec.generate_private_key(ec.SECP256R1()), now + CERTIFICATE_LIFETIME
    public = key.public_key()
    issued = (
        authority.issue_server(hosts, public, now, until)
        if hosts
        else authority.issue_client(CLOUD_NAME, public, now, until)
    )
    for file in (key_file, cert_file):
        file.unlink(missing_ok=True)
    make_once(key_file, lambda: key_pem(key), 0o600)
    make_once(cert_file, lambda: issued.pem.encode(), 0o644)
