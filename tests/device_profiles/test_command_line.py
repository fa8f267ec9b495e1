"""The command line, through the root command as people use it."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest

import hallfleet
from device_profiles.catalog import load_catalog
from edge_agent import doctor

BROKEN = 'name = "x"\ncapabilty = "printer"\n[line]\nbaud = 5\n'


def profile_count() -> int:
    catalog = load_catalog()
    return len(catalog.peripherals) + len(catalog.machines) + len(catalog.halls)


@pytest.fixture(name="broken")
def _broken(tmp_path: Path) -> Path:
    (tmp_path / "peripherals").mkdir()
    (tmp_path / "peripherals" / "mine.toml").write_text(BROKEN, "utf-8")
    return tmp_path


def test_profiles_list_shows_every_profile(capsys: pytest.CaptureFixture[str]) -> None:
    assert hallfleet.main(["profiles", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == profile_count()
    assert any(line.split()[:3] == ["peripherals", "sdt-sam-v", "id_reader"] for line in lines)


def test_profiles_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert hallfleet.main(["profiles", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["kind"] for row in rows} == {"peripherals", "machines", "halls"}
    assert all(row["id"] and row["what"] and row["name"] for row in rows)


def test_profiles_show_gives_one_profile_with_its_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert hallfleet.main(["profiles", "show", "epson-compatible-80"]) == 0
    profile = json.loads(capsys.readouterr().out)
    assert profile["options"] == {"charset": "gb18030", "columns": 48, "counter": True}
    assert profile["timing"]["attempts"] == 3


def test_profiles_show_of_an_unknown_id_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert hallfleet.main(["profiles", "show", "kioks"]) == 1
    assert capsys.readouterr().err == "hallfleet profiles: profile 'kioks' is not known; did you mean 'kiosk'?\n"


def test_profiles_check_says_that_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert hallfleet.main(["profiles", "check"]) == 0
    assert capsys.readouterr().out == f"{profile_count()} profiles, no problem\n"


def test_profiles_check_prints_every_problem_of_a_folder(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert hallfleet.main(["profiles", "check", str(broken)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert all(line.startswith(str(broken / "peripherals" / "mine.toml: ")) for line in lines)
    assert any("capabilty: unknown key; did you mean 'capability'?" in line for line in lines)


def test_a_broken_folder_stops_every_other_verb_with_one_line(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert hallfleet.main(["profiles", "list", "--folder", str(broken)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_profiles_schema_describes_the_files_that_are_there(
    repo_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hallfleet.main(["profiles", "schema", "--json"]) == 0
    for kind, schema in json.loads(capsys.readouterr().out).items():
        for file in (repo_root / "device_profiles" / kind).glob("*.toml"):
            jsonschema.validate(tomllib.loads(file.read_text("utf-8")), schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"id": "x"}, schema)


def test_profiles_schema_for_reading(capsys: pytest.CaptureFixture[str]) -> None:
    assert hallfleet.main(["profiles", "schema"]) == 0
    out = capsys.readouterr().out
    assert "line         optional  table of baud, data_bits, parity" in out
    assert "slots        required  object of peripheral, required" in out


@pytest.mark.parametrize("argv", [[], ["profilse"], ["profiles"], ["profiles", "lst"], ["profiles", "list", "--jsn"]])
def test_wrong_usage_is_exit_code_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert hallfleet.main(argv) == 2
    assert "usage:" in "".join(capsys.readouterr())


@pytest.mark.parametrize("argv", [["--help"], ["profiles", "--help"]])
def test_help_is_no_error(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert hallfleet.main(argv) == 0
    assert "profiles" in capsys.readouterr().out


def test_a_light_verb_loads_no_other_room() -> None:
    script = (
        "import sys, hallfleet; hallfleet.main(['profiles', 'check']);"
        "heavy = {'cloud', 'edge_agent', 'simulators', 'fastapi', 'sqlalchemy'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_doctor_answers_every_question(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = hallfleet.main(["doctor", "--data", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert code == (1 if any(line.startswith("FAIL") for line in lines) else 0)


def test_doctor_says_what_is_wrong(tmp_path: Path) -> None:
    assert not doctor.python_version((3, 10, 2)).ok
    assert doctor.python_version((3, 11, 0)).ok
    assert "run make setup" in doctor.packages("no-such-distribution").text
    assert doctor.packages("pytest").ok
    assert str(doctor.writable(tmp_path / "nowhere")) == (
        f"FAIL  {tmp_path / 'nowhere'}: expected a writable folder, got: No such file or directory"
    )


def test_doctor_names_ports_that_cannot_be_opened(tmp_path: Path) -> None:
    assert doctor.serial_ports(tmp_path) == doctor.Finding(True, "no USB serial ports here")
    (tmp_path / "ttyUSB0").touch()
    assert doctor.serial_ports(tmp_path).text == "1 USB serial ports, all accessible"
    (tmp_path / "ttyUSB1").symlink_to(tmp_path / "gone")
    assert doctor.serial_ports(tmp_path).text.startswith(f"no access to {tmp_path / 'ttyUSB1'}: add this user")
