"""Settings of a process: one pydantic class, read from a TOML file and ``HALLFLEET_<ROOM>_*`` variables.

A variable wins over the file. ``__`` goes one level down (``HALLFLEET_EDGE_PORTS__PRINTER=/dev/ttyS0``); lists and
tables may also be written as JSON. Nothing is ignored: an unknown key is an error that names the nearest known one.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from device_profiles.errors import ConfigurationError
from device_profiles.problems import Problem, problems_of

Settings = TypeVar("Settings", bound=BaseModel)
Port = Annotated[int, Field(ge=1, le=65535, description="TCP port")]


def load_settings(
    settings: type[Settings], room: str, file: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """Build ``settings`` (a model with ``extra="forbid"``) for a room such as ``edge``.

    Raises ConfigurationError with every problem, each with its file or variable; values of secrets are never shown.
    """
    values = {} if file is None else _read(file)
    variables = _from_environment(values, room, environ)
    try:
        return settings.model_validate(values)
    except ValidationError as error:
        lines = [_line(problem, room, file, variables) for problem in problems_of(error, settings)]
        raise ConfigurationError("; ".join(lines)) from None


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file}: expected a readable file, got: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: expected UTF-8, got another byte at {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file}: expected TOML, got: {error}") from None


def _from_environment(values: dict[str, Any], room: str, environ: Mapping[str, str]) -> dict[tuple[str, ...], str]:
    """Write the room's variables into ``values``; which place came from which variable."""
    prefix = _prefix(room)
    variables: dict[tuple[str, ...], str] = {}
    for name in sorted(environ):
        if name.startswith(prefix):
            place = tuple(name.removeprefix(prefix).lower().split("__"))
            _put(values, place, _value(environ[name]), name)
            variables[place] = name
    return variables


def _put(values: dict[str, Any], place: tuple[str, ...], value: object, name: str) -> None:
    *parents, key = place
    for parent in parents:
        below = values.setdefault(parent, {})
        if not isinstance(below, dict):
            raise ConfigurationError(f"{name}: expected a table at {parent!r}, got a single value there")
        values = below
    values[key] = value


def _value(text: str) -> object:
    """JSON for lists and tables, otherwise the text itself; pydantic makes numbers and switches of it."""
    if text[:1] not in ("[", "{"):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _line(problem: Problem, room: str, file: Path | None, variables: Mapping[tuple[str, ...], str]) -> str:
    for length in range(len(problem.place), 0, -1):
        if name := variables.get(problem.place[:length]):
            return ": ".join((name, *filter(None, [".".join(problem.place[length:])]), problem.text))
    if file is not None:
        return f"{file}: {problem}"
    return f"{_prefix(room)}{'__'.join(problem.place).upper()}: {problem.text}"


def _prefix(room: str) -> str:
    return f"HALLFLEET_{room.upper()}_"
