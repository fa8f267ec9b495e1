"""Signed statements: TOML whose last line is an Ed25519 signature over every byte before it.

::

    statement = "hallfleet-firmware-manifest-1"
    ...
    signed_by = "<id of the key>"
    signature = "<128 hex digits>"

The first line keeps kinds apart: a signed manifest can never be taken for an approval. The signature is over the
bytes of the file, not over what they mean, so there is no second spelling of a statement.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import ed25519
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from firmware_bridge.update.errors import FirmwareRefused
from firmware_bridge.update.keys import Keys, key_id, signature_holds

MAX_STATEMENT = 4096  # bytes
_SIGNATURE = re.compile(rb'signature = "([0-9a-f]{128})"\n')
_SIGNATURE_LINE = len('signature = ""\n') + 128
_PLAIN = re.compile(r"[^\x00-\x1f\"\\\x7f]*")

Kind = TypeVar("Kind", bound="Statement")


class Statement(BaseModel):
    """What every statement has; subclasses bound each of their fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    statement: str = Field(max_length=60)
    signed_by: str = Field(pattern=r"^[0-9a-f]{64}$")


def sign_statement(values: Mapping[str, str | int | Sequence[str]], key: ed25519.Ed25519PrivateKey) -> bytes:
    """The file of a statement; ``values`` in the order to write them, without ``signed_by``."""
    lines = [f"{name} = {_literal(value)}\n" for name, value in values.items()]
    body = "".join([*lines, f'signed_by = "{key_id(key.public_key())}"\n']).encode()
    return body + f'signature = "{key.sign(body).hex()}"\n'.encode()


def read_statement(kind: type[Kind], name: str, file: bytes, keys: Keys) -> Kind:
    """A statement of the kind called ``name``, signed by one of ``keys``. Raises FirmwareRefused."""
    if not _SIGNATURE_LINE < len(file) <= MAX_STATEMENT:
        raise FirmwareRefused("statement", f"expected a signed file of up to {MAX_STATEMENT} bytes, got {len(file)}")
    body, line = file[:-_SIGNATURE_LINE], file[-_SIGNATURE_LINE:]
    match = _SIGNATURE.fullmatch(line)
    if match is None:
        raise FirmwareRefused("statement", 'expected a last line signature = "128 hex digits", and nothing after it')
    found = _read_body(kind, body)
    if found.statement != name:
        raise FirmwareRefused("statement", f"expected a {name}, got a {found.statement!r}")
    if found.signed_by not in keys:
        raise FirmwareRefused("key", f"expected a trusted key (firmware_keys), got {found.signed_by}")
    if not signature_holds(keys[found.signed_by], bytes.fromhex(match[1].decode()), body):
        raise FirmwareRefused("signature", f"the signature of key {found.signed_by[:16]} does not fit the {name}")
    return found


def _read_body(kind: type[Kind], body: bytes) -> Kind:
    try:
        return kind.model_validate(tomllib.loads(body.decode()))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "statement"
        raise FirmwareRefused("statement", f"{where}: {first['msg']}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FirmwareRefused("statement", f"expected TOML: {error}") from None


def _literal(value: str | int | Sequence[str]) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        if not _PLAIN.fullmatch(value):
            raise FirmwareRefused("statement", "expected text without quotes, backslashes and control characters")
        return f'"{value}"'
    return f"[{', '.join(_literal(item) for item in value)}]"
