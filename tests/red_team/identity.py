"""Machines and thieves against a real Mosquitto with mTLS, and against the cloud's calls without a log-in."""

import json
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from cloud.core.clock import SystemClock
from cloud.enrolment.service.authority import spki
from cloud.fleet.store import read_machine
from cloud.ingest.link import Outgoing
from cloud.ingest.quarantine import read_quarantine
from device_profiles.messages.command import Ack
from device_profiles.messages.topics import CLOUD_PRESENCE, Down, Topic, Up, machine_filter
from edge_agent.identity import keys
from tests.builders.mqtt_client import PlainClient
from tests.builders.secure_hall import Keys, SecureHall, in_thread, open_secure_hall
from tests.cloud.house import eventually
from tests.red_team import Result, Row, forgery

TITLE = "Identity: certificates, claim codes, the broker's rights"
A, B, STOLEN, SPARE = "counter-1", "counter-2", "counter-3", "counter-4"
REFUSED = "refused"
NOT_ALLOWED = "PUBACK Not authorized, nothing delivered"
_PRESENCE = b'{"state": "online", "epoch": 7, "agent_version": "thief", "since": "2026-01-01T00:00:00Z"}'


@dataclass
class Scene:
    """Two honest machines, one that will be stolen, and what they are connected with."""

    hall: SecureHall
    a: Keys
    b: Keys
    stolen: Keys
    folder: Path
    figures: dict[str, float] = field(default_factory=dict)
    sessions: tuple[str, str] = ("", "")
    clients: list[PlainClient] = field(default_factory=list)

    async def connected(self, have: Keys) -> PlainClient:
        """A client that was let in."""
        client = self.hall.client(have)
        assert await in_thread(client.connect) == "in"
        self.clients.append(client)
        return client

    async def state_of(self, machine: str) -> str:
        """What the cloud believes of a machine."""
        row = await self.hall.cloud.db.read(lambda conn: read_machine(conn, machine))
        return "never seen" if row is None else str(row.state)

    async def log_in(self, pair: Path | None) -> str:
        """What comes of a log-in with a pair of somebody's own making."""
        tls = forgery.context(self.hall.folder / "ca.crt", pair)
        return REFUSED if (await in_thread(PlainClient(self.hall.port, tls, A).connect)).startswith(REFUSED) else "in"


Try = Callable[[Scene], Awaitable[str]]
ATTEMPTS: list[tuple[str, str, Try]] = []


def attempt(what: str, expected: str) -> Callable[[Try], Try]:
    """Adds a row; rows run in the order of this file."""

    def add(function: Try) -> Try:
        ATTEMPTS.append((what, expected, function))
        return function

    return add


async def rows(folder: Path) -> Result:
    """Try everything."""
    async with AsyncExitStack() as stack:
        hall = await stack.enter_async_context(open_secure_hall(folder / "hall"))
        scene = Scene(hall, await hall.enrol(A), await hall.enrol(B), await hall.enrol(STOLEN), folder)
        try:
            found = [Row(what, expected, await function(scene)) for what, expected, function in ATTEMPTS]
        finally:
            for client in scene.clients:
                client.close()
    return Result(found, scene.figures)


@attempt("machine A publishes as machine B", NOT_ALLOWED)
async def _publish_as_another(scene: Scene) -> str:
    client = await scene.connected(scene.a)
    said = await in_thread(client.publish, str(Topic(B, Up.PRESENCE)), _PRESENCE)
    await _catch_up(scene, client)
    state = await scene.state_of(B)
    return f"PUBACK {said}, {'nothing delivered' if state == 'never seen' else 'delivered'}"


@attempt("machine A subscribes to machine B's commands", "SUBACK Granted QoS 1, B's message not delivered")
async def _read_as_another(scene: Scene) -> str:
    client = await scene.connected(scene.a)
    said = await in_thread(client.subscribe, machine_filter(B))
    return f"SUBACK {said}, {await _what_arrives(scene, client)}"


@attempt("machine A subscribes to everything (hallfleet/v1/#)", "SUBACK Granted QoS 1, B's message not delivered")
async def _read_everything(scene: Scene) -> str:
    client = await scene.connected(scene.a)
    said = await in_thread(client.subscribe, "hallfleet/v1/#")
    return f"SUBACK {said}, {await _what_arrives(scene, client)}"


