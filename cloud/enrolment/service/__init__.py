"""The use cases: give out a claim code, enrol, renew, revoke."""

import base64
import binascii
import secrets
from collections.abc import Callable
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from cloud.core.clock import Clock, to_ms
from cloud.core.errors import Conflict, Forbidden, Invalid
from cloud.core.facts import Fact
from cloud.core.ids import new_id
from cloud.enrolment import store
from cloud.enrolment.model import (
    Certificate,
    CertificateState,
    Claim,
    Identity,
    NewClaim,
    Rules,
    Standing,
)  # fmt: skip
from cloud.enrolment.service.authority import (
    Authority,
    PublicKey,
    key_hash,
    machine_of,
    pem_of,
    read_certificate,
    serial_text,
)  # fmt: skip
from cloud.enrolment.service.requests import check_request
from cloud.storage.tx import Tx
from device_profiles.errors import MessageError
from device_profiles.messages.enrolment import (
    CODE_LENGTH,
    CODE_SYMBOLS,
    CertificateRenewed,
    read_code,
    renewal_statement,
    with_check,
)  # fmt: skip
from device_profiles.messages.topics import AGENT_SLOT

SILENCED = "machine.revoked"
ISSUED, RENEWED, REVOKED, RETIRED = (
    "certificate.issued", "certificate.renewed", "certificate.revoked", "certificate.retired",
)  # fmt: skip
CLAIMED = "machine.claim_made"
ENDINGS = (REVOKED, RETIRED)
_NOT_TAKEN = "claim code: not one that is open for this machine (used, expired, replaced or never given out)"


