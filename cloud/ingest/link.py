"""The cloud's MQTT 5 connection: receives everything machines say, and sends to them with a bounded window.

gmqtt speaks the protocol. Each connection gets a client of its own, so an acknowledgement can never go to a later
connection, where its packet id means another message.
"""

import asyncio
import logging
import random
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from gmqtt import Client, Message
from gmqtt.mqtt.handler import MQTTError
from gmqtt.storage import PersistentStorage

from cloud.core.errors import Invalid, Unavailable
from cloud.core.ids import new_id
from device_profiles.configuration import check_broker_url
from device_profiles.messages.presence import CloudPresence
from device_profiles.messages.topics import CLOUD_PRESENCE, ingest_filter

log = logging.getLogger(__name__)

KEEPALIVE_S = 30
SESSION_EXPIRY_S = 86_400
RECEIVE_MAXIMUM = 1000  # unacknowledged messages that the broker may have under way to us
CONNECT_WITHIN_S = 10.0
BACKOFF_S = (0.2, 5.0)
WINDOW = 16  # unacknowledged messages from us; Mosquitto takes 20 by default
NO_RECONNECT = -2  # below gmqtt's -1 (for ever): a new client is ours to make

# gmqtt logs raw packets when they are malformed; what matters of its connection is logged here.
_SILENT = logging.getLogger("hallfleet.gmqtt")
_SILENT.disabled = True

