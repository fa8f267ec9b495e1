"""``hallfleet user``: the first administrator and everybody after; no password on the command line."""

import io
import json
from pathlib import Path

import pytest

import hallfleet
from cloud.cli import user
from cloud.core.errors import Invalid
from tests.builders.people import PASSWORD

CHIEF = ["add", "chief", "--role", "administrator", "--all-halls"]


class Console:
    """Runs the command as somebody at a terminal would, with standard input from a file."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._capsys, self._monkeypatch = folder, capsys, monkeypatch
        monkeypatch.setenv("HALLFLEET_CLOUD_DATA_DIR", str(folder))

    def run(self, *words: str, typed: str = "", fails: bool = False) -> str:
        self._monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        assert hallfleet.main(["user", *words]) == int(fails)
        out, err = self._capsys.readouterr()
        assert typed.strip() == "" or typed.strip() not in out + err
        return err if fails else out

    def roles(self) -> dict[str, list[str]]:
        return {person["name"]: person["roles"] for person in json.loads(self.run("list", "--json"))}


@pytest.fixture
def console(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Console:
    return Console(tmp_path / "data", capsys, monkeypatch)


def test_people_come_change_and_go(console: Console) -> None:
    assert console.roles() == {}
    console.run(*CHIEF, typed=f"{PASSWORD}\n")
    console.run("add", "lin", "--role", "manager", "--hall", "demo-hall", "--shown-name", "林", typed=f"{PASSWORD}\n")
    assert console.roles() == {"chief": ["administrator@*"], "lin": ["manager@demo-hall"]}
    console.run("grant", "lin", "--role", "crew", "--all-halls")
    console.run("withdraw", "lin", "--role", "manager", "--hall", "demo-hall")
    assert console.roles()["lin"] == ["crew@*"]
    console.run("disable", "lin")
    assert "disabled" in console.run("list")
    console.run("enable", "lin")
    console.run("remove", "lin")
    assert list(console.roles()) == ["chief"]
    assert PASSWORD not in (console.folder / "hallfleet.db").read_bytes().decode("latin-1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "Lin", "--role", "crew", "--all-halls"], "expected 2 to 40 of a-z"),
        (["add", "lin", "--role", "crew", "--hall", "no-such"], "expected * or a hall of this cloud"),
        (["add", "chief", "--role", "crew", "--all-halls"], "the name is taken"),
        (["remove", "nobody"], "there is none with this name"),
        (["remove", "chief"], "last administrator"),
        (["enable", "chief"], "does not allow"),
        (["revoke", "token_none"], "there is none with this id"),
        (["token", "chief", "--label", "x", "--scope", "hall.see", "--all-halls", "--days", "9999"], "1 to 366 days"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(console: Console, words: list[str], said: str) -> None:
    console.run(*CHIEF, typed=f"{PASSWORD}\n")
    told = console.run(*words, typed=f"{PASSWORD}\n", fails=True)
    assert said in told
    assert len(told.splitlines()) == 1


def test_a_password_is_no_argument() -> None:
    with pytest.raises(SystemExit):
        user.main([*CHIEF, "--password", PASSWORD])


def test_at_a_terminal_it_is_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    typed = iter([PASSWORD, PASSWORD, PASSWORD, f"{PASSWORD}x"])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(typed))
    assert user.ask_password("chief") == PASSWORD
    with pytest.raises(Invalid, match="same twice"):
        user.ask_password("chief")


def test_a_token_is_shown_once(console: Console) -> None:
    console.run(*CHIEF, typed=f"{PASSWORD}\n")
    text = console.run("token", "chief", "--label", "robot", "--scope", "hall.see", "--hall", "demo-hall").strip()
    assert text.startswith("hft_")
    (token,) = json.loads(console.run("tokens", "--json"))
    assert (token["label"], token["scopes"], token["halls"]) == ("robot", ["hall.see"], ["demo-hall"])
    assert text not in json.dumps(token)
    assert text.encode() not in b"".join(file.read_bytes() for file in console.folder.iterdir() if file.is_file())
    console.run("revoke", token["id"])
    assert json.loads(console.run("tokens", "--json")) == []
