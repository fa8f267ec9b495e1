"""MQTT 5 with paho on the event loop: its socket is watched by the loop, no thread runs beside it.

Every link is a new paho client, so nothing that an earlier one had in flight is sent behind our back: the outbox
decides what is sent again. The broker knows the session by the client id and keeps what comes for us meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from device_profiles.messages.topics import CLOUD_PRESENCE, Topic, Up, machine_filter
from edge_agent.errors import LinkLost, PublishRefused
from edge_agent.ports import Incoming
from edge_agent.uplink.address import BrokerAddress

CONNECT_S = 10.0
SESSION_S = 86_400
WILL_DELAY_S = 10
IN_FLIGHT = 20
HOUSEKEEPING_S = 1.0
RECEIVE_MAXIMUM = 64  # unconfirmed messages that the broker may have towards us


class MqttUplink:
    """See ``ports.Uplink``. ``will`` is the presence that the broker publishes when we vanish."""

    def __init__(self, address: BrokerAddress, machine: str, will: bytes) -> None:
        self._address = address
        self._machine = machine
        self._will = will

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["MqttLink"]:
        """A link that is connected and subscribed."""
        link = MqttLink(self._client(), self._address, asyncio.get_running_loop())
        try:
            async with asyncio.timeout(CONNECT_S):
                await link.open(machine_filter(self._machine), CLOUD_PRESENCE)
        except TimeoutError:
            await link.close()
            raise LinkLost(f"{link.name}: expected a connection within {CONNECT_S:g} s, none came") from None
        except BaseException:
            await link.close()
            raise
        housekeeping = asyncio.ensure_future(link.keep())
        try:
            yield link
        finally:
            housekeeping.cancel()
            await asyncio.wait({housekeeping})
            await link.close()

    def _client(self) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=self._machine, protocol=paho.MQTTv5, manual_ack=True
        )
        client.max_inflight_messages_set(IN_FLIGHT)
        client.username_pw_set(self._machine)
        if self._address.tls is not None:
            client.tls_set_context(self._address.tls)
        will = _properties(PacketTypes.WILLMESSAGE, WillDelayInterval=WILL_DELAY_S)
        client.will_set(str(Topic(self._machine, Up.PRESENCE)), self._will, qos=1, retain=True, properties=will)
        return client


class MqttLink:
    """See ``ports.Link``."""

    def __init__(self, client: paho.Client, address: BrokerAddress, loop: asyncio.AbstractEventLoop) -> None:
        self.name = f"{address.host}:{address.port}"
        self._client = client
        self._address = address
        self._loop = loop
        self._lost: asyncio.Future[None] = loop.create_future()
        self._connected: asyncio.Future[None] = loop.create_future()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._inbox: asyncio.Queue[Incoming] = asyncio.Queue()
        self._window = IN_FLIGHT
        self._arrived = asyncio.Event()  # a message, or the end of the link
        self._hook()

    def _hook(self) -> None:
        client = self._client
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_socket_open = self._on_socket_open
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_register_write
        client.on_socket_unregister_write = self._on_unregister_write

    async def open(self, *filters: str) -> None:
        """Connect and subscribe. Raises LinkLost."""
        properties = _properties(PacketTypes.CONNECT, SessionExpiryInterval=SESSION_S, ReceiveMaximum=RECEIVE_MAXIMUM)
        host, port, keepalive_s = self._address.host, self._address.port, self._address.keepalive_s
        self._client.connect_timeout = CONNECT_S / 2
        # Said explicitly: paho's default begins anew at the first connect, and the broker would forget our session.
        self._client.connect_async(host, port, keepalive_s, clean_start=False, properties=properties)
        try:
            await asyncio.to_thread(self._client.reconnect)  # name look-up, TCP and TLS block
        except (OSError, ValueError) as error:
            raise LinkLost(f"{self.name}: expected a broker there, got: {error}") from error
        await self._or_lost(self._connected)
        options = SubscribeOptions(qos=1)
        result, mid = self._client.subscribe([(name, options) for name in filters])
        await self._or_lost(self._expect(result, mid))

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> "asyncio.Future[None]":
        while len(self._waiting) >= self._window:
            await asyncio.wait({next(iter(self._waiting.values()))})
        self._check()
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        return self._expect(info.rc, info.mid)

    async def receive(self) -> Incoming:
        while self._inbox.empty():
            self._check()
            self._arrived.clear()
            await self._arrived.wait()
        return self._inbox.get_nowait()

    async def keep(self) -> None:
        """Pings, and notices a broker that fell silent."""
        while not self._lost.done():
            await asyncio.sleep(HOUSEKEEPING_S)
            if (code := self._client.loop_misc()) is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._lose(f"{paho.error_string(code)}")

    def leave(self, reason: str) -> None:
        """End this link from our side; whoever uses it gets LinkLost."""
        self._lose(reason)

    async def close(self) -> None:
        """Leave, telling the broker that it was on purpose (no will) when it still listens."""
        if not self._lost.done():
            self._client.disconnect()
            self._client.loop_write()
        self._lose("closed")
        if (sock := self._client.socket()) is not None:
            self._forget(sock)
            sock.close()

    def _expect(self, code: MQTTErrorCode, mid: int | None) -> "asyncio.Future[None]":
        if code not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_QUEUE_SIZE) or mid is None:
            self._lose(paho.error_string(code))
            self._check()
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting[mid or 0] = future
        return future

    async def _or_lost(self, future: "asyncio.Future[None]") -> None:
        await asyncio.wait({future, self._lost}, return_when=asyncio.FIRST_COMPLETED)
        self._check()
        future.result()

    def _check(self) -> None:
        if self._lost.done():
            self._lost.result()

    def _lose(self, reason: str) -> None:
        if self._lost.done():
            return
        lost = LinkLost(f"{self.name}: {reason}")
        for future in (self._lost, *self._waiting.values()):
            if not future.done():
                future.set_exception(lost)
                future.exception()  # seen: whoever waits gets it, and nobody need wait
        self._waiting.clear()
        self._arrived.set()

    # What paho calls. The first socket callbacks come from the thread that connects.

    def _on_connect(self, client: paho.Client, data: Any, flags: Any, code: ReasonCode, properties: Any) -> None:
        if code.is_failure:
            self._lose(f"expected to be let in, got: {code}")
        elif not self._connected.done():
            # paho does not obey it, and a broker may end the link of a client that does not.
            self._window = min(IN_FLIGHT, getattr(properties, "ReceiveMaximum", IN_FLIGHT))
            self._connected.set_result(None)

    def _on_disconnect(self, client: paho.Client, data: Any, flags: Any, code: ReasonCode, properties: Any) -> None:
        self._loop.call_soon_threadsafe(self._lose, f"the broker or the network ended the link: {code}")

    def _on_publish(self, client: paho.Client, data: Any, mid: int, code: ReasonCode, properties: Any) -> None:
        if (future := self._waiting.pop(mid, None)) is None or future.done():
            return
        if code.is_failure:
            future.set_exception(PublishRefused(f"{self.name}: the broker refused a message: {code}"))
            future.exception()
        else:
            future.set_result(None)

    def _on_subscribe(self, client: paho.Client, data: Any, mid: int, codes: list[ReasonCode], properties: Any) -> None:
        refused = [str(code) for code in codes if code.is_failure]
        if refused:
            self._lose(f"expected to be allowed to subscribe, got: {', '.join(refused)}")
        elif (future := self._waiting.pop(mid, None)) is not None and not future.done():
            future.set_result(None)

    def _on_message(self, client: paho.Client, data: Any, message: paho.MQTTMessage) -> None:
        self._inbox.put_nowait(Incoming(message.topic, bytes(message.payload), lambda: self._confirm(message)))
        self._arrived.set()

    def _confirm(self, message: paho.MQTTMessage) -> None:
        if not self._lost.done():
            self._client.ack(message.mid, message.qos)

    def _on_socket_open(self, client: paho.Client, data: Any, sock: Any) -> None:
        self._loop.call_soon_threadsafe(self._loop.add_reader, sock, self._read)

    def _on_socket_close(self, client: paho.Client, data: Any, sock: Any) -> None:
        self._forget(sock)

    def _on_register_write(self, client: paho.Client, data: Any, sock: Any) -> None:
        self._loop.call_soon_threadsafe(self._write_when_ready, sock)

    def _on_unregister_write(self, client: paho.Client, data: Any, sock: Any) -> None:
        self._loop.remove_writer(sock)

    def _write_when_ready(self, sock: Any) -> None:
        # By now paho has often written everything: a writer nobody takes away would keep the loop busy for ever.
        if not self._lost.done() and self._client.want_write() and sock.fileno() >= 0:
            self._loop.add_writer(sock, self._client.loop_write)

    def _read(self) -> None:
        self._client.loop_read()
        # TLS may hold a whole message that the socket no longer shows as readable.
        while (sock := self._client.socket()) is not None and getattr(sock, "pending", lambda: 0)() > 0:
            self._client.loop_read()

    def _forget(self, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)


def _properties(packet_type: int, **values: int) -> Properties:
    properties = Properties(packet_type)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties
