"""Garbage in settings files, variables and on command lines: one clear line on stderr, no traceback, at once."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import hallfleet

WITHIN_S = 30.0  # of a loaded computer; an idle one needs one or two
EDGE: Mapping[str, Any] = {
    "machine": "ticket-1",
    "profile": "ticket-machine",
    "broker": "mqtt://127.0.0.1:1",
    "ports": {"printer": "/dev/null"},
}
CLOUD: Mapping[str, Any] = {"broker": "mqtt://127.0.0.1:1"}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("HALLFLEET_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def toml(values: Mapping[str, Any]) -> str:
    tables = {key: value for key, value in values.items() if isinstance(value, dict)}
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if key not in tables]
    for key, table in tables.items():
        lines += [f"[{key}]", *(f"{name} = {json.dumps(value)}" for name, value in table.items())]
    return "\n".join(lines)


def written(text: str | bytes, name: str = "some.toml") -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
    return name


def refused(capsys: pytest.CaptureFixture[str], *words: str, said: str, usage: bool = False) -> None:
    """The command ends with a failure and one line on stderr; argparse puts its usage before the line."""
    code = hallfleet.main(words)
    err = capsys.readouterr().err
    assert code in (1, 2), err
    assert said in err
    assert "Traceback" not in err
    lines = err.splitlines()
    assert err.startswith("usage: ") if usage else len(lines) == 1, err
    assert lines[-1].startswith("hallfleet ")


CLOUD_SETTINGS = [
    ({"prot": 1}, "some.toml: prot: unknown key; did you mean 'port'?"),
    ({"port": "http"}, "port: expected a valid integer"),
    ({"port": 0}, "port: expected greater than or equal to 1, got 0"),
    ({"port": 70000}, "port: expected less than or equal to 65535, got 70000"),
    ({"halls": "demo-hall"}, "halls: expected a valid list, got 'demo-hall'"),
    ({"halls": []}, "halls: "),
    ({"halls": ["demo-hal"]}, "did you mean 'demo-hall'?"),
    ({"halls": ["demo-hall", "demo-hall"]}, "halls: expected every hall once"),
    ({"broker": "nonsense"}, "broker: expected mqtts://host[:port] or mqtt://127.0.0.1[:port], got 'nonsense'"),
    ({"broker": "mqtt://127.0.0.1:99999"}, "broker: expected mqtts://host[:port]"),
    ({"broker": "mqtt://[::1"}, "broker: expected mqtts://host[:port]"),
    ({"broker": "mqtt://hall.example"}, "broker: expected mqtts:// to another host"),
    ({"broker": "mqtts://me:secret@hall.example"}, "broker: expected no user name"),
    ({"broker": "mqtts://hall.example", "broker_ca_file": "no.pem"}, "broker_ca_file: expected a readable file"),
    ({"broker_cert_file": "a.pem"}, "broker_cert_file and broker_key_file: expected both or neither"),
    ({"host": "0.0.0.0", "demo": True}, "demo: nobody logs in, and host 0.0.0.0 can be reached from outside"),
    ({"password_log_in": False}, "password_log_in: false leaves no way to log in"),
    ({"staff_token": "t"}, "staff_token: unknown key"),
    ({"host": "not a host"}, "not a host:8080: cannot listen there"),
    ({"public_url": "nonsense"}, "public_url: expected http[s]://host[:port][/path], got 'nonsense'"),
    ({"departments_url": "ftp://x"}, "departments_url: expected http[s]://host"),
    ({"telemetry_url": "nonsense"}, "telemetry_url: expected influx+http://"),
    ({"database_url": "nonsense"}, "database_url: expected sqlite:///file or postgresql://..."),
    ({"database_url": "postgresql://127.0.0.1:1/x"}, "database_url: expected a database that answers"),
    ({"database_url": "sqlite:///broken.toml"}, "broken.toml: expected a sound database, it is damaged"),
    ({"database_url": "sqlite:///broken.toml/x.db"}, "database_url: expected a folder to write in"),
    ({"data_dir": "broken.toml"}, "data_dir: expected a folder to write in, got 'broken.toml'"),
    ({"data_dir": "/proc/nothing"}, "data_dir: expected a folder to write in"),
    ({"profiles_dir": "nowhere"}, "nowhere: expected a folder with peripherals, machines, halls, got none"),
    ({"log_level": "loud"}, "log_level: expected 'debug', 'info', 'warning' or 'error', got 'loud'"),
    ({"dispatch_interval_s": "often"}, "dispatch_interval_s: expected a valid number"),
]


@pytest.mark.parametrize(("changes", "said"), CLOUD_SETTINGS, ids=lambda value: str(value)[:50])
def test_the_cloud_names_a_wrong_setting(
    capsys: pytest.CaptureFixture[str], changes: dict[str, Any], said: str
) -> None:
    written("this is no database, only some text, " * 20, "broken.toml")
    file = written(toml({"data_dir": "data", **CLOUD, **changes}))
    refused(capsys, "cloud", "serve", "--config", file, said=said)


EDGE_SETTINGS = [
    ({"prot": 1}, "prot: unknown key; did you mean 'ports'?"),
    ({"screen_port": "x"}, "screen_port: expected a valid integer"),
    ({"screen_port": -1}, "screen_port: expected greater than or equal to 0, got -1"),
    ({"screen_port": 70000}, "screen_port: expected less than or equal to 65535, got 70000"),
    ({"machine": "Ticket 1"}, "machine: machine id: expected a-z, 0-9"),
    ({"profile": "ticket-machin"}, "machine profile 'ticket-machin' is not known; did you mean 'ticket-machine'?"),
    ({"ports": {"printr": "/dev/null"}}, "ports.printr: profile ticket-machine has no such slot; did you mean"),
    ({"ports": {}}, "ports.printer: expected the device of this slot"),
    ({"ports": 3}, "ports: expected a valid dictionary, got 3"),
    ({"broker": "nonsense"}, "broker: expected mqtts://host[:port]"),
    ({"broker": "mqtt://127.0.0.1:99999"}, "broker: expected mqtts://host[:port]"),
    ({"broker": "mqtt://hall.example"}, "broker: expected mqtts:// to another host"),
    ({"broker": "mqtts://hall.example", "ca_file": "no.pem"}, "ca_file: expected a readable file, got 'no.pem'"),
    ({"cert_file": "no.pem"}, "cert_file and key_file: expected both or neither"),
    ({"profiles_dir": "data"}, "data: expected a folder with peripherals, machines, halls"),
]


@pytest.mark.parametrize("verb", ["check", "run"])
@pytest.mark.parametrize(("changes", "said"), EDGE_SETTINGS, ids=lambda value: str(value)[:50])
def test_an_agent_names_a_wrong_setting(
    capsys: pytest.CaptureFixture[str], verb: str, changes: dict[str, Any], said: str
) -> None:
    file = written(toml({"data_dir": "data", **EDGE, **changes}))
    refused(capsys, "edge", verb, "--config", file, said=said)
    assert not Path("data").exists(), "nothing is begun before the settings are right"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data_dir": "some.toml"}, "data_dir: expected a folder to write in, got 'some.toml'"),
        ({"broker": "mqtts://127.0.0.1:1", "ca_file": "some.toml"}, "expected readable PEM files"),
    ],
)
def test_an_agent_that_cannot_begin_says_why(
    capsys: pytest.CaptureFixture[str], changes: dict[str, Any], said: str
) -> None:
    file = written(toml({"data_dir": "data", **EDGE, **changes}))
    refused(capsys, "edge", "run", "--config", file, said=said)


@pytest.mark.parametrize("words", [("cloud", "serve"), ("cloud", "migrate"), ("edge", "run"), ("edge", "check")])
def test_a_file_that_is_no_settings_file_is_named(capsys: pytest.CaptureFixture[str], words: tuple[str, str]) -> None:
    Path("folder").mkdir()
    for file, said in (
        ("missing.toml", "missing.toml: expected a readable file, got: No such file or directory"),
        ("folder", "folder: expected a readable file, got: Is a directory"),
        (written("port = = 3", "broken.toml"), "broken.toml: expected TOML, got: Invalid value (at line 1, column 8)"),
        (written(b"\xff\xfe", "bytes.toml"), "bytes.toml: expected UTF-8, got another byte at 0"),
    ):
        refused(capsys, *words, "--config", file, said=said)


@pytest.mark.parametrize("words", [("cloud", "serve"), ("edge", "check")])
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, repo_root: Path, words: tuple[str, str]) -> None:
    file = tmp_path / "secret.toml"
    file.write_text("port = 1\n")
    file.chmod(0)
    argv = [sys.executable, "-c", AS_NOBODY, str(repo_root), *words, "--config", str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert done.returncode in (1, 2)
    assert done.stderr.splitlines() == [
        f"hallfleet {words[0]}: {file}: expected a readable file, got: Permission denied"
    ]


# Root may read everything: without its capabilities it is a user like others, and may still enter pytest's folders.
AS_NOBODY = """
import ctypes, os, sys
sys.path.insert(0, sys.argv[1])
import hallfleet
if os.geteuid() == 0:
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert ctypes.CDLL(None, use_errno=True).capset(header, none) == 0
sys.exit(hallfleet.main(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("HALLFLEET_CLOUD_PROT", "1", "HALLFLEET_CLOUD_PROT: unknown key; did you mean 'port'?"),
        ("HALLFLEET_CLOUD_PORT", "abc", "HALLFLEET_CLOUD_PORT: expected a valid integer"),
        ("HALLFLEET_CLOUD_HALLS", "[", "HALLFLEET_CLOUD_HALLS: expected a valid list, got '['"),
        ("HALLFLEET_CLOUD_HALLS__X", "1", "HALLFLEET_CLOUD_HALLS: expected a valid list"),
        ("HALLFLEET_CLOUD_BROKER__X", "1", "HALLFLEET_CLOUD_BROKER"),
    ],
)
def test_a_wrong_variable_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    refused(capsys, "cloud", "serve", said=said)


