"""A new key and what it signs. The only module of the agent's start and renewal that loads ``cryptography``."""

from base64 import b64encode

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from edge_agent.errors import AgentError


def new_key() -> bytes:
    """A private key on P-256, PEM. It never leaves this machine."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def signing_request(key_pem: bytes, machine: str) -> str:
    """The request (PEM) for a certificate of this key."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, machine)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    key = _read(key_pem)
    signed = request.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def sign(key_pem: bytes, statement: bytes) -> str:
    """The signature of ``statement``, base64."""
    key = _read(key_pem)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return b64encode(key.sign(statement)).decode()
    return b64encode(key.sign(statement, ec.ECDSA(hashes.SHA256()))).decode()


def belongs(key_pem: bytes, certificate: str) -> bool:
    """Whether a certificate is that of this key."""
    return x509.load_pem_x509_certificate(certificate.encode()).public_key() == _read(key_pem).public_key()


def _read(key_pem: bytes) -> ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(key_pem, None)
    except (ValueError, TypeError) as error:
        raise AgentError(f"machine.key: expected a private key (PEM): {error}; enrol anew") from None
    if isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        return key
    raise AgentError(f"machine.key: expected a key on P-256 or Ed25519, got {type(key).__name__}; enrol anew")
