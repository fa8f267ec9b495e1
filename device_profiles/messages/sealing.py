"""Personal fields leave a machine only as a sealed box for the cloud's private key, and as a salted token.

NaCl sealed box: X25519, XSalsa20, Poly1305 (libsodium documentation, "Sealed boxes").
"""

import base64
import hmac
import json
from hashlib import sha256

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox
from pydantic import TypeAdapter, ValidationError

from device_profiles.errors import MessageError

MIN_SALT_BYTES = 16
_VALUES = TypeAdapter(dict[str, str])


def public_key(private_key: str) -> str:
    """The base64 public key that belongs to a base64 private key. Raises MessageError."""
    return base64.b64encode(bytes(PrivateKey(_key("private", private_key)).public_key)).decode()


def seal(values: dict[str, str], to_public_key: str) -> str:
    """Encrypt ``values`` so that only the holder of the private key can read them; base64.

    Raises MessageError when the key is none: nothing may leave in the clear instead.
    """
    plain = json.dumps(values, ensure_ascii=True).encode()
    box = SealedBox(PublicKey(_key("public", to_public_key)))
    return base64.b64encode(box.encrypt(plain)).decode()


def unseal(sealed: str, private_key: str) -> dict[str, str]:
    """Open what ``seal`` made. Raises MessageError when it is damaged or meant for another key."""
    box = SealedBox(PrivateKey(_key("private", private_key)))
    try:
        return _VALUES.validate_json(box.decrypt(base64.b64decode(sealed, validate=True)))
    except (CryptoError, TypeError, ValueError, ValidationError) as error:
        # The cause may hold what was sealed: it is not passed on.
        raise MessageError(f"sealed value: damaged, or sealed to another key ({type(error).__name__})") from None


def subject_token(identity: str, salt_hex: str) -> str:
    """A token that is the same for the same person while the salt lives, and says nothing else.

    HMAC-SHA-256, the first 32 hex digits. Raises MessageError when the salt is shorter than 16 bytes: without it
    anybody could try all identity numbers.
    """
    try:
        salt = bytes.fromhex(salt_hex)
    except ValueError:
        raise MessageError("salt: expected hex digits") from None
    if len(salt) < MIN_SALT_BYTES:
        raise MessageError(f"salt: expected at least {MIN_SALT_BYTES} bytes, got {len(salt)}")
    return hmac.new(salt, identity.encode(), sha256).hexdigest()[:32]


def _key(what: str, text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise MessageError(f"{what} key: expected base64") from None
    if len(raw) != PublicKey.SIZE:
        raise MessageError(f"{what} key: expected {PublicKey.SIZE} bytes, got {len(raw)}")
    return raw
