"""HTTP bodies of claims and certificates; those of machines are in ``device_profiles.messages.enrolment``."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from cloud.core.clock import from_ms
from cloud.enrolment.model import Certificate, CertificateState, Identity, NewClaim, Standing
from device_profiles.messages.enrolment import Enrolled, shown_code


class RevokeMachine(BaseModel):
    """Why: kept with the certificates and in the revocation's fact."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")


class ClaimView(BaseModel):
    """A claim code. ``code`` is shown this once; nobody can read it again."""

    id: str
    machine: str
    code: str
    expires_at: datetime


class IdentityView(BaseModel):
    """How a machine stands. ``epoch`` rises with every enrolment and revocation; 0: never enrolled."""

    machine: str
    epoch: int
    standing: Standing | None
    since: datetime | None


class CertificateView(BaseModel):
    """A certificate. ``reason``: why it ended."""

    serial: str
    epoch: int
    state: CertificateState
    issued_at: datetime
    not_before: datetime
    not_after: datetime
    predecessor: str
    ended_at: datetime | None
    reason: str


class MachineCertificates(BaseModel):
    """A machine's standing and its certificates, the newest first."""

    identity: IdentityView
    certificates: list[CertificateView]


def claim_view(made: NewClaim) -> ClaimView:
    """A new claim as HTTP shows it."""
    claim = made.claim
    return ClaimView(
        id=claim.claim_id, machine=claim.machine, code=shown_code(made.code), expires_at=from_ms(claim.expires_ms)
    )


def identity_view(machine: str, identity: Identity | None) -> IdentityView:
    """A standing as HTTP shows it."""
    if identity is None:
        return IdentityView(machine=machine, epoch=0, standing=None, since=None)
    return IdentityView(
        machine=machine, epoch=identity.epoch, standing=identity.standing, since=from_ms(identity.changed_ms)
    )


def certificate_view(one: Certificate) -> CertificateView:
    """A certificate as HTTP shows it."""
    return CertificateView(
        serial=one.serial,
        epoch=one.epoch,
        state=one.state,
        issued_at=from_ms(one.issued_ms),
        not_before=from_ms(one.not_before_ms),
        not_after=from_ms(one.not_after_ms),
        predecessor=one.predecessor,
        ended_at=None if one.ended_ms is None else from_ms(one.ended_ms),
        reason=one.reason,
    )


def enrolled(one: Certificate, ca: str, broker: str) -> Enrolled:
    """What a machine gets."""
    return Enrolled(
        machine=one.machine,
        serial=one.serial,
        epoch=one.epoch,
        certificate=one.pem,
        ca=ca,
        broker=broker,
        not_before=from_ms(one.not_before_ms),
        not_after=from_ms(one.not_after_ms),
    )
