"""What a slot holds, as the inventory says it."""

from device_profiles.capabilities import CAPABILITIES
from device_profiles.messages.inventory import SlotInventory
from edge_agent.slots.runner import SlotRunner
from firmware_bridge.drivers import Features


def slot_inventory(runner: SlotRunner) -> SlotInventory:
    """Declared by the capability, observed while the device runs, proved by a command that worked.

    Behind the commands stand the features that the device's driver knows of.
    """
    commands = sorted(CAPABILITIES[runner.capability].commands)
    features = runner.features
    declared, observed, proved = ([], [], []) if features is None else _told(features)
    return SlotInventory(
        profile=runner.profile.id,
        capability=runner.capability,
        serial_number=runner.identity.serial_number,
        model=runner.identity.model,
        firmware=runner.identity.firmware,
        refused=runner.refused,
        declared=commands + declared,
        observed=commands + observed if runner.ready else [],
        last_proved=sorted(runner.proved) + proved,
    )


def _told(features: Features) -> tuple[list[str], list[str], list[str]]:
    return features.declared(), features.observed(), features.proved()
