"""``hallfleet enrol``: a claim code and a new key for this machine's certificate.

The key is made here and never leaves. What is written: the identity folder, and the keys of the agent's TOML file that
follow from it; everything else in that file stays as it is.
"""

import argparse
import json
import os
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from getpass import getpass
from pathlib import Path

from device_profiles.catalog import load_catalog
from device_profiles.errors import MessageError, ProfileError
from device_profiles.messages.enrolment import Enrolled, read_code
from device_profiles.messages.topics import check_machine_id
from edge_agent.errors import AgentError
from edge_agent.identity.files import IdentityFolder, Pair

WAITING_KEY = "enrolling.key"
_KEY = re.compile(r"^\s*([a-z_]+)\s*=")


def main(argv: list[str]) -> int:
    """Enrol; 0 when the machine has its certificate."""
    options = _parser().parse_args(argv)
    try:
        pair = enrol(options)
    except (AgentError, MessageError, ProfileError, OSError) as error:
        print(f"hallfleet enrol: {error}", file=sys.stderr)  # noqa: T201 - a command line prints
        return 1
    until = pair.facts.not_after.date().isoformat()
    print(f"{options.machine}: certificate {pair.facts.serial[-12:]} until {until}; {_settings_file(options)}")  # noqa: T201
    return 0


def enrol(options: argparse.Namespace) -> Pair:
    """Do it. Raises AgentError, MessageError, ProfileError, OSError."""
    from edge_agent.identity import keys  # here: it loads cryptography
    from edge_agent.identity.cloud import Cloud

    machine, code = check_machine_id(options.machine), read_code(options.code or _typed_code())
    load_catalog(options.profiles_dir).machine(options.profile)
    cloud, out = Cloud(options.cloud, options.ca_file), options.out.resolve()
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = _waiting_key(out / WAITING_KEY, keys.new_key)
    enrolled = cloud.enrol(machine, code, key)
    pair = IdentityFolder(out / "identity").take_in(key, enrolled)
    IdentityFolder(out / "identity").prove()
    write_settings(_settings_file(options), _values(options, out, enrolled))
    (out / WAITING_KEY).unlink()
    return pair


def _waiting_key(file: Path, make: Callable[[], bytes]) -> bytes:
    """The key of an enrolment whose answer did not come: with it the same code still works."""
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
            new.write(make())
            new.flush()
            os.fsync(new.fileno())
    return file.read_bytes()


def _values(options: argparse.Namespace, out: Path, enrolled: Enrolled) -> dict[str, str]:
    values = {
        "machine": enrolled.machine,
        "profile": options.profile,
        "broker": enrolled.broker,
        "data_dir": str(out),
        "identity_dir": str(out / "identity"),
        "cloud_url": options.cloud,
    }
    if options.ca_file is not None:
        values["cloud_ca_file"] = str(options.ca_file.resolve())
    return values


def write_settings(file: Path, values: Mapping[str, str]) -> None:
    """Set these keys in a TOML file and leave the rest, comments included, as it is. Old ways to a certificate go."""
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    top = next((at for at, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
    replaced = set(values) | {"ca_file", "cert_file", "key_file"}
    kept = [line for line in lines[:top] if (found := _KEY.match(line)) is None or found[1] not in replaced]
    own = _keeps(lines[:top], values)
    text = "\n".join([*(f"{key} = {_toml(value)}" for key, value in own.items()), *kept, *lines[top:]]) + "\n"
    new = file.with_name(f".{file.name}.new")
    new.write_text(text, "utf-8")
    new.replace(file)


def _keeps(lines: list[str], values: Mapping[str, str]) -> dict[str, str]:
    """``values``, but a data folder that the file names already stays: it holds the machine's outbox."""
    present = tomllib.loads("\n".join(lines))
    return {**values, "data_dir": str(present.get("data_dir", values["data_dir"]))}


def _toml(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)  # a JSON string is a TOML basic string


def _settings_file(options: argparse.Namespace) -> Path:
    found: Path = options.config or options.out.resolve() / "edge.toml"
    return found


def _typed_code() -> str:
    return getpass("claim code: ") if sys.stdin.isatty() else sys.stdin.readline()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hallfleet enrol", description="Give this machine its certificate.")
    parser.add_argument(
        "--cloud", required=True, metavar="URL", help="https://host[:port]; http:// only to this machine"
    )
    parser.add_argument("--machine", required=True, metavar="ID")
    parser.add_argument("--profile", required=True, help="machine profile")
    parser.add_argument("--code", help="claim code; left out: asked for, so that no other user of this machine sees it")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="identity, and edge.toml unless --config"
    )
    parser.add_argument("--config", type=Path, help="the agent's TOML file to write or update; default DIR/edge.toml")
    parser.add_argument("--ca-file", type=Path, help="what the cloud's https certificate is checked against")
    parser.add_argument("--profiles-dir", type=Path, help="a site's own profiles")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
