"""``inventory``: what a machine is made of. Retained."""

from pydantic import Field

from device_profiles.messages.body import Body


class SlotInventory(Body):
    """One mounting point: which peripheral the profile wants and what the device said it is."""

    profile: str
    capability: str
    serial_number: str = ""
    model: str = ""
    firmware: str = ""
    refused: str = Field(default="", description="why the device that is there is not used, in words; empty: it is")
    declared: list[str] = Field(default_factory=list)
    observed: list[str] = Field(default_factory=list)
    last_proved: list[str] = Field(default_factory=list)


class Inventory(Body):
    """``digest`` is SHA-256 (hex) of the machine profile as loaded."""

    machine_profile: str
    digest: str
    slots: dict[str, SlotInventory]
