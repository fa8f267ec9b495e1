"""Ending the live connection of a revoked machine.

No broker looks at a certificate again while a connection lasts. But every broker gives a client id to the newest
connection that comes with it and closes the older one: so the cloud logs in as the machine, with a certificate that it
signs for this moment, throws the session and what waits in it away, and leaves.
"""

import asyncio
import ssl
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from cloud.core.clock import Clock
from cloud.core.errors import Unavailable
from cloud.enrolment.service.authority import Authority, key_pem

WITHIN_S = 10.0
VALID = timedelta(minutes=5)


class Eviction:
    """Logs in as somebody else, for a moment. ``ca_file``: what the broker's certificate is checked against."""

    def __init__(
        self, host: str, port: int, tls: bool, ca_file: Path | None, authority: Authority, clock: Clock
    ) -> None:
        self._host, self._port, self._tls, self._ca_file = host, port, tls, ca_file
        self._authority = authority
        self._clock = clock

    async def evict(self, machine: str) -> None:
        """End whatever connection ``machine`` has. Raises Unavailable."""
        await asyncio.to_thread(self._evict, machine)

    def _evict(self, machine: str) -> None:
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=machine, protocol=paho.MQTTv5)
        client.username_pw_set(machine)
        client.connect_timeout = WITHIN_S / 2
        answers: list[ReasonCode] = []

        def on_connect(_client: paho.Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Any) -> None:
            answers.append(code)

        client.on_connect = on_connect
        try:
            if self._tls:
                client.tls_set_context(self._context(machine))
            client.connect(self._host, self._port, keepalive=10, clean_start=True)
            for _ in range(round(WITHIN_S)):
                if answers or client.loop(timeout=1.0) is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                    break
            client.disconnect()
        except (OSError, ValueError) as error:
            raise Unavailable(f"broker {self._host}:{self._port}: {machine} not disconnected: {error}") from error
        if not answers or answers[0].is_failure:
            said = str(answers[0]) if answers else "no answer"
            raise Unavailable(f"broker {self._host}:{self._port}: {machine} not disconnected: {said}")

    def _context(self, machine: str) -> ssl.SSLContext:
        key, now = ec.generate_private_key(ec.SECP256R1()), self._clock.now()
        issued = self._authority.issue_client(machine, key.public_key(), now, now + VALID)
        context = ssl.create_default_context(cafile=self._ca_file)
        with tempfile.TemporaryDirectory(prefix="hallfleet-eviction-") as folder:
            file = Path(folder) / "pair.pem"
            file.touch(mode=0o600)
            file.write_bytes(key_pem(key) + issued.pem.encode())
            context.load_cert_chain(file)
        return context