@attempt("machine A says that the cloud has gone", NOT_ALLOWED)
async def _play_the_cloud(scene: Scene) -> str:
    client = await scene.connected(scene.a)
    said = await in_thread(client.publish, CLOUD_PRESENCE, b'{"state": "offline", "birth": "thief"}', True)
    await in_thread(client.subscribe, CLOUD_PRESENCE)
    await in_thread(client.wait_for, CLOUD_PRESENCE)
    heard = [json.loads(payload)["birth"] for topic, payload in client.received if topic == CLOUD_PRESENCE]
    return f"PUBACK {said}, {'delivered' if 'thief' in heard else 'nothing delivered'}"


@attempt("machine A's last will speaks as machine B", "no word of B delivered")
async def _will_of_another(scene: Scene) -> str:
    client = scene.hall.client(scene.a, will=(str(Topic(B, Up.PRESENCE)), _PRESENCE))
    if await in_thread(client.connect) == "in":
        await in_thread(client.vanish)
    await _catch_up(scene, await scene.connected(scene.a))
    return "no word of B delivered" if await scene.state_of(B) == "never seen" else "delivered"


@attempt("machine A logs in with machine B's client id, user name and a will to take its session", "B stays connected")
async def _client_id_of_another(scene: Scene) -> str:
    client = await scene.connected(scene.b)
    thief = scene.hall.client(scene.a, client_id=B, user=B)
    scene.clients.append(thief)
    await in_thread(thief.connect)
    said = await in_thread(client.publish, str(Topic(B, Up.PRESENCE)), b"{}")
    return f"B {'stays connected' if client.connected and said == 'Success' else 'was pushed out'}"


@attempt("a client without a certificate", REFUSED)
async def _no_certificate(scene: Scene) -> str:
    return await scene.log_in(None)


@attempt("a certificate that its holder signed himself, with A's name", REFUSED)
async def _self_signed(scene: Scene) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return await scene.log_in(forgery.write_pair(scene.folder / "own", key, [forgery.certificate(A, key, A, key)]))


@attempt("a certificate of another CA that has our CA's name", REFUSED)
async def _other_authority(scene: Scene) -> str:
    ca, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    common = scene.hall.cloud.enrolment.authority.certificate.subject.rfc4514_string().removeprefix("CN=")
    chain = [forgery.certificate(A, key, common, ca), forgery.certificate(common, ca, common, ca, is_ca=True)]
    return await scene.log_in(forgery.write_pair(scene.folder / "other", key, chain))


@attempt("machine A signs a certificate for B with its own key", REFUSED)
async def _machine_as_authority(scene: Scene) -> str:
    own = x509.load_pem_x509_certificate(scene.a.enrolled.certificate.encode())
    key = ec.generate_private_key(ec.SECP256R1())
    signer = _private(scene.a.key)
    chain = [forgery.certificate(B, key, A, signer), own]
    return await scene.log_in(forgery.write_pair(scene.folder / "sub", key, chain))


@attempt("an expired certificate of ours", REFUSED)
async def _expired(scene: Scene) -> str:
    key, now = ec.generate_private_key(ec.SECP256R1()), SystemClock().now()
    authority = scene.hall.cloud.enrolment.authority
    issued = authority.issue_machine(A, 1, key.public_key(), now - timedelta(days=2), now - timedelta(seconds=1))
    return await scene.log_in(forgery.write_pair(scene.folder / "expired", key, [issued.certificate]))


@attempt("a claim code used a second time, with another key", "403: claim code: not one that is open for this machine")
async def _code_again(scene: Scene) -> str:
    code = await scene.hall.claim(SPARE)
    await scene.hall.enrol(SPARE, code)
    return _short(await scene.hall.ask_to_enrol(SPARE, code, keys.signing_request(keys.new_key(), SPARE)))


@attempt("machine A's claim code for machine B", "403: claim code: not one that is open for this machine")
async def _code_of_another(scene: Scene) -> str:
    code = await scene.hall.claim(SPARE)
    return _short(await scene.hall.ask_to_enrol(B, code, keys.signing_request(keys.new_key(), B)))


