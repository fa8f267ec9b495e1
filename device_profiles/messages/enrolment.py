"""How a machine gets its certificate over HTTP: claim codes, the bodies of both requests, what a renewal signs."""

from hashlib import sha256

from pydantic import Field

from device_profiles.errors import MessageError
from device_profiles.messages.body import Body, UtcTime

CLOUD_NAME = "hallfleet.cloud"
"""Common name of the cloud's own certificate: its user name at the broker. No machine id can hold a dot."""

MAX_PEM = 8 * 1024
CODE_SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O and U, which people read as something else."""
CODE_LENGTH = 20
_GROUP = 5
_READ_AS = str.maketrans("ILO", "110")
_WEIGHTS = (1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31)


class Enrol(Body):
    """``POST /enrolments``: a claim code and a certificate signing request (PEM), which proves the key."""

    machine: str = Field(max_length=63)
    code: str = Field(min_length=1, max_length=64, description="claim code; case, blanks and hyphens do not count")
    csr: str = Field(max_length=MAX_PEM, description="PEM; key on P-256, P-384 or Ed25519; subject empty or CN=machine")


class Renew(Body):
    """``POST /enrolments/renewals``: a new key's request, signed by the key of the present certificate."""

    machine: str = Field(max_length=63)
    certificate: str = Field(max_length=MAX_PEM, description="the present certificate, PEM")
    csr: str = Field(max_length=MAX_PEM, description="PEM, of a new key")
    signature: str = Field(max_length=1024, description="base64 of the present key's signature of the statement")


class Enrolled(Body):
    """The answer to both. ``epoch`` rises whenever the machine is enrolled anew or revoked."""

    machine: str
    serial: str = Field(description="hex")
    epoch: int
    certificate: str = Field(description="the certificate and what leads up to the fleet's CA, PEM")
    ca: str = Field(description="the fleet's CA, PEM: what the broker's certificate is checked against")
    broker: str = Field(description="URL of the broker for machines")
    not_before: UtcTime
    not_after: UtcTime


class CertificateRenewed(Body):
    """``agent.certificate_renewed``: the machine has been let in with its new certificate; the old one may go."""

    serial: str = Field(max_length=64)
    previous: str = Field(max_length=64)
    not_after: UtcTime


class CertificateRefused(Body):
    """``agent.certificate_refused``: the broker did not take the new certificate; the old one is in use again."""

    serial: str = Field(max_length=64)
    previous: str = Field(max_length=64)


def renewal_statement(machine: str, csr: str) -> bytes:
    """What the present key signs to get a certificate for the key of ``csr`` (PEM text as it is sent)."""
    return b"hallfleet/renewal/v1\n" + machine.encode() + b"\n" + sha256(csr.encode()).hexdigest().encode()


def with_check(symbols: str) -> str:
    """``symbols`` (19 of CODE_SYMBOLS) and the one that tells a mistyped code."""
    return symbols + CODE_SYMBOLS[_check(symbols)]


def shown_code(code: str) -> str:
    """A code as people see it: four groups of five."""
    return "-".join(code[at : at + _GROUP] for at in range(0, len(code), _GROUP))


def read_code(text: str) -> str:
    """A code as somebody typed it, in the one form that is hashed. Raises MessageError; never shows the code."""
    code = "".join(text.split()).replace("-", "").upper().translate(_READ_AS)
    if len(code) != CODE_LENGTH or not set(code) <= set(CODE_SYMBOLS):
        raise MessageError(f"claim code: expected {CODE_LENGTH} letters and digits (never U), got {len(code)}")
    if with_check(code[:-1]) != code:
        raise MessageError("claim code: mistyped, its last symbol does not fit the others; compare symbol by symbol")
    return code


def _check(symbols: str) -> int:
    # Odd weights: any single wrong symbol shows, and neighbours that were swapped nearly always.
    values = (CODE_SYMBOLS.index(symbol) for symbol in symbols)
    return sum(value * _WEIGHTS[at % len(_WEIGHTS)] for at, value in enumerate(values)) % len(CODE_SYMBOLS)
