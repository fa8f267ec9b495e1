"""What a profile says about an ESC/POS printer."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from firmware_bridge.codecs.escpos_document import Charset


class Options(BaseModel):
    """Quirks of a printer, and what its maker declares. The driver probes what of it is true."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    charset: Charset = Field(default="gb18030", description="of its firmware's text")
    columns: int = Field(default=48, ge=16, le=96, description="narrow characters on one line")
    portion_s: float = Field(default=20.0, gt=0, le=120, description="longest time that one portion may take to print")
    information: bool = Field(default=True, description="answers GS I (model, serial number, firmware)")
    real_time: list[int] = Field(default=[1, 2, 3, 4], description="n of DLE EOT that it is said to answer")
    automatic: bool = Field(default=True, description="is said to have automatic status back (GS a)")
    near_end: bool = Field(default=True, description="is said to have a sensor for little paper")
    cutter: bool = Field(default=True, description="is said to have a cutter")
    qr: bool = Field(default=True, description="is said to make QR codes itself")
    counter: bool = Field(default=False, description="is said to count its cuts (GS g 2): evidence of what was printed")
    presenter: Literal["none", "dle_eot_5", "custom"] = Field(
        default="none", description="how it tells that a ticket waits to be taken: DLE EOT 5, Custom's full status"
    )
    taken_s: float = Field(default=0, ge=0, le=120, description="how long a print waits for the ticket to be taken")

    @field_validator("real_time")
    @classmethod
    def _known(cls, values: list[int]) -> list[int]:
        if not values or set(values) - {1, 2, 3, 4}:
            raise ValueError(f"expected some of 1, 2, 3 and 4, got {values}")
        return sorted(set(values))

    def declared(self) -> list[str]:
        """Features beyond the commands, as the inventory lists them."""
        features = [f"real_time_{n}" for n in self.real_time] + ["queued_status"]
        features += [name for name in ("near_end", "cutter", "qr", "counter") if getattr(self, name)]
        features += ["automatic_status"] if self.automatic else []
        features += ["presenter"] if self.presenter != "none" else []
        return sorted(features)