@attempt("a claim code that a newer one has replaced", "403: claim code: not one that is open for this machine")
async def _old_code(scene: Scene) -> str:
    code = await scene.hall.claim(SPARE)
    await scene.hall.claim(SPARE)
    return _short(await scene.hall.ask_to_enrol(SPARE, code, keys.signing_request(keys.new_key(), SPARE)))


@attempt("a request with another machine's name", "422: csr: expected no subject, or CN=counter-4 alone")
async def _other_name(scene: Scene) -> str:
    return await _request(scene, forgery.request(B, ec.generate_private_key(ec.SECP256R1())))


@attempt("a request to become a CA (CA:TRUE)", "422: csr: expected no extensions")
async def _become_authority(scene: Scene) -> str:
    wish = x509.BasicConstraints(ca=True, path_length=None)
    return await _request(scene, forgery.request(SPARE, ec.generate_private_key(ec.SECP256R1()), (wish, True)))


@attempt("a request with machine B as alternative name", "422: csr: expected no extensions")
async def _other_alternative_name(scene: Scene) -> str:
    wish = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"urn:hallfleet:machine:{B}:1")])
    return await _request(scene, forgery.request(SPARE, ec.generate_private_key(ec.SECP256R1()), (wish, False)))


@attempt("a request with a weak key (RSA 1024)", "422: csr: expected a key on P-256, P-384 or Ed25519")
async def _weak_rsa(scene: Scene) -> str:
    weak = rsa.generate_private_key(65537, 1024)
    return await _request(scene, forgery.request(SPARE, weak))


@attempt("a request with a weak curve (P-224)", "422: csr: expected a key on P-256, P-384 or Ed25519")
async def _weak_curve(scene: Scene) -> str:
    return await _request(scene, forgery.request(SPARE, ec.generate_private_key(ec.SECP224R1())))


@attempt("a request for somebody else's public key", "422: csr: its signature is not by its own key")
async def _key_of_another(scene: Scene) -> str:
    mine, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    return await _request(scene, forgery.with_other_key(forgery.request(SPARE, mine), other))


@attempt("a request for a key that had a certificate before", "409: csr: this key had a certificate before")
async def _known_key(scene: Scene) -> str:
    return await _request(scene, keys.signing_request(scene.b.key, SPARE))


@attempt("machine A renews machine B's certificate", "403: certificate: expected that of counter-2")
async def _renew_another(scene: Scene) -> str:
    return _short(await scene.hall.ask_to_renew(scene.a, machine=B))


@attempt("a copied certificate without its key is renewed", "403: signature: not by the key of the present certificate")
async def _renew_without_key(scene: Scene) -> str:
    return _short(await scene.hall.ask_to_renew(scene.b, signer=keys.new_key()))


@attempt("a stolen machine is connected when it is revoked", "connection ended, log-in refused, nothing it said counts")
async def _revoked_while_connected(scene: Scene) -> str:
    context = scene.hall.tls(scene.stolen)
    _, session = await in_thread(_tls_log_in, scene.hall.port, context, None)
    resumed, _ = await in_thread(_tls_log_in, scene.hall.port, context, session)
    client = await scene.connected(scene.stolen)
    began = time.monotonic()
    await scene.hall.revoke(STOLEN)
    said = await in_thread(client.publish, str(Topic(STOLEN, Up.PRESENCE)), _PRESENCE)
    scene.figures["seconds from revocation to the end of the live connection"] = (
        await in_thread(client.wait_for_end) - began
    )
    refused = await in_thread(scene.hall.client(scene.stolen).connect)
    scene.figures["seconds from revocation to a refused log-in, at most"] = time.monotonic() - began
    again, _ = await in_thread(_tls_log_in, scene.hall.port, context, session)
    scene.sessions = ("before" if resumed == "in, resumed" else "never", again)
    counted = await scene.state_of(STOLEN) != "never seen"
    if said == "Success":
        await eventually(lambda: _aside(scene, "revoked since"), "the revoked machine's word in quarantine")
    silent = "nothing it said counts" if not counted else "its word counted"
    return f"connection ended, log-in {REFUSED if refused.startswith(REFUSED) else refused}, {silent}"