Receive = Callable[[str, bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is and how to prove who we are. Plain ``mqtt://`` is for loopback only."""

    url: str
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def __post_init__(self) -> None:
        try:
            check_broker_url(self.url)
        except ValueError as error:
            raise Invalid(f"broker: {error}") from error

    @property
    def host(self) -> str:
        """Host name or address."""
        return str(urlsplit(self.url).hostname)

    @property
    def port(self) -> int:
        """TCP port; 1883, or 8883 with TLS, where the address names none."""
        parts = urlsplit(self.url)
        return parts.port or (8883 if parts.scheme == "mqtts" else 1883)

    def tls(self) -> ssl.SSLContext | bool:
        """The TLS context, False for a plain connection."""
        if urlsplit(self.url).scheme == "mqtt":
            return False
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send. ``key``: a later message with the same key replaces one that still waits."""

    topic: str
    payload: bytes
    retain: bool = False
    expiry_s: int | None = None
    key: str = ""


class _InFlight(PersistentStorage):  # type: ignore[misc]
    """gmqtt's record of what the broker has not acknowledged; tells when there is room again."""

    def __init__(self, freed: Callable[[], None]) -> None:
        super().__init__()
        self._freed = freed
        self._newest = 0
        self._sent: dict[int, tuple[str, Outgoing]] = {}

    def push_message(self, mid: int, raw_package: bytes) -> None:
        """gmqtt sent a message under packet id ``mid``."""
        super().push_message(mid, raw_package)
        self._newest = mid

    def note(self, key: str, message: Outgoing) -> None:
        """Remember what the message sent last was."""
        self._sent[self._newest] = (key, message)

    def remove_message_by_mid(self, mid: int) -> None:
        """The broker acknowledged ``mid``."""
        super().remove_message_by_mid(mid)
        self._sent.pop(mid, None)
        self._freed()

    def unacknowledged(self) -> list[tuple[str, Outgoing]]:
        """What was sent and not acknowledged, in order."""
        return list(self._sent.values())

    def __len__(self) -> int:
        return len(self._sent)


class Link:
    """``run`` keeps the connection; ``publish`` may be called at any time and from any task of the loop."""

    def __init__(self, address: BrokerAddress, client_id: str = "hallfleet-cloud") -> None:
        self._address = address
        self._receive: Receive | None = None
        self._client_id = client_id
        self._waiting: OrderedDict[str, Outgoing] = OrderedDict()
        self._connection: _Connection | None = None
        self._birth, self._born = new_id("birth"), False
        self.connected = asyncio.Event()

    def publish(self, message: Outgoing) -> None:
        """Queue ``message`` (QoS 1); it goes out when there is a connection and room in its window."""
        key = message.key or message.topic
        self._waiting.pop(key, None)
        self._waiting[key] = message
        if self._connection is not None:
            self._connection.pump()

    def deliver_to(self, receive: Receive) -> None:
        """Whom to give messages to; a message is acknowledged to the broker when ``receive`` has returned."""
        self._receive = receive

    async def run(self) -> None:
        """Connect, and connect again whenever the connection is lost, until cancelled."""
        if self._receive is None:
            raise Unavailable("broker link: nobody to deliver to")
        failures = 0
        while True:
            connection = _Connection(self._address, self._client_id, self._birth, self._receive, self._waiting)
            try:
                session_kept = await connection.open()
                failures = 0
                if not (session_kept and self._born):
                    self._birth, self._born = new_id("birth"), True
                connection.announce(self._birth)
                self._connection = connection
                self.connected.set()
                connection.pump()
                await connection.lost.wait()
                log.warning("broker %s:%d: connection lost", self._address.host, self._address.port)
            except (OSError, MQTTError, TimeoutError) as error:
                failures += 1
                log.warning("broker %s:%d: %s", self._address.host, self._address.port, error)
            finally:
                self.connected.clear()
                self._connection = None
                await connection.close()
            await asyncio.sleep(_backoff(failures))


class _Connection:
    """One connection, from CONNECT to its end."""

    def __init__(
        self,
        address: BrokerAddress,
        client_id: str,
        birth: str,
        receive: Receive,
        waiting: OrderedDict[str, Outgoing],
    ) -> None:
        self._address = address
        self._receive = receive
        self._waiting = waiting
        self._birth = birth
        self._in_flight = _InFlight(self.pump)
        self._session_kept = False
        self._granted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.lost = asyncio.Event()
        self._client = Client(
            client_id,
            clean_session=False,
            optimistic_acknowledgement=False,  # acknowledge when on_message has returned: after the commit
            will_message=Message(CLOUD_PRESENCE, _presence("offline", birth), qos=1, retain=True),
            persistent_storage=self._in_flight,
            logger=_SILENT,
            session_expiry_interval=SESSION_EXPIRY_S,
            receive_maximum=RECEIVE_MAXIMUM,
        )
        self._client.set_config({"reconnect_retries": NO_RECONNECT})
        self._client.on_message = self._on_message
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect

    async def open(self) -> bool:
        """Connect and subscribe. Returns whether the broker kept our session. Raises OSError, MQTTError,
        TimeoutError.
        """
        async with asyncio.timeout(CONNECT_WITHIN_S):
            await self._client.connect(
                self._address.host, self._address.port, ssl=self._address.tls(), keepalive=KEEPALIVE_S
            )
            self._client.subscribe(ingest_filter(), qos=1)
            if not await self._granted:
                raise MQTTError(f"the broker refused the subscription to {ingest_filter()}")
        return self._session_kept

    def announce(self, birth: str) -> None:
        """Tell the machines that the cloud is there. A new ``birth`` makes them announce themselves."""
        self._waiting[CLOUD_PRESENCE] = Outgoing(CLOUD_PRESENCE, _presence("online", birth), retain=True)
        self._waiting.move_to_end(CLOUD_PRESENCE, last=False)
        self._birth = birth

    def pump(self) -> None:
        """Send what waits, as far as the window allows."""
        while self._waiting and len(self._in_flight) < WINDOW and not self.lost.is_set():
            key, message = self._waiting.popitem(last=False)
            properties = {} if message.expiry_s is None else {"message_expiry_interval": message.expiry_s}
            try:
                self._client.publish(message.topic, message.payload, qos=1, retain=message.retain, **properties)
            except OverflowError:  # the broker's own window is smaller than ours
                self._waiting[key] = message
                self._waiting.move_to_end(key, last=False)
                return
            self._in_flight.note(key, message)

    async def close(self) -> None:
        """End the connection. What the broker did not acknowledge waits for the next one, in the same order."""
        if not self.lost.is_set() and self._client.is_connected:
            # An orderly end makes no last will. QoS 0: it goes out before the DISCONNECT, and nobody waits.
            self._client.publish(CLOUD_PRESENCE, _presence("offline", self._birth), qos=0, retain=True)
        self.lost.set()
        with suppress(OSError):
            await self._client.disconnect()
        for key, message in reversed(self._in_flight.unacknowledged()):
            if key not in self._waiting:
                self._waiting[key] = message
                self._waiting.move_to_end(key, last=False)

    async def _on_message(self, _client: Client, topic: str, payload: bytes, _qos: int, _properties: Any) -> int:
        await self._receive(topic, payload)
        return 0

    def _on_connect(self, _client: Client, session_kept: int, _result: int, _properties: Any) -> None:
        self._session_kept = bool(session_kept)

    def _on_subscribe(self, _client: Client, _mid: int, granted: tuple[int, ...], _properties: Any) -> None:
        if not self._granted.done():
            self._granted.set_result(all(code < 0x80 for code in granted))

    def _on_disconnect(self, _client: Client, _packet: Any, exc: Any = None) -> None:
        self.lost.set()


def _presence(state: Literal["online", "offline"], birth: str) -> bytes:
    return CloudPresence(state=state, birth=birth).to_bytes()


def _backoff(failures: int) -> float:
    """Seconds to wait before the next try: doubles with every failure, with full jitter."""
    return random.uniform(0, min(BACKOFF_S[1], BACKOFF_S[0] * 2**failures))
