"""What a certificate signing request must be: a proof of a strong key, and nothing that the fleet decides itself."""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from cloud.core.errors import Invalid
from cloud.enrolment.service.authority import PublicKey

CURVES = (ec.SECP256R1, ec.SECP384R1)
_KEYS = "a key on P-256, P-384 or Ed25519"


def check_request(csr: str, machine: str) -> PublicKey:
    """The key of a request that may be signed for ``machine``. Raises Invalid with what is wrong."""
    try:
        request = x509.load_pem_x509_csr(csr.encode())
        key = request.public_key()
        signed = request.is_signature_valid
        wanted = list(request.extensions)
        names = list(request.subject)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Invalid(f"csr: expected a certificate signing request (PEM) of {_KEYS}, got: {error}") from None
    strong = isinstance(key, ed25519.Ed25519PublicKey) or (
        isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, CURVES)
    )
    if not strong:
        raise Invalid(f"csr: expected {_KEYS}, got {_name_of(key)}; make a new key")
    if not signed:
        raise Invalid("csr: its signature is not by its own key: the sender does not show that it has the key")
    if any(name.oid != NameOID.COMMON_NAME or name.value != machine for name in names) or len(names) > 1:
        raise Invalid(f"csr: expected no subject, or CN={machine} alone, got {request.subject.rfc4514_string()[:120]}")
    if wanted:
        oids = ", ".join(sorted(one.oid.dotted_string for one in wanted))
        raise Invalid(f"csr: expected no extensions (the fleet decides what a certificate is for), got {oids[:120]}")
    return key  # type: ignore[return-value]


def _name_of(key: object) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name
    size = getattr(key, "key_size", "")
    return f"{type(key).__name__.strip('_').removesuffix('PublicKey')} {size}".strip()
