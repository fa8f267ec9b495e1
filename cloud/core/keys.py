"""The cloud's own secrets, made at the first start and kept in files that only its user can read.

What machines seal is sealed to the public half of the ring's current key. Older keys stay in the ring until nothing
needs them: a machine that was away still seals to the key that it knows.
"""

import json
import os
import secrets
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from nacl.public import PrivateKey

from cloud.core.errors import Conflict, Invalid, NotFound
from device_profiles.errors import MessageError
from device_profiles.messages.sealing import public_key, seal, unseal

RING, FIRST_KEY, SALT = "seal-keys.json", "seal.key", "subject.salt"


@dataclass(frozen=True, slots=True)
class SealKey:
    """One key: ``private`` is base64 X25519. ``key_id`` is the beginning of the public half's SHA-256, in hex."""

    key_id: str
    private: str
    made_ms: int

    @property
    def public(self) -> str:
        """The half that machines get."""
        return public_key(self.private)

    def __repr__(self) -> str:
        return f"SealKey({self.key_id})"


class Keys:
    """The key ring and the salt of a folder. ``subject_salt``: hex key of the tokens that stand for people."""

    def __init__(self, folder: Path, ring: tuple[SealKey, ...], subject_salt: str) -> None:
        self._folder = folder
        self._ring = ring
        self.subject_salt = subject_salt

    @property
    def ring(self) -> tuple[SealKey, ...]:
        """All keys; the last one is current."""
        return self._ring

    @property
    def current(self) -> SealKey:
        """The key that machines seal to."""
        return self._ring[-1]

    @property
    def seal_public(self) -> str:
        """The current key's public half, base64."""
        return self.current.public

    def unseal(self, sealed: str) -> Mapping[str, str]:
        """Open a value sealed to any key of the ring. Raises MessageError when it is damaged or its key is dropped."""
        return self._open(sealed)[1]

    def reseal(self, sealed: str) -> str | None:
        """The same value sealed to the current key; None when it is. Raises MessageError like ``unseal``."""
        key, values = self._open(sealed)
        return None if key is self.current else seal(values, self.seal_public)

    def key_of(self, sealed: str) -> str:
        """The id of the key that opens a value. Raises MessageError like ``unseal``."""
        return self._open(sealed)[0].key_id

    def reload(self) -> bool:
        """Take over what ``rotate`` or ``drop`` of another process made of the ring; False when it is the same."""
        found = _read_ring(self._folder / RING)
        changed, self._ring = found != self._ring, found
        return changed

    def rotate(self, now_ms: int) -> SealKey:
        """Make a new current key, durable when this returns."""
        self.reload()
        new = _new_key(now_ms)
        self._keep((*self._ring, new))
        return new

    def drop(self, key_id: str) -> None:
        """Take an old key out for good. Raises NotFound, and Conflict for the current one."""
        self.reload()
        if key_id == self.current.key_id:
            raise Conflict(f"key {key_id}: it is the current one; rotate first")
        if key_id not in {key.key_id for key in self._ring}:
            raise NotFound(f"key {key_id[:40]!r}: not in the ring, which holds {', '.join(self.ids())}")
        self._keep(tuple(key for key in self._ring if key.key_id != key_id))

    def ids(self) -> list[str]:
        """The ids of all keys, the current one last."""
        return [key.key_id for key in self._ring]

    def _open(self, sealed: str) -> tuple[SealKey, dict[str, str]]:
        # A sealed box does not say whose it is; a ring holds a handful of keys, and the newest fits nearly always.
        for key in reversed(self._ring):
            try:
                return key, unseal(sealed, key.private)
            except MessageError:
                continue
        raise MessageError(f"sealed value: damaged, or sealed to a key that is not one of {', '.join(self.ids())}")

    def _keep(self, ring: tuple[SealKey, ...]) -> None:
        _write_ring(self._folder / RING, ring)
        self._ring = ring

    def __repr__(self) -> str:
        return f"Keys({', '.join(self.ids())})"


def load_keys(folder: Path, now_ms: int = 0) -> Keys:
    """Read the keys in ``folder``, and make those that are missing. Raises Invalid for a file that is damaged."""
    folder.mkdir(parents=True, exist_ok=True)
    ring, first = folder / RING, folder / FIRST_KEY
    if not ring.is_file():
        # A folder of an earlier version holds one key by itself.
        key = _key(first.read_text("ascii").strip()) if first.is_file() else _new_key(now_ms)
        _make(ring, _ring_text((key,)))
        first.unlink(missing_ok=True)
    _make(folder / SALT, secrets.token_hex(32) + "\n")
    return Keys(folder, _read_ring(ring), (folder / SALT).read_text("ascii").strip())


def _new_key(now_ms: int) -> SealKey:
    return _key(b64encode(bytes(PrivateKey.generate())).decode(), now_ms)


def _key(private: str, made_ms: int = 0) -> SealKey:
    return SealKey(sha256(public_key(private).encode()).hexdigest()[:12], private, made_ms)


def _ring_text(ring: tuple[SealKey, ...]) -> str:
    return json.dumps({"keys": [asdict(key) for key in ring]}, indent=1) + "\n"


def _read_ring(file: Path) -> tuple[SealKey, ...]:
    try:
        found = json.loads(file.read_text("ascii"))["keys"]
        ring = tuple(_key(str(key["private"]), int(key["made_ms"])) for key in found)
    except (OSError, ValueError, TypeError, KeyError, MessageError) as error:
        raise Invalid(f"{file}: expected the ring of keys, got something else ({type(error).__name__})") from None
    if not ring:
        raise Invalid(f"{file}: expected at least one key; restore the file from its copy")
    return ring


def _write_ring(file: Path, ring: tuple[SealKey, ...]) -> None:
    """Whoever reads meanwhile reads the old ring or the new one."""
    _written(file, _ring_text(ring)).replace(file)
    _settle(file.parent)


def _make(file: Path, text: str) -> None:
    """Write a file whole, unless it is there."""
    new = _written(file, text)
    try:
        os.link(new, file)
    except FileExistsError:
        return
    finally:
        new.unlink()
    _settle(file.parent)


def _written(file: Path, text: str) -> Path:
    """The text in a file beside ``file`` that only we can read, durable."""
    new = file.with_name(f".{file.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as written:
        written.write(text)
        written.flush()
        os.fsync(written.fileno())
    return new


def _settle(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
