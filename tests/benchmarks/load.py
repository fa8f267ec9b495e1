"""Facts to publish, and a paho client that publishes them and watches the acknowledgements of the machines."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from device_profiles.messages.envelope import envelope
from device_profiles.messages.facts import FaultBody, StatusChanged
from device_profiles.messages.topics import Topic, Up, parse

MACHINES = ("counter-1", "counter-2", "counter-3", "counter-4", "counter-5", "counter-6")


def plain(count: int) -> Iterator[tuple[str, bytes]]:
    """Facts that nobody reacts to: what taking in costs by itself."""
    return _messages(count, lambda number: ("signage.shown", {"ticket": f"A{number % 1000:03d}", "counter": 1}))


def faults(count: int) -> Iterator[tuple[str, bytes]]:
    """Displays that go offline and come back: each fact opens or closes an alert, the most work a fact can make."""
    return _messages(count, _display_state)


def _display_state(number: int) -> tuple[str, dict[str, Any]]:
    if number % 2:
        fault = FaultBody(code="device_offline", action="maintenance")
        state = StatusChanged(field="device", value="offline", fault=fault)
    else:
        state = StatusChanged(field="device", value="online", previous="offline")
    return f"signage.device_{state.value}", state.model_dump(mode="json")


def _messages(count: int, fact_of: Callable[[int], tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, bytes]]:
    at = datetime.now(UTC)
    for index in range(count):
        machine, number = MACHINES[index % len(MACHINES)], 1 + index // len(MACHINES)
        fact_type, data = fact_of(number)
        fact = envelope(machine, "display", fact_type, data, at=at, epoch=1, sequence=number)
        yield str(Topic(machine, Up.EVENT, "display")), fact.to_bytes()


class Load:
    """A connected client: ``publish`` returns when the broker has everything; ``acknowledged`` counts facts."""

    def __init__(self, client: mqtt.Client) -> None:
        self._client = client
        self._acknowledged: dict[str, int] = {}
        client.on_message = self._on_message

    @property
    def acknowledged(self) -> int:
        """How many facts the cloud has acknowledged, over all machines."""
        return sum(self._acknowledged.values())

    def publish(self, facts: Iterable[tuple[str, bytes]]) -> None:
        """Publish with QoS 1 and wait for the broker's last acknowledgement."""
        last = None
        for topic, payload in facts:
            last = self._client.publish(topic, payload, qos=1)
        if last is not None:
            last.wait_for_publish(120)

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        body = json.loads(message.payload)
        machine = parse(message.topic).machine
        self._acknowledged[machine] = max(self._acknowledged.get(machine, 0), int(body["sequence"]))


@contextmanager
def connected(port: int) -> Iterator[Load]:
    """A load generator on the broker at ``port``."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="bench-load", protocol=mqtt.MQTTv5)
    client.max_inflight_messages_set(100)
    ready = threading.Event()

    def subscribe(*_details: object) -> None:
        client.subscribe("hallfleet/v1/+/+/down/ack/agent", qos=0)

    def subscribed(*_details: object) -> None:
        ready.set()

    client.on_connect = subscribe
    client.on_subscribe = subscribed
    load = Load(client)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        if not ready.wait(10):
            raise TimeoutError("expected a subscription to the acknowledgements within 10 s")
        yield load
    finally:
        client.disconnect()
        client.loop_stop()