@attempt("its TLS session from before the revocation is resumed", "resumed before, refused after")
async def _old_session(scene: Scene) -> str:
    before, after = scene.sessions
    return f"resumed {before}, {after} after"


@attempt("a disk copied before the revocation logs in after it", REFUSED)
async def _stolen_disk(scene: Scene) -> str:
    thief = scene.hall.client(scene.hall.copy_disk(scene.stolen))
    return REFUSED if (await in_thread(thief.connect)).startswith(REFUSED) else "in"


@attempt(
    "a disk copied before the revocation renews its certificate after it", "403: certificate: counter-3 was revoked"
)
async def _stolen_disk_renews(scene: Scene) -> str:
    return _short(await scene.hall.ask_to_renew(scene.stolen))


@attempt("a stolen disk comes back once the machine has a new one", "log-in refused, renewal 403, the new disk is in")
async def _old_disk(scene: Scene) -> str:
    new = await scene.hall.enrol(STOLEN)
    old = await in_thread(scene.hall.client(scene.stolen).connect)
    renewal = await scene.hall.ask_to_renew(scene.stolen)
    honest = await scene.connected(new)
    word = REFUSED if old.startswith(REFUSED) else old
    return f"log-in {word}, renewal {renewal[:3]}, the new disk is {'in' if honest.connected else 'out'}"


@attempt("claim codes are tried one after the other", "429 before the 30th")
async def _guessing(scene: Scene) -> str:
    request = keys.signing_request(keys.new_key(), SPARE)
    for tries in range(30):
        if (await scene.hall.ask_to_enrol(SPARE, "0" * 20, request)).startswith("429"):
            return "429 before the 30th"
        assert tries < 29
    return "never stopped"


async def _catch_up(scene: Scene, client: PlainClient) -> None:
    """Until the cloud has taken in what A says now, and so everything before it."""
    mark = f"mark {time.monotonic_ns()}".encode()
    said = await in_thread(client.publish, str(Topic(A, Up.INVENTORY)), mark)
    assert said == "Success", said
    await eventually(lambda: _aside_payload(scene, mark), "A's own word at the cloud")


async def _what_arrives(scene: Scene, client: PlainClient) -> str:
    await in_thread(client.subscribe, machine_filter(A))
    for machine in (B, A):
        body = Ack(epoch=1, sequence=1).to_bytes()
        scene.hall.cloud.link.publish(Outgoing(str(Topic(machine, Down.ACK)), body))
    await in_thread(client.wait_for, str(Topic(A, Down.ACK)))
    foreign = any(topic.split("/")[3] == B for topic, _ in client.received)
    return f"B's message {'delivered' if foreign else 'not delivered'}"


async def _request(scene: Scene, csr: str) -> str:
    return _short(await scene.hall.ask_to_enrol(SPARE, await scene.hall.claim(SPARE), csr))


async def _aside(scene: Scene, words: str) -> bool:
    found = await scene.hall.cloud.db.read(lambda conn: read_quarantine(conn, None, 50))
    return any(words in row.reason for row in found)


async def _aside_payload(scene: Scene, payload: bytes) -> bool:
    found = await scene.hall.cloud.db.read(lambda conn: read_quarantine(conn, None, 50))
    return any(bytes(row.payload) == payload for row in found)


def _tls_log_in(
    port: int, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[str, ssl.SSLSession | None]:
    """A bare MQTT log-in that may bring a TLS session of before."""
    connect = b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x1e\x00\x00\x01x"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as wrapped:
                wrapped.sendall(connect)
                if not wrapped.recv(100):
                    return REFUSED, None
                return ("in, resumed" if wrapped.session_reused else "in"), wrapped.session
        except OSError:
            return REFUSED, None


def _short(answer: str) -> str:
    return answer.partition(" (")[0].partition(", got ")[0].partition(";")[0]


def _private(key: bytes) -> ec.EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    found = load_pem_private_key(key, None)
    assert isinstance(found, ec.EllipticCurvePrivateKey)
    assert spki(found.public_key())
    return found
