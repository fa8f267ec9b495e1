"""A machine kind: its slots (mounting points), which peripheral sits in each, and what its screen offers."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

MachineKind = Literal["kiosk", "ticket_machine", "counter_set", "endorsement_machine", "id_renewal_machine"]


class Slot(BaseModel):
    """One mounting point."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    peripheral: str = Field(description="id of a peripheral profile")
    required: bool = Field(default=True, description="without it the machine cannot serve anybody")
    bus: str = Field(
        default="",
        pattern=r"^[a-z0-9_]*$",
        description="slots with the same bus share one line; settings name the same device for all of them",
    )


class MachineProfile(BaseModel):
    """One kind of machine; the file's name is its id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    kind: MachineKind
    name_zh: str
    name_en: str
    screen: bool = Field(default=False, description="has a touch screen of its own (slot name ``screen``)")
    tickets: bool = Field(default=False, description="its screen hands out queue tickets")
    items: list[str] = Field(default_factory=list, description="journeys its screen offers")
    slots: dict[str, Slot]

    def buses(self) -> dict[str, list[str]]:
        """The slots of every bus, in the profile's order."""
        found: dict[str, list[str]] = {}
        for name, slot in self.slots.items():
            if slot.bus:
                found.setdefault(slot.bus, []).append(name)
        return found

    @field_validator("slots")
    @classmethod
    def _names(cls, slots: dict[str, Slot]) -> dict[str, Slot]:
        for name in slots:
            if not name.replace("_", "").isalnum() or not name.islower() or name in ("agent", "screen"):
                raise ValueError(f"slot name: expected a-z, 0-9, _ and neither agent nor screen, got {name!r}")
        return slots
