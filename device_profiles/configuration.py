"""Settings of a process: one pydantic class, read from a TOML file and ``HALLFLEET_<ROOM>_*`` variables.

A variable wins over the file. ``__`` goes one level down (``HALLFLEET_EDGE_PORTS__PRINTER=/dev/ttyS0``); lists and
tables may also be written as JSON. Nothing is ignored: an unknown key is an error that names the nearest known one.
"""

import json
import os
import tomllib
from argparse import ArgumentTypeError
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from device_profiles.errors import ConfigurationError
from device_profiles.problems import Problem, problems_of

Settings = TypeVar("Settings", bound=BaseModel)
Port = Annotated[int, Field(ge=1, le=65535, description="TCP port")]
_BROKER_FORMS = "expected mqtts://host[:port] or mqtt://127.0.0.1[:port]"


def is_loopback(host: str) -> bool:
    """Whether only this computer can reach ``host``."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def check_broker_url(value: str) -> str:
    """``mqtts://host[:port]``, or ``mqtt://`` to this computer itself. Raises ValueError without the URL."""
    parts = _split(value)
    if parts is None or parts.scheme not in ("mqtt", "mqtts") or parts.path.strip("/"):
        raise ValueError(_BROKER_FORMS)
    if parts.username or parts.password:
        raise ValueError("expected no user name in the URL: the machine id and its certificate are used")
    if parts.scheme == "mqtt" and not is_loopback(str(parts.hostname)):
        raise ValueError("expected mqtts:// to another host: without TLS everybody on the way could read and write")
    return value


def check_http_url(value: str) -> str:
    """``http[s]://host[:port][/path]``, or nothing. Raises ValueError."""
    parts = _split(value)
    if value and (parts is None or parts.scheme not in ("http", "https") or parts.query or parts.fragment):
        raise ValueError("expected http[s]://host[:port][/path]")
    return value


BrokerUrl = Annotated[str, AfterValidator(check_broker_url)]
HttpUrl = Annotated[str, AfterValidator(check_http_url)]


def port_argument(text: str) -> int:
    """The type of a port on a command line: 1 to 65535. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 65535):
        raise ArgumentTypeError(f"expected a port from 1 to 65535, got {text[:40]!r}")
    return int(text)


def port_or_zero_argument(text: str) -> int:
    """The same where 0 means none, or any free one. Raises ArgumentTypeError."""
    return 0 if text == "0" else port_argument(text)


def check_files(**files: Path | None) -> None:
    """Raises ValueError that names the first of these keys whose file cannot be read."""
    for key, file in files.items():
        try:
            if file is not None:
                file.open("rb").close()
        except OSError as error:
            raise ValueError(f"{key}: expected a readable file, got {str(file)!r}: {error.strerror}") from error


def make_folder(key: str, folder: Path) -> None:
    """Make the folder that the setting ``key`` names. Raises ConfigurationError when this user cannot write there."""
    wrong = f"{key}: expected a folder to write in, got {str(folder)!r}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{wrong}: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(f"{wrong}: no permission")


def _split(url: str) -> SplitResult | None:
    """The parts of a URL that has a host and a port that can be; None for anything else."""
    try:
        parts = urlsplit(url)
        return parts if parts.hostname and parts.port != 0 and " " not in url else None
    except ValueError:  # a port beyond 65535, or a broken IPv6 address
        return None


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
