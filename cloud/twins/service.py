"""Desired and reported values of machines, by version."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from cloud.core.clock import Clock, to_ms
from cloud.core.errors import Invalid, PreconditionFailed
from cloud.core.facts import Fact
from cloud.storage.tx import Tx
from cloud.twins import store
from device_profiles.messages.body import first_problem
from device_profiles.messages.twin import DesiredAgent, Twin, field_digests

DESIRED_CHANGED = "twin.desired_changed"
BEHIND = "twin.machine_behind"


@dataclass(frozen=True, slots=True)
class Desired:
    """What is wanted of a machine; ``version`` 0: nothing yet."""

    machine: str
    version: int
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Held:
    """What a machine says that it holds of ``desired``."""

    version: int
    digests: Mapping[str, str]


class TwinService:
    """The use cases of twins, each inside the caller's transaction."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def desired(self, tx: Tx, machine: str) -> Desired:
        """What is wanted of ``machine`` now."""
        return desired_of(store.read_twin(tx.conn, machine))

    def set_desired(self, tx: Tx, machine: str, patch: Mapping[str, Any]) -> Desired:
        """Replace the named values of what is wanted (None removes one), and publish ``twin.desired_changed``.

        A patch that changes nothing keeps the version. Raises Invalid when a machine would not understand the result.
        """
        twin = store.read_twin(tx.conn, machine)
        values = {**twin["desired"], **patch}
        return self._want(tx, twin, {name: value for name, value in values.items() if value is not None})

    def patch_desired(self, tx: Tx, machine: str, patch: Mapping[str, Any], expected_version: int) -> Desired:
        """Merge ``patch`` into what is wanted (RFC 7396, at every depth), as somebody decided who saw a version.

        Raises PreconditionFailed when that is no longer the present one, and Invalid as above.
        """
        twin = store.read_twin(tx.conn, machine)
        if expected_version != twin["desired_version"]:
            raise PreconditionFailed(
                f"machine {machine}: desired is at version {twin['desired_version']}, got {expected_version}"
            )
        return self._want(tx, twin, merge(twin["desired"], patch))

    def _want(self, tx: Tx, twin: Mapping[str, Any], values: dict[str, Any]) -> Desired:
        if values == twin["desired"]:
            return desired_of(twin)
        check_desired(values)
        now, version = self._clock.now(), twin["desired_version"] + 1
        changed = {**twin, "desired": values, "desired_version": version, "changed_ms": to_ms(now)}
        store.save_twin(tx.conn, changed)
        names = sorted(name for name in {*values, *twin["desired"]} if values.get(name) != twin["desired"].get(name))
        tx.publish(Fact(DESIRED_CHANGED, now, {"version": version, "changed": names}, twin["machine"]))
        return desired_of(changed)

    def _compare(self, tx: Tx, twin: dict[str, Any], held: Held | None) -> dict[str, Any]:
        """Tell a machine that is behind. One that is ahead knew us before we lost our memory: the cloud wins."""
        if held is None or (held.version == twin["desired_version"] and held.digests == field_digests(twin["desired"])):
            return twin
        now = self._clock.now()
        if held.version < twin["desired_version"]:
            data = {"held": held.version, "digests": dict(held.digests)}
            tx.publish(Fact(BEHIND, now, data, twin["machine"]))
            return twin
        ahead = {**twin, "desired_version": held.version + 1, "changed_ms": to_ms(now)}
        store.save_twin(tx.conn, ahead)
        tx.publish(Fact(DESIRED_CHANGED, now, {"version": held.version + 1, "changed": []}, twin["machine"]))
        return ahead

    def note_presence(self, tx: Tx, fact: Fact) -> None:
        """``machine.announced``: a new epoch means a new disk, whose versions begin again."""
        twin, epoch = store.read_twin(tx.conn, fact.machine), int(fact.data.get("epoch", 0))
        if epoch > twin["reported_epoch"]:
            changed = {**twin, "reported_epoch": epoch, "reported_version": -1}
            store.save_twin(tx.conn, changed)

    def note_reported(self, tx: Tx, fact: Fact) -> None:
        """``machine.reported``: keep it when its version is not older; publish ``twin.reported_changed``."""
        reported, twin = Twin.model_validate(fact.data, extra="ignore"), store.read_twin(tx.conn, fact.machine)
        twin = self._compare(tx, twin, held_by(reported.values))
        if reported.version < twin["reported_version"] or reported.values == twin["reported"]:
            return
        changed = {**twin, "reported": reported.values, "reported_version": reported.version}
        store.save_twin(tx.conn, {**changed, "changed_ms": to_ms(fact.at)})
        tx.publish(replace(fact, type="twin.reported_changed", data={"version": reported.version}))


def held_by(reported: Mapping[str, Any]) -> Held | None:
    """None when the machine does not say."""
    agent = reported.get("agent")
    if not isinstance(agent, Mapping):
        return None
    version, digests = agent.get("desired_version"), agent.get("desired")
    if not isinstance(version, int) or not isinstance(digests, Mapping):
        return None
    return Held(version, {str(name): str(digest) for name, digest in digests.items()})


def delta(desired: Desired, held: Held) -> Twin | None:
    """What brings a machine from what it holds to ``desired``; None when it is there."""
    ours = field_digests(desired.values)
    changed = {name: desired.values[name] for name, digest in ours.items() if held.digests.get(name) != digest}
    gone = {name: None for name in held.digests if name not in ours}
    if held.version == desired.version and not changed and not gone:
        return None
    return Twin(version=desired.version, values={**changed, **gone}, base=held.version)


def desired_of(twin: Mapping[str, Any]) -> Desired:
    """The desired side of a stored twin."""
    return Desired(twin["machine"], twin["desired_version"], twin["desired"])


def merge(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """JSON merge patch (RFC 7396) of objects."""
    result = dict(target)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            below = result.get(key)
            result[key] = merge(below if isinstance(below, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def check_desired(values: Mapping[str, Any]) -> None:
    """Raises Invalid, naming the first problem, when a machine would not understand ``values``."""
    try:
        DesiredAgent.model_validate(dict(values))
    except ValidationError as error:
        raise Invalid(f"desired: {first_problem(error)}") from error
