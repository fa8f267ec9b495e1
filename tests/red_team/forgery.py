"""What somebody makes who has no key of the fleet: certificates, authorities and requests of his own."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

AnyKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def name_of(common_name: str) -> x509.Name:
    """A subject with nothing but a common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def pem(key: AnyKey) -> bytes:
    """The key as a file has it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate(common_name: str, key: AnyKey, issuer: str, signer: AnyKey, *, is_ca: bool = False) -> x509.Certificate:
    """A certificate that says whatever its maker likes."""
    now = datetime.now(UTC)
    hosts = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    return (
        x509.CertificateBuilder()
        .subject_name(name_of(common_name))
        .issuer_name(name_of(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(hosts, critical=False)
        .sign(signer, hashes.SHA256())
    )


def write_pair(folder: Path, key: AnyKey, chain: list[x509.Certificate]) -> Path:
    """Key and certificates in one file, as ``load_cert_chain`` takes them."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "pair.pem"
    file.write_bytes(pem(key) + b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain))
    return file


def context(ca_file: Path, pair: Path | None) -> ssl.SSLContext:
    """A client's context that trusts the fleet and shows ``pair``."""
    made = ssl.create_default_context(cafile=ca_file)
    if pair is not None:
        made.load_cert_chain(pair)
    return made


def request(
    common_name: str, key: AnyKey, *extensions: tuple[x509.ExtensionType, bool], signer: AnyKey | None = None
) -> str:
    """A signing request, PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name_of(common_name))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer or key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def with_other_key(csr: str, key: ec.EllipticCurvePrivateKey) -> str:
    """The same request with the public key of somebody else put in: the signature no longer fits."""
    request_ = x509.load_pem_x509_csr(csr.encode())
    kind, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    old, new = request_.public_key().public_bytes(kind, form), key.public_key().public_bytes(kind, form)
    changed = request_.public_bytes(kind).replace(old, new)
    return x509.load_der_x509_csr(changed).public_bytes(serialization.Encoding.PEM).decode()
