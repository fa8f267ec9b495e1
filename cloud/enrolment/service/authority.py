"""The fleet's own certification authority: one ECDSA P-256 key that signs every certificate and revocation list."""

import ipaddress
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from cloud.core.clock import from_ms
from cloud.core.errors import Invalid
from cloud.enrolment.model import Ended

CA_LIFETIME = timedelta(days=20 * 365)
# Never what keeps a thief out, and an expired list would lock everybody out: long, and written anew every day.
LIST_LIFETIME = timedelta(days=365)
BACKDATED = timedelta(minutes=10)  # clocks of machines run behind
FINGERPRINT_DIGITS = 12

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class Issued:
    """A new certificate."""

    certificate: x509.Certificate
    key_hash: str

    @property
    def serial(self) -> str:
        """Hex."""
        return serial_text(self.certificate.serial_number)

    @property
    def pem(self) -> str:
        """PEM text."""
        return pem_of(self.certificate)


class Authority:
    """Signs with the CA's key. Nothing else in the cloud touches it."""

    def __init__(self, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, certificate: x509.Certificate):
        """Raises Invalid when the two do not belong together."""
        if spki(key.public_key()) != spki(certificate.public_key()):
            raise Invalid("ca_key_file, ca_cert_file: the key is not that of the certificate")
        self._key = key
        self.certificate = certificate

    @property
    def pem(self) -> str:
        """The CA's certificate, PEM."""
        return pem_of(self.certificate)

    def issue_machine(
        self, machine: str, epoch: int, key: PublicKey, now: datetime, until: datetime, list_url: str = ""
    ) -> Issued:
        """A certificate that can only log in to a broker, as ``machine``."""
        name = x509.UniformResourceIdentifier(machine_uri(machine, epoch))
        return self._issue(machine, key, now, until, ExtendedKeyUsageOID.CLIENT_AUTH, [name], list_url)

    def issue_client(self, name: str, key: PublicKey, now: datetime, until: datetime) -> Issued:
        """A certificate for another client of the broker: the cloud itself."""
        return self._issue(name, key, now, until, ExtendedKeyUsageOID.CLIENT_AUTH, [])

    def issue_server(self, hosts: Sequence[str], key: PublicKey, now: datetime, until: datetime) -> Issued:
        """A certificate that can only be a server's, for these host names and addresses."""
        names = [_general_name(host) for host in hosts]
        return self._issue(hosts[0][:64], key, now, until, ExtendedKeyUsageOID.SERVER_AUTH, names)

    def revocations(self, ended: Sequence[Ended], number: int, now: datetime) -> bytes:
        """The revocation list with these entries, PEM."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now)
            .next_update(now + LIST_LIFETIME)
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(_authority_key(self.certificate), critical=False)
        )
        for one in ended:
            entry = x509.RevokedCertificateBuilder().serial_number(int(one.serial, 16))
            builder = builder.add_revoked_certificate(entry.revocation_date(from_ms(one.at_ms)).build())
        return builder.sign(self._key, self._hash()).public_bytes(serialization.Encoding.PEM)

    def read_revocations(self, pem: bytes) -> list[Ended]:
        """The entries of a list of ours. Raises Invalid when it is damaged or somebody else's."""
        found = _read_list(pem)
        if not found.is_signature_valid(self._key.public_key()):
            raise Invalid("revocation list: expected one that this fleet's CA has signed")
        return [
            Ended(serial_text(entry.serial_number), int(entry.revocation_date_utc.timestamp() * 1000))
            for entry in found
        ]

    def as_der(self, pem: bytes) -> bytes:
        """A list as brokers fetch it. Raises Invalid."""
        return _read_list(pem).public_bytes(serialization.Encoding.DER)

    def signed(self, certificate: x509.Certificate) -> bool:
        """Whether ``certificate`` is one of ours."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def _issue(
        self,
        name: str,
        key: PublicKey,
        now: datetime,
        until: datetime,
        usage: ObjectIdentifier,
        names: Sequence[x509.GeneralName],
        list_url: str = "",
    ) -> Issued:
        builder = _builder(name, self.certificate.subject, key, (now - BACKDATED, until))
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(_authority_key(self.certificate), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(names)), critical=False)
        if list_url:
            place = x509.DistributionPoint([x509.UniformResourceIdentifier(list_url)], None, None, None)
            builder = builder.add_extension(x509.CRLDistributionPoints([place]), critical=False)
        return Issued(builder.sign(self._key, self._hash()), key_hash(key))

    def _hash(self) -> hashes.SHA256 | None:
        return None if isinstance(self._key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def load_authority(
    folder: Path, now: datetime, key_file: Path | None = None, cert_file: Path | None = None
) -> Authority:
    """The CA of these files; by default ``ca.key`` and ``ca.crt`` in ``folder``, made when there are none.

    Raises Invalid for a key that others can read or that does not belong to the certificate.
    """
    if key_file is not None and cert_file is not None:
        return Authority(_read_key(key_file), read_certificate(cert_file.read_bytes()))
    key_path, cert_path = folder / "ca.key", folder / "ca.crt"
    make_once(key_path, lambda: key_pem(ec.generate_private_key(ec.SECP256R1())), 0o600)
    key = _read_key(key_path)
    make_once(cert_path, lambda: pem_of(_self_signed(key, now)).encode(), 0o644)
    return Authority(key, read_certificate(cert_path.read_bytes()))


def read_certificate(pem: bytes | str) -> x509.Certificate:
    """The first certificate of a PEM text. Raises Invalid."""
    try:
        return x509.load_pem_x509_certificate(pem.encode() if isinstance(pem, str) else pem)
    except ValueError as error:
        raise Invalid(f"certificate: expected PEM, got: {error}") from None


def machine_uri(machine: str, epoch: int) -> str:
    """The subject alternative name of a machine's certificate."""
    return f"urn:hallfleet:machine:{machine}:{epoch}"


