"""What a slot holds, as the inventory says it."""

from device_profiles.capabilities import CAPABILITIES
from device_profiles.messages.inventory import SlotInventory
from edge_agent.slots.runner import SlotRunner


def slot_inventory(runner: SlotRunner) -> SlotInventory:
    """Declared by the capability, observed while the device runs, proved by a command that worked."""
    declared = sorted(CAPABILITIES[runner.capability].commands)
    return SlotInventory(
        profile=runner.profile.id,
        capability=runner.capability,
        serial_number=runner.identity.serial_number,
        model=runner.identity.model,
        firmware=runner.identity.firmware,
        refused=runner.refused,
        declared=declared,
        observed=declared if runner.ready else [],
        last_proved=sorted(runner.proved),
    )
