"""What the agent does when somebody else stands where its broker should be."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from cloud.core.clock import SystemClock
from cloud.enrolment.service.authority import Authority, Issued, load_authority
from edge_agent.errors import LinkLost
from edge_agent.uplink.address import BrokerAddress, tls_context
from edge_agent.uplink.mqtt import MqttUplink
from tests.red_team import Result, Row, forgery

TITLE = "False brokers: what the agent lets stand in for its own"
MACHINE = "counter-1"
HOST = "127.0.0.1"
REASONS = (
    *("self-signed certificate in certificate chain", "IP address mismatch", "unsuitable certificate purpose"),
    "certificate has expired",
)


async def rows(folder: Path) -> Result:
    """Try every kind of certificate that a false broker could have."""
    now = SystemClock().now()
    until = now + timedelta(days=1)
    ours, theirs = load_authority(folder / "ours", now), load_authority(folder / "theirs", now)
    ca_file = folder / "ours" / "ca.crt"
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()

    async def meet(issued: Issued, chain: Authority, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> str:
        pair = forgery.write_pair(folder / "server", key, [issued.certificate, chain.certificate])
        async with _listening(pair, version) as port:
            return await _agent_says(port, ca_file)

    old = now - timedelta(days=3)
    tries = [
        ("another CA's certificate for the right name", theirs.issue_server([HOST], public, now, until), theirs,
         "self-signed certificate in certificate chain"),
        ("our certificate for another host", ours.issue_server(["broker.elsewhere"], public, now, until), ours,
         "IP address mismatch"),
        ("a machine's own certificate", ours.issue_machine(MACHINE, 1, public, now, until), ours,
         "unsuitable certificate purpose"),
        ("our certificate, expired", ours.issue_server([HOST], public, old, now - timedelta(days=1)), ours,
         "certificate has expired"),
    ]  # fmt: skip
    found = [
        Row(f"a broker with {what}", f"not connected: {why}", await meet(issued, chain))
        for what, issued, chain, why in tries
    ]
    good = ours.issue_server([HOST], public, now, until)
    word = await meet(good, ours, ssl.TLSVersion.TLSv1_2)
    found.append(Row("a broker that offers no more than TLS 1.2", "not connected: no handshake", word))
    word = await meet(good, ours)
    found.append(Row("(to compare) our certificate for the right host", "the handshake is made", word))
    return Result(found)


async def _agent_says(port: int, ca_file: Path) -> str:
    uplink = MqttUplink(BrokerAddress(HOST, port, 30, tls_context(ca_file, None, None)), MACHINE, b"{}")
    try:
        async with uplink.connect():
            return "connected"
    except LinkLost as error:
        words = str(error).replace("_", " ").lower()
    said = next((word for word in REASONS if word.lower() in words), "")
    if not said and "expected a broker there" in words:
        said = "no handshake"
    # Whoever listens speaks no MQTT: after a good handshake the link ends.
    return f"not connected: {said}" if said else "the handshake is made"


@asynccontextmanager
async def _listening(pair: Path, version: ssl.TLSVersion) -> AsyncIterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.maximum_version = version
    context.load_cert_chain(pair)

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    # What a refused handshake leaves is the loop's to tell; here it is what the test is about.
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    server = await asyncio.start_server(hang_up, HOST, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        asyncio.get_running_loop().set_exception_handler(None)
