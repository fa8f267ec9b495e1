"""Claims, certificates, and what the fleet's rules for both are. Times are milliseconds since 1970 (UTC)."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class CertificateState(StrEnum):
    """``active``: may be used and renewed. The others never again: their successor is in use, or somebody said so."""

    ACTIVE = "active"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"


class Standing(StrEnum):
    """A machine's standing. ``revoked``: it may say nothing until it is enrolled again."""

    ENROLLED = "enrolled"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Rules:
    """How long things last. ``grace``: how long an expired certificate can still be renewed.

    ``list_url``: where a broker that fetches revocation lists finds ours; empty: it is given the file.
    """

    lifetime: timedelta = timedelta(days=90)
    grace: timedelta = timedelta(days=14)
    claim_lifetime: timedelta = timedelta(hours=24)
    warn_before: timedelta = timedelta(days=14)
    list_url: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim code that was given out; the code itself is known only to whoever was told."""

    claim_id: str
    machine: str
    made_ms: int
    expires_ms: int
    used_ms: int | None = None
    void_ms: int | None = None
    key_hash: str = ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate of the fleet's CA. ``key_hash``: SHA-256 of its public key; ``predecessor``: what it renewed."""

    serial: str
    machine: str
    epoch: int
    key_hash: str
    not_before_ms: int
    not_after_ms: int
    issued_ms: int
    state: CertificateState
    pem: str
    predecessor: str = ""
    ended_ms: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """A machine: ``epoch`` rises with every enrolment and every revocation; certificates of an older one are dead."""

    machine: str
    epoch: int
    standing: Standing
    changed_ms: int


@dataclass(frozen=True, slots=True)
class NewClaim:
    """A claim with its code, to be shown once."""

    claim: Claim
    code: str


@dataclass(frozen=True, slots=True)
class Ended:
    """One entry of the revocation list."""

    serial: str
    at_ms: int
