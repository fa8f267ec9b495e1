"""The MQTT uplink against a real broker: will, session, acknowledgement by hand, and links that break."""

import asyncio
import json
import ssl
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest

from device_profiles.messages.presence import CloudPresence
from device_profiles.messages.topics import CLOUD_PRESENCE, Down, Topic, Up
from edge_agent.errors import LinkLost
from edge_agent.ports import Incoming
from edge_agent.uplink.address import BrokerAddress, tls_context
from edge_agent.uplink.mqtt import IN_FLIGHT, MqttLink, MqttUplink
from tests.servers import mosquitto as broker_program
from tests.servers.mosquitto import Broker
from tests.servers.process import free_port

pytestmark = pytest.mark.mosquitto


@pytest.fixture
def machine() -> str:
    return f"m-{uuid.uuid4().hex[:8]}"


def uplink(broker: Broker, machine: str) -> MqttUplink:
    return MqttUplink(BrokerAddress(broker.host, broker.port, 5), machine, b'{"state":"offline"}')


@pytest.fixture
async def cloud(mosquitto: Broker, machine: str) -> AsyncIterator[aiomqtt.Client]:
    """An onlooker who hears all that the machine says."""
    client = aiomqtt.Client(mosquitto.host, mosquitto.port, protocol=aiomqtt.ProtocolVersion.V5)
    async with client:
        await client.subscribe(f"hallfleet/v1/+/{machine}/up/#", qos=1)
        yield client


async def heard(cloud: aiomqtt.Client, count: int) -> list[bytes]:
    found: list[bytes] = []
    async with asyncio.timeout(10):
        async for message in cloud.messages:
            assert isinstance(message.payload, bytes)
            found.append(message.payload)
            if len(found) == count:
                return found
    return found


async def test_messages_arrive_in_order_and_are_confirmed(
    mosquitto: Broker, machine: str, cloud: aiomqtt.Client
) -> None:
    topic = str(Topic(machine, Up.EVENT))
    async with uplink(mosquitto, machine).connect() as link:
        confirmations = [await link.publish(topic, b"%d" % n) for n in range(5 * IN_FLIGHT)]
        await asyncio.gather(*confirmations)
    assert await heard(cloud, 5 * IN_FLIGHT) == [b"%d" % n for n in range(5 * IN_FLIGHT)]


async def test_a_message_that_is_not_confirmed_comes_again(
    mosquitto: Broker, machine: str, cloud: aiomqtt.Client
) -> None:
    topic = str(Topic(machine, Down.COMMAND, "printer"))
    async with uplink(mosquitto, machine).connect() as link:
        for n in range(3):
            await cloud.publish(topic, b"%d" % n, qos=1)
        first = await next_command(link)
        assert first.payload == b"0"
        first.confirm()
        assert (await next_command(link)).payload == b"1"
        # Neither 1 nor 2 is confirmed: the agent dies here.
    await cloud.publish(topic, b"3", qos=1)
    async with uplink(mosquitto, machine).connect() as link:
        again = [await next_command(link) for _ in range(3)]
        assert [message.payload for message in again] == [b"1", b"2", b"3"]
        for message in again:
            message.confirm()
        # One more round trip: the broker has read the confirmations before the link is closed.
        await (await link.publish(str(Topic(machine, Up.EVENT)), b"done"))
    async with uplink(mosquitto, machine).connect() as link:
        await cloud.publish(topic, b"4", qos=1)
        assert (await next_command(link)).payload == b"4"


async def test_the_clouds_presence_is_heard(mosquitto: Broker, machine: str, cloud: aiomqtt.Client) -> None:
    birth = CloudPresence(state="online", birth=machine)
    await cloud.publish(CLOUD_PRESENCE, birth.to_bytes(), qos=1, retain=True)
    async with uplink(mosquitto, machine).connect() as link:
        async with asyncio.timeout(5):
            message = await link.receive()
    assert (message.topic, CloudPresence.from_bytes(message.payload)) == (CLOUD_PRESENCE, birth)
    await cloud.publish(CLOUD_PRESENCE, b"", qos=1, retain=True)


async def test_no_broker_is_a_lost_link(machine: str) -> None:
    address = BrokerAddress("127.0.0.1", free_port(), 5)
    with pytest.raises(LinkLost, match="expected a broker there"):
        async with MqttUplink(address, machine, b"").connect():
            pytest.fail("connected to nobody")


async def test_a_port_that_is_not_mqtt_is_a_lost_link(machine: str) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(LinkLost):
            async with MqttUplink(BrokerAddress("127.0.0.1", port, 5), machine, b"").connect():
                pytest.fail("took HTTP for MQTT")


async def test_a_broker_that_dies_ends_the_link_and_all_that_waits(machine: str) -> None:
    with broker_program.serve() as broker:
        async with uplink(broker, machine).connect() as link:
            receiving = asyncio.ensure_future(link.receive())
            broker.process.stop()
            with pytest.raises(LinkLost):
                async with asyncio.timeout(10):
                    await receiving
            with pytest.raises(LinkLost):
                await link.publish(str(Topic(machine, Up.EVENT)), b"too late")


async def test_a_second_agent_with_the_same_name_takes_the_link_over(mosquitto: Broker, machine: str) -> None:
    async with uplink(mosquitto, machine).connect() as first, uplink(mosquitto, machine).connect():
        with pytest.raises(LinkLost):
            await next_command(first)


async def test_the_will_is_set_with_its_delay(mosquitto: Broker, machine: str, cloud: aiomqtt.Client) -> None:
    async with uplink(mosquitto, machine).connect() as link:
        await (
            await link.publish(str(Topic(machine, Up.PRESENCE)), json.dumps({"state": "online"}).encode(), retain=True)
        )
    (only,) = await heard(cloud, 1)
    assert json.loads(only) == {"state": "online"}, "a link that is closed on purpose leaves no will"


async def next_command(link: MqttLink) -> Incoming:
    """The next message that is not the cloud's presence."""
    async with asyncio.timeout(5):
        while (message := await link.receive()).topic == CLOUD_PRESENCE:
            message.confirm()
        return message


def test_tls_always_checks_the_broker(tmp_path: Path) -> None:
    context = tls_context(None, None, None)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    with pytest.raises(OSError, match="No such file"):
        tls_context(tmp_path / "missing.pem", None, None)