def test_a_secret_is_never_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALLFLEET_CLOUD_TELEMETRY_TOKEN", '["my-secret"]')
    assert hallfleet.main(["cloud", "serve"]) == 1
    assert "my-secret" not in capsys.readouterr().err
    file = written(toml({**CLOUD, "broker": "mqtts://me:my-secret@hall.example:99999"}))
    assert hallfleet.main(["cloud", "serve", "--config", file]) == 1
    assert "my-secret" not in capsys.readouterr().err


GOOD = """\
name = "x"
capability = "printer"
driver = "escpos"
support = "datasheet"
source = "a book"
[line]
baud = 9600
[match]
usb = ["1a86:7523"]
"""


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"peripherals/a.toml": GOOD.replace('"x"', "5")}, "a.toml: name: expected a valid string, got 5"),
        ({"peripherals/a.toml": GOOD.replace("printer", "telepathy")}, "a.toml: capability: expected one of "),
        ({"peripherals/a.toml": 'drivr = "x"\n' + GOOD}, "drivr: unknown key; did you mean 'driver'?"),
        ({"peripherals/a.toml": GOOD.replace("1a86:7523", "CH340")}, "usb: expected vendor:product"),
        ({"peripherals/a.toml": GOOD, "peripherals/b.toml": GOOD}, "b.toml: match.usb: expected a device of its own"),
        ({"peripherals/sdt-sam-v.toml": GOOD}, "'sdt-sam-v' is already taken by"),
        ({"peripherals/a.toml": "= ="}, "a.toml: expected TOML"),
        ({"peripherals/a.toml": b"\xff"}, "a.toml: expected UTF-8, got byte FF at 0"),
        ({"peripherals/a.toml/x": ""}, "a.toml: expected a readable file, got: Is a directory"),
        (
            {"machines/m.toml": 'kind="kiosk"\nname_zh="x"\nname_en="y"\n[slots.p]\nperipheral="epson-compatible-8"\n'},
            "slots.p.peripheral: expected the id of one of the peripherals, got 'epson-compatible-8'; did you mean",
        ),
        ({"something/else.toml": ""}, "site: expected a folder with peripherals, machines, halls"),
    ],
    ids=lambda value: str(value)[-60:],
)
def test_a_broken_profile_is_named_by_every_command(
    capsys: pytest.CaptureFixture[str], files: dict[str, str | bytes], said: str
) -> None:
    for name, text in files.items():
        written(text, f"site/{name}")
    assert hallfleet.main(["profiles", "check", "site"]) == 1
    shown = capsys.readouterr()
    assert said in shown.out
    assert "problem" in shown.err
    edge = written(toml({"data_dir": "data", **EDGE, "profiles_dir": "site"}), "edge.toml")
    refused(capsys, "edge", "check", "--config", edge, said=said)


