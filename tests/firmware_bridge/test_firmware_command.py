"""``hallfleet firmware``: keys, manifests and approvals from files to files."""

from pathlib import Path

import pytest

import hallfleet
from tests.builders.firmware import RELEASE_KEY, mcuboot_image, pem_public


def run(*words: object) -> int:
    return hallfleet.main(["firmware", *map(str, words)])


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    assert run("keygen", tmp_path / "maker") == 0
    assert run("keygen", tmp_path / "chief") == 0
    (tmp_path / "app.bin").write_bytes(b"a program")
    return tmp_path


def sign(desk: Path, *more: object) -> int:
    where = ("--key", desk / "maker", "--out", desk / "app.toml")
    what = ("--device-type", "ticket-80", "--hardware", "A,B", "--version", "2.0.0")
    return run("sign", desk / "app.bin", *where, *what, *more)


def test_an_image_is_signed_verified_and_approved(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sign(desk) == 0
    checked = (desk / "app.bin", "--manifest", desk / "app.toml", "--public", desk / "maker.pub")
    assert run("verify", *checked, "--device-type", "ticket-80", "--hardware", "B") == 0
    assert "ticket-80 2.0.0 for A, B" in capsys.readouterr().out
    approval = ("--key", desk / "chief", "--out", desk / "app.ok", "--device", "kiosk-1/printer", "--from", "2.1.0")
    assert run("approve", *checked, *approval, "--reason", "2.1.0 loses tickets") == 0
    assert "signature" in (desk / "app.ok").read_text()
    assert run("verify", *checked, "--device-type", "another") == 1
    (desk / "app.bin").write_bytes(b"b program")
    assert run("verify", *checked) == 1


def test_the_private_key_is_the_owner_s_and_never_printed(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (desk / "maker").stat().st_mode & 0o777 == 0o600
    secret = "".join((desk / "maker").read_text().splitlines()[1:-1])
    assert sign(desk) == 0
    said = capsys.readouterr()
    assert secret not in said.out + said.err
    assert "PRIVATE" not in said.out + said.err


def test_show_reads_an_mcuboot_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "image").write_bytes(mcuboot_image("1.2.3+4"))
    (tmp_path / "key.pub").write_bytes(pem_public(RELEASE_KEY.public_key()))
    assert run("show", tmp_path / "image") == 0
    assert "1.2.3+4" in capsys.readouterr().out
    assert run("verify", tmp_path / "image", "--public", tmp_path / "key.pub") == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("sign",), 2),
        (("show", "missing"), 2),
        (("verify", "missing", "--public", "missing"), 2),
        (("keygen", "no/such/folder/key"), 2),
        (("approve", "x", "--key", "x", "--out", "x", "--public", "x", "--device", "x", "--from", "1.0", "--reason",
          "x", "--hours", "0"), 2),
    ],
)  # fmt: skip
def test_wrong_words_end_with_one_line(words: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words) == code
    assert "Traceback" not in capsys.readouterr().err
