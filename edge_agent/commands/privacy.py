"""How the personal part of an output leaves the machine: as salted tokens, and sealed to the cloud's key.

``subject`` is the same for the same document number, ``holder`` for the same name and date of birth: the cloud can tell
that two cards belong to one person without knowing who that is. What cannot be sealed stays here and is named in
``withheld``.
"""

from typing import Any

from device_profiles.capabilities.model import Shape, personal_fields
from device_profiles.messages.sealing import seal, subject_token
from device_profiles.messages.twin import DesiredAgent


def disclose(output: Shape, desired: DesiredAgent) -> dict[str, Any]:
    """``output`` as it may leave the machine."""
    names = personal_fields(type(output))
    open_part = output.model_dump(mode="json", exclude=set(names), exclude_none=True)
    values = {name: str(getattr(output, name)) for name in sorted(names) if getattr(output, name)}
    if not values:
        return open_part
    return open_part | _tokens(values, desired.subject_salt) | _sealed(values, desired.seal_key)


def subject_of(output: Shape, desired: DesiredAgent) -> str:
    """The token of the person that ``output`` identifies; empty without a salt or a document number."""
    values = {name: str(getattr(output, name)) for name in personal_fields(type(output))}
    return str(_tokens(values, desired.subject_salt).get("subject", ""))


def _tokens(values: dict[str, str], salt: str) -> dict[str, str]:
    if not salt:
        return {}
    tokens = {}
    if number := values.get("id_number") or values.get("document_number"):
        tokens["subject"] = subject_token(number, salt)
    name, birth_date = values.get("name") or values.get("holder_name"), values.get("birth_date")
    if name and birth_date:
        tokens["holder"] = subject_token(f"{name}|{birth_date}", salt)
    return tokens


def _sealed(values: dict[str, str], seal_key: str) -> dict[str, Any]:
    if not seal_key:
        return {"withheld": sorted(values)}
    return {"sealed": seal(values, seal_key)}
