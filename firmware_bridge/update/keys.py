"""Public keys that may sign firmware, and the signatures themselves: Ed25519, and ECDSA on P-256 with SHA-256.

A key's id is the SHA-256 of its DER SubjectPublicKeyInfo, in hex: the key hash of MCUboot images.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from device_profiles.errors import ConfigurationError

PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey
Keys = Mapping[str, PublicKey]
_KEY_FILE_LIMIT = 4096  # bytes; a PEM key of these kinds has about 250


def key_id(key: PublicKey) -> str:
    """64 hex digits."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def load_keys(files: Iterable[Path]) -> Keys:
    """Public keys (PEM) by id. Raises ConfigurationError naming the file; a private key is refused."""
    return {key_id(key): key for key in map(load_public, files)}


def load_public(file: Path) -> PublicKey:
    """One public key (PEM). Raises ConfigurationError."""
    text = _read(file)
    if b"PRIVATE" in text:
        raise ConfigurationError(f"{file}: expected a public key, got a private one; keep that one off this machine")
    try:
        key = serialization.load_pem_public_key(text)
    except ValueError as error:
        raise ConfigurationError(f"{file}: expected a public key in PEM: {error}") from error
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ConfigurationError(f"{file}: expected an Ed25519 or P-256 key, got {type(key).__name__}")


def load_private(file: Path) -> ed25519.Ed25519PrivateKey:
    """An Ed25519 private key (PEM, PKCS 8, no passphrase). Raises ConfigurationError; never says what it read."""
    try:
        key = serialization.load_pem_private_key(_read(file), password=None)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{file}: expected an Ed25519 private key in PEM without a passphrase") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ConfigurationError(f"{file}: expected an Ed25519 private key, got another kind")
    return key


def make_key(private: Path, public: Path) -> str:
    """A new Ed25519 pair, the private half readable by its owner only; returns its id. Never replaces a file."""
    key = ed25519.Ed25519PrivateKey.generate()
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    shown = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    _write_new(private, secret, 0o600)
    _write_new(public, shown, 0o644)
    return key_id(key.public_key())


def signature_holds(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """An Ed25519 signature over ``message``; a key of another kind never holds."""
    if not isinstance(key, ed25519.Ed25519PublicKey):
        return False
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def ecdsa_holds(key: PublicKey, signature: bytes, digest: bytes) -> bool:
    """An ECDSA signature (DER) whose hash is the SHA-256 ``digest``; a key of another kind never holds."""
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(signature, digest, ec.ECDSA(Prehashed(hashes.SHA256())))
    except InvalidSignature:
        return False
    return True


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(_KEY_FILE_LIMIT)
    except OSError as error:
        raise ConfigurationError(f"{file}: expected a key file, got: {error.strerror}") from error


def _write_new(file: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise ConfigurationError(f"{file}: expected a place for a new key file, got: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