class EnrolmentService:
    """``hall_of`` raises NotFound for a machine that is in no hall of this cloud."""

    def __init__(self, authority: Authority, hall_of: Callable[[str], str], rules: Rules, clock: Clock) -> None:
        self.authority = authority
        self.rules = rules
        # Serials on the list that the broker has: a restored store may know less than it.
        self.listed: frozenset[str] = frozenset()
        self._hall_of = hall_of
        self._clock = clock

    def check_machine(self, machine: str) -> None:
        """Raises NotFound for a machine that is in no hall of this cloud."""
        self._hall_of(machine)

    def make_claim(self, tx: Tx, machine: str) -> NewClaim:
        """A code that enrols ``machine`` once. Earlier codes of the machine become worthless."""
        hall, now = self._hall_of(machine), self._clock.now()
        code = with_check("".join(secrets.choice(CODE_SYMBOLS) for _ in range(CODE_LENGTH - 1)))
        claim = Claim(new_id("claim"), machine, to_ms(now), to_ms(now + self.rules.claim_lifetime))
        store.void_claims(tx.conn, machine, to_ms(now))
        store.add_claim(tx.conn, claim, _hash_of(code))
        self._tell(tx, CLAIMED, machine, hall, {"claim_id": claim.claim_id})
        return NewClaim(claim, code)

    def enrol(self, tx: Tx, machine: str, code: str, csr: str) -> Certificate:
        """A certificate for the request's key. The same code and key again give the same certificate: an answer that
        got lost costs no second code.

        Raises Invalid (the request), Forbidden (the code), Conflict (a key that had a certificate before).
        """
        claim = self._claim(tx, machine, code)
        key = check_request(csr, machine)
        known = store.with_key(tx.conn, key_hash(key))
        if claim.used_ms is not None:
            if known is None or claim.key_hash != known.key_hash or known.state is not CertificateState.ACTIVE:
                raise Forbidden(f"{_NOT_TAKEN}; ask for a new one")
            return known
        _must_be_new(known)
        now_ms = to_ms(self._clock.now())
        if not store.use_claim(tx.conn, claim.claim_id, now_ms, key_hash(key)):
            raise Forbidden(f"{_NOT_TAKEN}; ask for a new one")
        self._end(tx, machine, store.active_of(tx.conn, machine), REVOKED, "enrolled anew")
        identity = self._stand(tx, machine, Standing.ENROLLED)
        certificate = self._issue(tx, machine, identity.epoch, key)
        self._tell(tx, ISSUED, machine, self._hall_of(machine), _shown(certificate))
        return certificate

    def renew(self, tx: Tx, machine: str, present: str, csr: str, signature: str) -> Certificate:
        """A successor of the certificate ``present`` whose key signed the request.

        Renewed twice, the first successor is revoked: either its answer got lost, or two disks use one key.
        Raises Invalid, Forbidden, Conflict.
        """
        known = self._present(tx, machine, read_certificate(present))
        _check_signature(read_certificate(present), signature, renewal_statement(machine, csr))
        key = check_request(csr, machine)
        asked = store.with_key(tx.conn, key_hash(key))
        if asked is not None and asked.predecessor == known.serial and asked.state is CertificateState.ACTIVE:
            return asked  # the same request again
        _must_be_new(asked)
        former = store.successor_of(tx.conn, known.serial)
        if former is not None:
            self._end(tx, machine, [former.serial], REVOKED, "its predecessor was renewed again")
        certificate = self._issue(tx, machine, known.epoch, key, known.serial)
        shown = _shown(certificate) | {"previous": known.serial, "again": former is not None}
        self._tell(tx, RENEWED, machine, self._hall_of(machine), shown)
        return certificate

    def revoke(self, tx: Tx, machine: str, reason: str) -> Identity:
        """End every certificate and every open code of ``machine``; it stays out until it is enrolled anew."""
        self._hall_of(machine)
        now_ms = to_ms(self._clock.now())
        store.void_claims(tx.conn, machine, now_ms)
        ended = self._end(tx, machine, store.active_of(tx.conn, machine), REVOKED, reason)
        known = store.read_identity(tx.conn, machine)
        if known is not None and known.standing is Standing.REVOKED and not ended:
            return known
        identity = self._stand(tx, machine, Standing.REVOKED)
        self._tell(tx, SILENCED, machine, self._hall_of(machine), {"reason": reason, "epoch": identity.epoch})
        return identity

    def note_renewed(self, tx: Tx, fact: Fact) -> None:
        """``agent.certificate_renewed``: the machine was let in with its new certificate, so the old one ends."""
        told = CertificateRenewed.model_validate(dict(fact.data), extra="ignore")
        new, old = (store.find_certificate(tx.conn, serial) for serial in (told.serial, told.previous))
        if new is None or old is None or new.predecessor != old.serial:
            return
        if new.machine == fact.machine and new.state is CertificateState.ACTIVE:
            self._end(tx, fact.machine, [old.serial], RETIRED, "its successor is in use")

    def _claim(self, tx: Tx, machine: str, code: str) -> Claim:
        try:
            claim = store.find_claim(tx.conn, _hash_of(read_code(code)))
        except MessageError as error:
            raise Invalid(str(error)) from None
        now_ms = to_ms(self._clock.now())
        if claim is None or claim.machine != machine or claim.void_ms is not None or claim.expires_ms <= now_ms:
            raise Forbidden(f"{_NOT_TAKEN}; ask for a new one")
        return claim

    def _present(self, tx: Tx, machine: str, certificate: x509.Certificate) -> Certificate:
        """The certificate with which a machine comes for another. One that a restored store does not know counts."""
        if not self.authority.signed(certificate):
            raise Forbidden("certificate: not from this fleet's CA; enrol with a claim code")
        named, epoch = machine_of(certificate)
        self._hall_of(machine)
        identity = store.read_identity(tx.conn, machine)
        if named != machine:
            raise Forbidden(f"certificate: expected that of {machine}, this is another machine's")
        if identity is not None and (identity.standing is Standing.REVOKED or epoch < identity.epoch):
            raise Forbidden(f"certificate: {machine} was revoked or enrolled anew since; enrol with a claim code")
        serial = serial_text(certificate.serial_number)
        known = store.find_certificate(tx.conn, serial)
        if known is None and serial in self.listed:
            raise Forbidden("certificate: on the revocation list; enrol with a claim code")
        if known is None:
            known = _adopted(certificate, machine, epoch)
            store.add_certificate(tx.conn, known)
            store.save_identity(tx.conn, Identity(machine, epoch, Standing.ENROLLED, to_ms(self._clock.now())))
        if known.state is not CertificateState.ACTIVE:
            raise Forbidden(f"certificate: ended ({known.reason}); enrol with a claim code")
        if certificate.not_valid_after_utc + self.rules.grace < self._clock.now():
            days = self.rules.grace.total_seconds() / 86_400
            raise Forbidden(f"certificate: expired more than {days:g} days ago; enrol with a claim code")
        return known

    def _issue(self, tx: Tx, machine: str, epoch: int, key: PublicKey, predecessor: str = "") -> Certificate:
        now = self._clock.now().replace(microsecond=0)
        issued = self.authority.issue_machine(machine, epoch, key, now, now + self.rules.lifetime, self.rules.list_url)
        certificate = _stored(issued.certificate, machine, epoch, to_ms(now), predecessor)
        store.add_certificate(tx.conn, certificate)
        return certificate

    def _end(self, tx: Tx, machine: str, serials: list[str], fact_type: str, reason: str) -> list[str]:
        state = CertificateState.SUPERSEDED if fact_type == RETIRED else CertificateState.REVOKED
        ended = store.end(tx.conn, serials, state, to_ms(self._clock.now()), reason) if serials else []
        if ended:
            self._tell(tx, fact_type, machine, self._hall_of(machine), {"serials": ended, "reason": reason})
        return ended

    def _stand(self, tx: Tx, machine: str, standing: Standing) -> Identity:
        known = store.read_identity(tx.conn, machine)
        identity = Identity(machine, 1 if known is None else known.epoch + 1, standing, to_ms(self._clock.now()))
        store.save_identity(tx.conn, identity)
        return identity

    def _tell(self, tx: Tx, what: str, machine: str, hall: str, data: dict[str, object]) -> None:
        tx.publish(Fact(what, self._clock.now(), data, machine, AGENT_SLOT, hall))


