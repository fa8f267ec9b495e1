"""Settings from a file and the environment: what wins, and what an error says."""

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, SecretStr

from device_profiles.configuration import Port, load_settings
from device_profiles.errors import ConfigurationError


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keepalive_s: int = 30


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    machine: str
    port: Port = 8080
    halls: list[str] = ["demo-hall"]
    ports: dict[str, str] = {}
    broker: str = "mqtt://127.0.0.1:1883"
    level: Literal["info", "debug"] = "info"
    staff_token: str = ""
    password: SecretStr = SecretStr("")
    code: SecretStr | None = None
    uplink: Inner = Inner()


def load(tmp_path: Path, text: str = "", **environ: str) -> Settings:
    file = tmp_path / "edge.toml"
    file.write_text(text, "utf-8")
    return load_settings(Settings, "edge", file, environ)


def refusal(tmp_path: Path, text: str = "", **environ: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text, **environ)
    return str(caught.value).replace(str(tmp_path / "edge.toml"), "FILE")


def test_a_file_gives_the_values(tmp_path: Path) -> None:
    settings = load(tmp_path, 'machine = "m"\nport = 1\n[ports]\nprinter = "/dev/ttyS0"\n')
    assert (settings.machine, settings.port, settings.ports) == ("m", 1, {"printer": "/dev/ttyS0"})


def test_a_variable_wins_over_the_file_and_others_stay(tmp_path: Path) -> None:
    text = 'machine = "m"\n[ports]\nprinter = "/dev/a"\nid_reader = "/dev/b"\n'
    environ = {"HALLFLEET_EDGE_MACHINE": "n", "HALLFLEET_EDGE_PORTS__ID_READER": "/dev/c"}
    settings = load(tmp_path, text, **environ)
    assert settings.machine == "n"
    assert settings.ports == {"printer": "/dev/a", "id_reader": "/dev/c"}


def test_variables_alone_are_enough() -> None:
    environ = {
        "HALLFLEET_EDGE_MACHINE": "m",
        "HALLFLEET_EDGE_PORT": "99",
        "HALLFLEET_EDGE_HALLS": '["a", "b"]',
        "HALLFLEET_EDGE_UPLINK__KEEPALIVE_S": "5",
        "HALLFLEET_CLOUD_MACHINE": "another room",
        "PATH": "/bin",
    }
    settings = load_settings(Settings, "edge", None, environ)
    assert (settings.machine, settings.port, settings.halls) == ("m", 99, ["a", "b"])
    assert settings.uplink.keepalive_s == 5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            'machin = "m"',
            "FILE: machine: expected a value, got nothing; FILE: machin: unknown key; did you mean 'machine'?",
        ),
        ('machine = "m"\nport = 70000', "FILE: port: expected less than or equal to 65535, got 70000"),
        ('machine = "m"\nport = 0', "FILE: port: expected greater than or equal to 1, got 0"),
        ('machine = "m"\nport = "http"', "FILE: port: expected a valid integer, unable to parse string"),
        ('machine = "m"\nlevel = "loud"', "FILE: level: expected 'info' or 'debug', got 'loud'"),
        ('machine = "m"\nhalls = "a"', "FILE: halls: expected a valid list, got 'a'"),
        ('machine = "m"\n[uplink]\nkeepalive = 3', "FILE: uplink.keepalive: unknown key; did you mean 'keepalive_s'?"),
        ("machine = ", "FILE: expected TOML, got: Invalid value"),
    ],
)
def test_an_error_names_file_key_and_what_was_expected(tmp_path: Path, text: str, says: str) -> None:
    assert says in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("HALLFLEET_EDGE_PROT", "1", "HALLFLEET_EDGE_PROT: unknown key; did you mean 'port'?"),
        ("HALLFLEET_EDGE_PORT", "70000", "HALLFLEET_EDGE_PORT: expected less than or equal to 65535, got '70000'"),
        ("HALLFLEET_EDGE_HALLS", "[broken", "HALLFLEET_EDGE_HALLS: expected a valid list, got '[broken'"),
        (
            "HALLFLEET_EDGE_UPLINK__KEEPALIVE",
            "1",
            "HALLFLEET_EDGE_UPLINK__KEEPALIVE: unknown key; did you mean 'keepalive_s'",
        ),
        (
            "HALLFLEET_EDGE_UPLINK",
            '{"keep": 1}',
            "HALLFLEET_EDGE_UPLINK: keep: unknown key; did you mean 'keepalive_s'?",
        ),
        (
            "HALLFLEET_EDGE_MACHINE__ID",
            "1",
            "HALLFLEET_EDGE_MACHINE__ID: expected a table at 'machine', got a single value",
        ),
        ("HALLFLEET_EDGE_", "1", "HALLFLEET_EDGE_: unknown key"),
    ],
)
def test_an_error_names_the_variable(tmp_path: Path, name: str, value: str, says: str) -> None:
    assert says in refusal(tmp_path, 'machine = "m"', **{name: value})


def test_a_missing_value_names_the_variable_when_there_is_no_file() -> None:
    with pytest.raises(ConfigurationError, match="HALLFLEET_EDGE_MACHINE: expected a value, got nothing"):
        load_settings(Settings, "edge", None, {})


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml: expected a readable file, got: No such file"):
        load_settings(Settings, "edge", tmp_path / "nowhere.toml", {})


def test_a_file_that_is_not_utf8_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "edge.toml").write_bytes(b'machine = "\xff"')
    with pytest.raises(ConfigurationError, match="expected UTF-8"):
        load_settings(Settings, "edge", tmp_path / "edge.toml", {})


@pytest.mark.parametrize(
    "text",
    [
        "staff_token = 914123",
        "password = 914123",
        "code = 914123",
        'passwrod = "914123"',
        "[ports]\nprivate_key = 914123",
        "broker = 914123\nport = 'mqtt://user:914123@host'",
        "[staff_token]\na = 914123",
    ],
)
def test_the_value_of_a_secret_is_never_shown(tmp_path: Path, text: str) -> None:
    said = refusal(tmp_path, f'machine = "m"\n{text}\n')
    if "broker" not in text:
        assert "914123" not in said
    else:
        assert "user:914123" not in said


@given(st.dictionaries(st.from_regex(r"HALLFLEET_EDGE_[A-Z_]{0,12}", fullmatch=True), st.text(max_size=12), max_size=4))
def test_any_variables_give_settings_or_a_configuration_error(environ: dict[str, str]) -> None:
    try:
        settings = load_settings(Settings, "edge", None, {"HALLFLEET_EDGE_MACHINE": "m", **environ})
    except ConfigurationError:
        return
    assert set(environ) <= {f"HALLFLEET_EDGE_{name.upper()}" for name in Settings.model_fields} | {
        "HALLFLEET_EDGE_PORTS__" + name.upper() for name in settings.ports
    }
