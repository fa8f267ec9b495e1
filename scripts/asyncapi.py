"""The AsyncAPI 3 document of everything on MQTT, from the message classes and capabilities."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from device_profiles.capabilities import CAPABILITIES
from device_profiles.messages import topics
from device_profiles.messages.body import MAX_BODY_BYTES, Body
from device_profiles.messages.command import Ack, CommandBody, ReconciledBody, Replay, ResultBody
from device_profiles.messages.envelope import BATCH_CONTENT_TYPE, CONTENT_TYPE, Envelope
from device_profiles.messages.facts import (
    DeviceReplaced,
    Dropped,
    FirmwareUpdate,
    Freed,
    Samples,
    SessionStarted,
    StatusChanged,
    TicketIssued,
    UplinkTrial,
    VendorModeChanged,
)
from device_profiles.messages.inventory import Inventory
from device_profiles.messages.presence import CloudPresence, Presence
from device_profiles.messages.topics import Down, Up
from device_profiles.messages.twin import Twin

_REFERENCE = "#/components/schemas/{model}"


@dataclass(frozen=True, slots=True)
class Message:
    """One verb: its body, whether the broker retains it, whether it travels as envelopes."""

    body: type[Body]
    says: str
    retained: bool = False
    envelope: bool = False


MESSAGES: Mapping[Up | Down, Message] = {
    Up.PRESENCE: Message(Presence, "Whether the machine is there; also its last will, 10 s late.", retained=True),
    Up.INVENTORY: Message(Inventory, "What the machine is made of.", retained=True),
    Up.REPORTED: Message(Twin, "The machine's twin as it is.", retained=True),
    Up.EVENT: Message(Envelope, "Facts, one or a batch, from the outbox.", envelope=True),
    Up.TELEMETRY: Message(Envelope, "Samples, one envelope or a batch, from the outbox.", envelope=True),
    Up.RESULT: Message(Envelope, "How a command ended, from the outbox.", envelope=True),
    Down.DESIRED: Message(Twin, "The machine's twin as it should be.", retained=True),
    Down.COMMAND: Message(CommandBody, "A command for one slot."),
    Down.ACK: Message(Ack, "Everything up to here is committed."),
    Down.REPLAY: Message(Replay, "Send these sequences again."),
}
FACTS: Mapping[str, type[BaseModel]] = {
    "agent.dropped": Dropped,
    "agent.freed": Freed,
    "agent.device_replaced": DeviceReplaced,
    "agent.firmware_refused": FirmwareUpdate,
    "agent.firmware_rolled_back": FirmwareUpdate,
    "agent.firmware_sent": FirmwareUpdate,
    "agent.firmware_stranded": FirmwareUpdate,
    "agent.firmware_update_failed": FirmwareUpdate,
    "agent.firmware_update_started": FirmwareUpdate,
    "agent.firmware_updated": FirmwareUpdate,
    "agent.sampled": Samples,
    "agent.uplink_trial_failed": UplinkTrial,
    "agent.uplink_trial_kept": UplinkTrial,
    "agent.uplink_trial_started": UplinkTrial,
    "agent.vendor_mode_changed": VendorModeChanged,
    "command.finished": ResultBody,
    "command.reconciled": ReconciledBody,
    "session.started": SessionStarted,
    "ticket.issued": TicketIssued,
}


def asyncapi_document() -> dict[str, Any]:
    """The document as plain values, in a stable order."""
    schemas: dict[str, Any] = {}
    messages = {str(verb): _message(verb, message, schemas) for verb, message in MESSAGES.items()}
    schemas["FactData"] = _fact_data(schemas)
    messages["cloudPresence"] = _plain(CloudPresence, "Whether the cloud is there, and since which start.", schemas)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "hallfleet over MQTT 5",
            "version": topics.PREFIX.rpartition("/")[2],
            "description": "Between machines in halls and the cloud. Rules: device_profiles/messages/README.md.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": dict(_channels()),
        "operations": dict(_operations()),
        "components": {
            "messages": messages,
            "schemas": dict(sorted(schemas.items())),
        },
        "x-max-body-bytes": MAX_BODY_BYTES,
    }


def _channels() -> Iterator[tuple[str, Any]]:
    for verb in MESSAGES:
        yield (
            str(verb),
            {
                "address": f"{topics.PREFIX}/{{shard}}/{{machine}}/{_way(verb)}/{verb}/{{slot}}",
                "messages": {"body": {"$ref": f"#/components/messages/{verb}"}},
                "parameters": {
                    "shard": {"description": "first two hex digits of SHA-256 of the machine id"},
                    "machine": {"description": "a-z, 0-9 and inner hyphens, at most 63"},
                    "slot": {"description": "a mounting point, or agent for the machine itself"},
                },
            },
        )
    address = topics.CLOUD_PRESENCE
    yield "cloudPresence", {"address": address, "messages": {"body": {"$ref": "#/components/messages/cloudPresence"}}}


def _operations() -> Iterator[tuple[str, Any]]:
    """Seen from a machine: it sends what is up and receives what is down."""
    for verb, message in MESSAGES.items():
        action = "send" if isinstance(verb, Up) else "receive"
        yield f"{action}{verb.capitalize()}", _operation(action, str(verb), message.retained)
    yield "receiveCloudPresence", _operation("receive", "cloudPresence", True)


def _operation(action: str, channel: str, retained: bool) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/body"}],
        "bindings": {"mqtt": {"qos": 1, "retain": retained, "bindingVersion": "0.2.0"}},
    }


def _message(verb: Up | Down, message: Message, schemas: dict[str, Any]) -> dict[str, Any]:
    document = _plain(message.body, message.says, schemas)
    if message.envelope:
        one = document["payload"]
        document["payload"] = {"oneOf": [one, {"type": "array", "minItems": 1, "items": one}]}
        document["contentType"] = CONTENT_TYPE
        document["description"] = f"A batch has the content type {BATCH_CONTENT_TYPE}."
    return document


def _plain(body: type[BaseModel], says: str, schemas: dict[str, Any]) -> dict[str, Any]:
    return {"name": body.__name__, "summary": says, "payload": _reference(body, schemas)}


def _fact_data(schemas: dict[str, Any]) -> dict[str, Any]:
    """What ``data`` of an envelope holds, by its ``type``."""
    shapes: dict[str, type[BaseModel]] = dict(FACTS)
    for capability in CAPABILITIES.values():
        for fact in capability.facts():
            shapes[fact] = capability.events.get(fact.partition(".")[2], StatusChanged)
    properties = {fact: _reference(shapes[fact], schemas) for fact in sorted(shapes)}
    return {"type": "object", "description": "the data of an envelope, by its type", "properties": properties}


def _reference(body: type[BaseModel], schemas: dict[str, Any]) -> dict[str, str]:
    """Put the schema of ``body`` into ``schemas`` and point to it; readers ignore unknown fields, so it is open."""
    schema = _open(body.model_json_schema(ref_template=_REFERENCE))
    schemas.update(schema.pop("$defs", {}))
    schemas[body.__name__] = schema
    return {"$ref": _REFERENCE.format(model=body.__name__)}


def _open(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _open(part) for key, part in value.items() if (key, part) != ("additionalProperties", False)}
    return [_open(part) for part in value] if isinstance(value, list) else value


def _way(verb: Up | Down) -> str:
    return "up" if isinstance(verb, Up) else "down"