def _hash_of(code: str) -> str:
    # 95 random bits: nothing to guess, so no slow hash.
    return sha256(code.encode()).hexdigest()


def _must_be_new(known: Certificate | None) -> None:
    if known is not None:
        raise Conflict("csr: this key had a certificate before; every certificate gets a key of its own")


def _check_signature(present: x509.Certificate, signature: str, statement: bytes) -> None:
    key = present.public_key()
    try:
        raw = base64.b64decode(signature, validate=True)
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(raw, statement)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(raw, statement, ec.ECDSA(hashes.SHA256()))
        else:
            raise Invalid("certificate: expected a key on P-256, P-384 or Ed25519")
    except (InvalidSignature, binascii.Error):
        raise Forbidden("signature: not by the key of the present certificate") from None


def _shown(certificate: Certificate) -> dict[str, object]:
    return {"serial": certificate.serial, "epoch": certificate.epoch, "not_after_ms": certificate.not_after_ms}


def _adopted(certificate: x509.Certificate, machine: str, epoch: int) -> Certificate:
    return _stored(certificate, machine, epoch, to_ms(certificate.not_valid_before_utc), "")


def _stored(certificate: x509.Certificate, machine: str, epoch: int, issued_ms: int, predecessor: str) -> Certificate:
    return Certificate(
        serial=serial_text(certificate.serial_number),
        machine=machine,
        epoch=epoch,
        key_hash=key_hash(certificate.public_key()),
        not_before_ms=to_ms(certificate.not_valid_before_utc),
        not_after_ms=to_ms(certificate.not_valid_after_utc),
        issued_ms=issued_ms,
        state=CertificateState.ACTIVE,
        pem=pem_of(certificate),
        predecessor=predecessor,
    )
