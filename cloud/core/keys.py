"""The cloud's own secrets, made at the first start and kept in files that only its user can read."""

import os
import secrets
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nacl.public import PrivateKey

from device_profiles.messages.sealing import public_key, unseal


@dataclass(frozen=True, slots=True)
class Keys:
    """``seal_private``: base64 X25519 key that opens what machines sealed. ``subject_salt``: hex key of the tokens."""

    seal_private: str
    subject_salt: str

    @property
    def seal_public(self) -> str:
        """The key that machines seal personal values to, base64."""
        return public_key(self.seal_private)

    def unseal(self, sealed: str) -> Mapping[str, str]:
        """Open a sealed value. Raises MessageError when it is damaged."""
        return unseal(sealed, self.seal_private)

    def __repr__(self) -> str:
        return "Keys(...)"


def load_keys(folder: Path) -> Keys:
    """Read the keys in ``folder``, and make those that are missing."""
    folder.mkdir(parents=True, exist_ok=True)
    return Keys(
        _kept(folder / "seal.key", _new_seal_key), _kept(folder / "subject.salt", lambda: secrets.token_hex(32))
    )


def _new_seal_key() -> str:
    return b64encode(bytes(PrivateKey.generate())).decode()


def _kept(file: Path, make: Callable[[], str]) -> str:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text("ascii").strip()
    with os.fdopen(descriptor, "w") as new:
        new.write(make() + "\n")
        new.flush()
        os.fsync(new.fileno())
    return file.read_text("ascii").strip()