@pytest.mark.parametrize("path", ["nowhere", "some.toml"])
def test_a_profile_folder_that_is_none_is_named(capsys: pytest.CaptureFixture[str], path: str) -> None:
    written("")
    assert hallfleet.main(["profiles", "check", path]) == 1
    assert f"{path}: expected a folder with peripherals, machines, halls, got none" in capsys.readouterr().out


def test_an_unknown_driver_is_named_before_the_agent_begins(capsys: pytest.CaptureFixture[str]) -> None:
    written(GOOD.replace('"escpos"', '"escpoz"'), "site/peripherals/mine.toml")
    machine = 'kind="ticket_machine"\nname_zh="x"\nname_en="y"\n[slots.printer]\nperipheral="mine"\n'
    written(machine, "site/machines/my-machine.toml")
    edge = written(toml({"data_dir": "data", **EDGE, "profile": "my-machine", "profiles_dir": "site"}), "edge.toml")
    for verb in ("check", "run"):
        refused(capsys, "edge", verb, "--config", edge, said="mine.toml: driver: expected one of ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("cloud broker --port x", "--port: expected a port from 1 to 65535, got 'x'"),
        ("cloud broker --port 0", "--port: expected a port from 1 to 65535, got '0'"),
        ("cloud broker --port 70000", "--port: expected a port from 1 to 65535, got '70000'"),
        ("cloud serv", "invalid choice: 'serv'"),
        ("edge", "the following arguments are required"),
        ("simulate", "the following arguments are required"),
        ("simulate machine kiosk --dir d --id a --control-port 70000", "expected a port from 1 to 65535, got '70000'"),
        ("simulate machine kiosk --dir d --id a --control-port -1", "--control-port: expected a port"),
        ("simulate machine kiosk --dir d --id A/..", "--id: machine id: expected a-z, 0-9"),
        ("simulate machine kiosk --dir d --id a --speed 0", "--speed: expected a number above 0, got '0'"),
        ("simulate hall --dir d --speed nan", "--speed: expected a number above 0, got 'nan'"),
        ("simulate hall --dir d --speed inf", "--speed: expected a number above 0, got 'inf'"),
        ("simulate hall --dir d --speed fast", "--speed: expected a number above 0, got 'fast'"),
        ("simulate hall --dir d --seed x", "--seed: invalid int value: 'x'"),
        ("simulate departments --port 0", "--port: expected a port from 1 to 65535, got '0'"),
        ("simulate departments --port 9 --latency-ms -5", "--latency-ms: expected a number from 0 on, got '-5'"),
        ("demo --port x", "--port: expected a port from 1 to 65535, got 'x'"),
        ("demo --port 70000", "--port: expected a port from 1 to 65535, got '70000'"),
        ("demo --speed 0", "--speed: expected a number above 0, got '0'"),
        ("demo --nope", "unrecognized arguments: --nope"),
    ],
)
def test_a_wrong_argument_is_named_after_the_usage(capsys: pytest.CaptureFixture[str], words: str, said: str) -> None:
    refused(capsys, *words.split(), said=said, usage=True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("simulate peripheral sdt-sam-x --link l", "did you mean 'sdt-sam-v'?"),
        ("simulate peripheral sdt-sam-v --link text.txt", "text.txt: expected nothing or an old link there"),
        ("simulate peripheral sdt-sam-v --link text.txt/x", "text.txt: expected a folder for links"),
        ("simulate machine kiosks --dir d --id a", "did you mean 'kiosk'?"),
        ("simulate machine kiosk --dir text.txt --id a", "text.txt/a: expected a folder for links"),
        ("simulate hall --hall demo-hal --dir d", "did you mean 'demo-hall'?"),
        ("simulate hall --dir d --screens none.json", "none.json: expected a JSON object of machine: port"),
        ("simulate hall --dir d --screens text.txt", "text.txt: expected a JSON object of machine: port"),
        ("simulate hall --dir d --screens list.json", "expected a JSON object of machine: port, got [1]"),
        ("simulate hall --dir d --screens port.json", "expected a JSON object of machine: port, got"),
        ("simulate hall --dir d --screens machine.json", "no machine 'kiosk-7' here; did you mean 'kiosk-"),
        ("simulate --profiles-dir nowhere hall --dir d", "nowhere: expected a folder with peripherals"),
        ("simulate departments --port 9 --data text.txt", "text.txt: expected a file for the departments' data"),
        ("simulate departments --port 9 --data folder", "folder: expected a file for the departments' data"),
        ("demo --port 0 --scenario demo-hal", "did you mean 'demo-hall'?"),
        ("demo --port 0 --data text.txt", "--data: expected a folder to write in, got 'text.txt'"),
        ("demo --port 0 --check --json folder", "--json: expected a file, got the folder 'folder'"),
        ("demo --port 0 --check --json text.txt/out.json", "--json: expected a folder to write in"),
        ("cloud broker --host 192.0.2.1", "listens on 127.0.0.1 only"),
        ("cloud backup copy.db", "expected the cloud's database, got no file"),
        ("cloud restore none.db", "none.db: expected a backup file, got none"),
        ("cloud restore text.txt", "text.txt to hallfleet-data/hallfleet.db: file is not a database"),
        ("profiles show kioks", "did you mean 'kiosk'?"),
    ],
)
def test_what_a_command_cannot_work_with_is_one_line(capsys: pytest.CaptureFixture[str], words: str, said: str) -> None:
    Path("folder").mkdir()
    written("not what anybody expects, " * 50, "text.txt")
    written("[1]", "list.json")
    written('{"kiosk-1": 99999}', "port.json")
    written('{"kiosk-7": 8000}', "machine.json")
    refused(capsys, *words.split(), said=said)
    assert Path("text.txt").read_text().startswith("not what"), "somebody's file is as it was"


def test_a_port_that_is_taken_is_named_by_every_server(capsys: pytest.CaptureFixture[str], taken_port: int) -> None:
    place = f"127.0.0.1:{taken_port}"
    cloud = written(toml({"data_dir": "data", **CLOUD, "port": taken_port}), "cloud.toml")
    edge = written(toml({"data_dir": "edge", **EDGE, "screen_port": taken_port}), "edge.toml")
    for words in (
        f"cloud serve --config {cloud}",
        f"cloud broker --port {taken_port}",
        f"edge run --config {edge}",
        f"simulate departments --port {taken_port}",
        f"simulate machine kiosk --dir d --id a --control-port {taken_port}",
        f"simulate hall --dir d --control-port {taken_port}",
        f"demo --port {taken_port}",
    ):
        assert hallfleet.main(words.split()) == 1, words
        last = capsys.readouterr().err.splitlines()[-1]
        assert last.startswith(f"hallfleet {words.split()[0]}: "), last
        assert place in last


@pytest.mark.parametrize("words", [["nope"], [], ["serve"]])
def test_an_unknown_verb_is_told_with_the_known_ones(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert hallfleet.main(words) == 2
    assert "usage: hallfleet VERB" in "".join(capsys.readouterr())
