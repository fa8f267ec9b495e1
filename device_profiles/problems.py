"""Pydantic's problems in our words: the key, what was expected, what came, and the nearest known key.

Profiles and settings share these words. A value is shown only when it is short and can be no secret.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from device_profiles.errors import nearest

_SECRET_NAME = re.compile(r"token|password|passwd|secret|salt|(^|_)key$|private")
_CREDENTIALS = re.compile(r"(?<=//)[^/@\s]*(?=@)")
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong key. ``place`` is its path in the file, ``text`` what is wrong with it."""

    place: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{'.'.join(self.place)}: {self.text}" if self.place else self.text


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Every problem of ``error``, which validating ``model`` has raised."""
    return [
        Problem(tuple(str(part) for part in details["loc"]), _text(details, model))
        for details in error.errors(include_url=False)
    ]


def _text(details: ErrorDetails, model: type[BaseModel]) -> str:
    *parents, key = details["loc"] or ("",)
    if details["type"] == "extra_forbidden":
        return f"unknown key; {nearest(str(key), _known_keys(model, parents))}"
    if details["type"] == "missing":
        return "expected a value, got nothing"
    message = details["msg"].removeprefix("Value error, ")
    if message.startswith("Input should "):
        message = f"expected {message.removeprefix('Input should ').removeprefix('be ')}"
    if not details["loc"] or ", got " in message:  # without a place it is about several keys together
        return message
    return f"{message}, got {_shown(details, model)}"


def _shown(details: ErrorDetails, model: type[BaseModel]) -> str:
    value = details["input"]
    if _is_secret(details["loc"], model):
        return "a secret that is not shown"
    if not isinstance(value, str | int | float | bool):
        return f"a {type(value).__name__}"
    shown = _CREDENTIALS.sub("***", repr(value))
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."


def _is_secret(place: tuple[int | str, ...], model: type[BaseModel]) -> bool:
    if any(isinstance(part, str) and _SECRET_NAME.search(part) for part in place):
        return True
    return any(option in (SecretStr, SecretBytes) for option in _annotations(model, place))


def _known_keys(model: type[BaseModel], parents: list[int | str]) -> list[str]:
    models = [option for option in _annotations(model, parents) if _is_model(option)]
    return [info.alias or name for option in models for name, info in option.model_fields.items()]


def _annotations(model: type[BaseModel], place: tuple[int | str, ...] | list[int | str]) -> list[Any]:
    """The types that a value at ``place`` may have, as far as the annotations tell."""
    options: list[Any] = [model]
    for part in place:
        options = [inner for option in options for inner in _inside(option, part)]
    return options


def _inside(option: Any, part: int | str) -> Iterator[Any]:
    if _is_model(option):
        if part in option.model_fields:
            yield from _flat(option.model_fields[part].annotation)
    elif arguments := get_args(option):
        yield from _flat(arguments[-1])


def _flat(annotation: Any) -> Iterator[Any]:
    """The members of a union, or the annotation itself; containers stay as they are."""
    if get_origin(annotation) in (list, dict, tuple) or not get_args(annotation):
        yield annotation
    else:
        for argument in get_args(annotation):
            yield from _flat(argument)


def _is_model(option: Any) -> bool:
    return isinstance(option, type) and issubclass(option, BaseModel)
