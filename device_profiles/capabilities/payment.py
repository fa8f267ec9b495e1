"""Payment terminal (not in XFS4IoT): takes money from a card or a wallet and can give it back.

A terminal never tells the whole number of a card; ``card`` is masked by the driver even when the terminal forgets to.
This is the port for terminals of every make and bank; each dialect is a driver. When the outcome of ``pay`` or
``reverse`` is unknown, ``last`` tells what the terminal has made of it (``unseen``): nothing is ever repeated blindly.
"""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from device_profiles.capabilities.evidence import Record
from device_profiles.capabilities.model import Action, Capability, Command, Effect, Fault, Shape, Status, commands


class Terminal(StrEnum):
    """What the terminal can do now."""

    READY = "ready"
    BUSY = "busy"
    NOT_REGISTERED = "not_registered"
    PAPER_OUT = "paper_out"


class PaymentStatus(Status):
    """Status of a payment terminal."""

    terminal: Terminal | None = None


class PayArgs(Shape):
    """Take ``amount_minor`` (fen, cents); ``currency`` is the ISO 4217 number, 156 = CNY, 978 = EUR."""

    amount_minor: int = Field(gt=0, le=99_999_999)
    currency: int = Field(default=156, ge=1, le=999)
    wait_s: float = Field(default=90.0, gt=0, le=600)


class PaymentOutput(Shape):
    """What became of a payment. ``receipt`` names it at the terminal, for a reversal or a later question."""

    outcome: Literal["approved", "declined", "aborted", "none"]
    amount_minor: int = 0
    receipt: str = ""
    trace: str = ""
    card: str = Field(default="", max_length=24, description="masked: at most the last four digits")
    reason: str = ""
    made_at: str = Field(default="", max_length=20, description="MM-DD hh:mm:ss by the terminal's clock")
    unseen: bool | None = Field(
        default=None,
        description="of last: made after the last payment or reversal whose outcome was told; None: not known",
    )


class ReverseArgs(Shape):
    """Give back the payment that the terminal calls ``receipt``."""

    receipt: str = Field(min_length=1, max_length=16)


def _last(*same: str) -> Record:
    done, not_done = frozenset({"approved"}), frozenset({"declined", "aborted", "none"})
    return Record("last", "receipt", same, "outcome", done, not_done)


PAYMENT = Capability(
    name="payment",
    status=PaymentStatus,
    commands=commands(
        Command("pay", Effect.ONCE, PayArgs, PaymentOutput, _last("amount_minor")),
        Command("reverse", Effect.ONCE, ReverseArgs, PaymentOutput),
        Command("last", Effect.READ, output=PaymentOutput),
        Command("end_of_day", Effect.ONCE, output=PaymentOutput, disruptive=True),
    ),
    faults={
        ("terminal", Terminal.NOT_REGISTERED): Fault("not_registered", Action.CONFIGURATION),
        ("terminal", Terminal.PAPER_OUT): Fault("paper_out", Action.CLEAR),
    },
)
