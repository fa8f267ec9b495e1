"""Personal fields leave a machine only as a sealed box that the cloud's private key opens, and as a salted token.

NaCl sealed box: X25519, XSalsa20, Poly1305 (libsodium documentation, "Sealed boxes").
"""

import base64
import hmac
import json
from hashlib import sha256

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from device_profiles.errors import MessageError


def public_key(private_key: str) -> str:
    """The base64 public key that belongs to a base64 private key."""
    return base64.b64encode(bytes(PrivateKey(base64.b64decode(private_key)).public_key)).decode()


def seal(values: dict[str, str], to_public_key: str) -> str:
    """Encrypt ``values`` so that only the holder of the private key can read them; base64."""
    plain = json.dumps(values, ensure_ascii=False).encode()
    return base64.b64encode(SealedBox(PublicKey(base64.b64decode(to_public_key))).encrypt(plain)).decode()


def unseal(sealed: str, private_key: str) -> dict[str, str]:
    """Open what ``seal`` made. Raises MessageError when it is damaged or meant for another key."""
    try:
        plain = SealedBox(PrivateKey(base64.b64decode(private_key))).decrypt(base64.b64decode(sealed))
    except (CryptoError, ValueError) as error:
        raise MessageError("sealed value: damaged, or sealed to another key") from error
    values: dict[str, str] = json.loads(plain)
    return values


def subject_token(identity: str, salt_hex: str) -> str:
    """The same token for the same person while the salt lives; it says nothing else (HMAC-SHA-256, 32 hex)."""
    return hmac.new(bytes.fromhex(salt_hex), identity.encode(), sha256).hexdigest()[:32]