def machine_of(certificate: x509.Certificate) -> tuple[str, int]:
    """Machine and epoch of a certificate of ours. Raises Invalid for one that is no machine's."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uri = names.get_values_for_type(x509.UniformResourceIdentifier)[0]
        prefix, machine, epoch = uri.rsplit(":", 2)
        if prefix == "urn:hallfleet:machine":
            return machine, int(epoch)
    except (x509.ExtensionNotFound, IndexError, ValueError):
        pass
    raise Invalid("certificate: expected a machine's, this is another kind")


def spki(key: CertificatePublicKeyTypes) -> bytes:
    """A public key's bytes, whatever certificate or request it stands in."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_hash(key: CertificatePublicKeyTypes) -> str:
    """SHA-256 of a public key, hex."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(spki(key))
    return digest.finalize().hex()


def serial_text(serial: int) -> str:
    """A serial number as the store and people have it: hex."""
    return f"{serial:040x}"


def pem_of(certificate: x509.Certificate) -> str:
    """PEM text."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS 8 without a password: the file's rights protect it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def make_once(file: Path, make: Callable[[], bytes], mode: int) -> None:
    """Write ``file`` unless it is there; whole or not at all, also when two processes begin together."""
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as written:
        written.write(make())
        written.flush()
        os.fsync(written.fileno())
    try:
        os.link(new, file)
    except FileExistsError:
        return  # the other process was faster: its file counts
    finally:
        new.unlink()


def _read_key(file: Path) -> ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey:
    if file.stat().st_mode & 0o077:
        raise Invalid(f"{file}: the CA's key can be read by others; chmod 600 it, and think about who may have read it")
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise Invalid(f"{file}: expected a private key (PEM, no password), got: {error}") from None
    if isinstance(key, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey):
        return key
    raise Invalid(f"{file}: expected a key on P-256 or Ed25519, got {type(key).__name__}")


def _read_list(pem: bytes) -> x509.CertificateRevocationList:
    try:
        return x509.load_pem_x509_crl(pem)
    except ValueError as error:
        raise Invalid(f"revocation list: expected PEM, got: {error}") from None


def _self_signed(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, now: datetime) -> x509.Certificate:
    public = key.public_key()
    # The name follows from the key: two fleets never have CAs of the same name.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"hallfleet CA {key_hash(public)[:FINGERPRINT_DIGITS]}")])
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    builder = _builder(str(common), name, public, (now - BACKDATED, now + CA_LIFETIME))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs=True), critical=True)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def _builder(name: str, issuer: x509.Name, key: PublicKey, valid: tuple[datetime, datetime]) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(signs: bool) -> x509.KeyUsage:
    """``signs``: certificates and lists; otherwise only the handshake."""
    return x509.KeyUsage(
        digital_signature=not signs, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=signs, crl_sign=signs, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _authority_key(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
