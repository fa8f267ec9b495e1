"""Settings and the plan of a machine: what is wrong is said with the key and the way out."""

import json
from pathlib import Path
from typing import Any

import pytest

from device_profiles.catalog import load_catalog
from device_profiles.errors import ConfigurationError, ProfileError
from edge_agent.__main__ import main
from edge_agent.plan import plan_machine
from edge_agent.settings import EdgeSettings, load

BASE: dict[str, Any] = {
    "machine": "ticket-1",
    "profile": "ticket-machine",
    "broker": "mqtt://127.0.0.1:1884",
    "ports": {"printer": "/dev/ttyS0"},
}


def written(folder: Path, **changes: Any) -> Path:
    values = {"data_dir": str(folder / "data")} | BASE | changes
    file = folder / "edge.toml"
    plain = [f"{key} = {json.dumps(value)}" for key, value in values.items() if not isinstance(value, dict)]
    tables = [
        f"[{key}]\n" + "\n".join(f"{name} = {json.dumps(inner)}" for name, inner in value.items())
        for key, value in values.items()
        if isinstance(value, dict)
    ]
    file.write_text("\n".join([*plain, *tables]))
    return file


def settings(folder: Path, **changes: Any) -> EdgeSettings:
    return load(written(folder, **changes), {})


def test_a_file_and_a_variable(tmp_path: Path) -> None:
    found = load(written(tmp_path), {"HALLFLEET_EDGE_KEEPALIVE_S": "60", "HALLFLEET_EDGE_PORTS__SCANNER": "/dev/ttyS1"})
    assert found.broker_address == ("127.0.0.1", 1884)
    assert not found.uses_tls
    assert found.keepalive_s == 60
    assert found.ports == {"printer": "/dev/ttyS0", "scanner": "/dev/ttyS1"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"keepalive": 5}, "keepalive: unknown key; did you mean 'keepalive_s'"),
        ({"machine": "Ticket 1"}, "machine id: expected a-z"),
        ({"broker": "mqtt://hall.example:1883"}, "expected mqtts:// to another host"),
        ({"broker": "http://127.0.0.1"}, "expected mqtts://host"),
        ({"broker": "mqtts://user:secret@hall.example"}, "expected no user name"),
        ({"outbox_mib": 1}, "outbox_mib"),
        ({"cert_file": "/etc/hallfleet/cert.pem"}, "cert_file and key_file: expected both"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        settings(tmp_path, **changes)
    assert said in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("broker", ["mqtts://hall.example", "mqtt://localhost", "mqtt://[::1]:1883"])
def test_tls_everywhere_but_on_this_machine(tmp_path: Path, broker: str) -> None:
    assert settings(tmp_path, broker=broker).broker_address[1] in (1883, 8883)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"profile": "ticket-machin"}, "did you mean 'ticket-machine'"),
        ({"ports": {"printer": "/dev/a", "id_readr": "/dev/b"}}, "did you mean 'id_reader'"),
        ({"ports": {"scanner": "/dev/a"}}, "ports.printer: expected the device of this slot"),
        (
            {"profile": "counter-set", "screen_port": 8090, "ports": {"pad": "/a", "display": "/b", "caller": "/c"}},
            "has no screen",
        ),
    ],
)
def test_a_plan_that_does_not_fit_is_named(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises((ConfigurationError, ProfileError)) as error:
        plan_machine(settings(tmp_path, **changes))
    assert said in str(error.value)


def test_an_optional_slot_may_be_left_out(tmp_path: Path) -> None:
    assert list(plan_machine(settings(tmp_path)).slots) == ["printer"]


def test_check_tells_what_is_there_without_starting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ttyS0").touch()
    file = written(tmp_path, ports={"printer": str(tmp_path / "ttyS0"), "id_reader": str(tmp_path / "nothing")})
    assert main(["check", "--config", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["slots"]["printer"]["present"]
    assert not found["slots"]["id_reader"]["present"]
    assert set(found["unmounted"]) == set(load_catalog().machine("ticket-machine").slots) - {"printer", "id_reader"}
    assert not (tmp_path / "data").exists()
    assert main(["check", "--config", str(file)]) == 0
    assert "not plugged in" in capsys.readouterr().out


def test_wrong_settings_end_with_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--config", str(written(tmp_path, sreen_port=1))]) == 2
    said = capsys.readouterr().err
    assert "did you mean 'screen_port'" in said
    assert said.count("\n") == 1


def test_the_outbox_of_a_machine_that_never_ran(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["outbox", "--config", str(written(tmp_path))]) == 1
    assert "no outbox yet" in capsys.readouterr().err
