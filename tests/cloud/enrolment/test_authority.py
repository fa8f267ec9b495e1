"""The CA's key, the revocation list, the files for brokers, the codes."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.errors import Invalid
from cloud.enrolment.adapters.broker_files import BrokerPlan, write_broker_files
from cloud.enrolment.adapters.revocation_list import Reload, RevocationFile
from cloud.enrolment.model import Ended
from cloud.enrolment.service.authority import load_authority
from device_profiles.errors import MessageError
from device_profiles.messages.enrolment import CODE_LENGTH, CODE_SYMBOLS, read_code, shown_code, with_check
from tests.cloud.enrolment.fleet_office import NOW

CODES = st.text(CODE_SYMBOLS, min_size=CODE_LENGTH - 1, max_size=CODE_LENGTH - 1).map(with_check)


def test_the_key_is_made_once_and_for_its_user_alone(tmp_path: Path) -> None:
    first, again = load_authority(tmp_path, NOW), load_authority(tmp_path, NOW)
    assert first.pem == again.pem
    assert stat.S_IMODE((tmp_path / "ca.key").stat().st_mode) == 0o600


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    load_authority(tmp_path, NOW)
    (tmp_path / "ca.key").chmod(0o640)
    with pytest.raises(Invalid, match="can be read by others; chmod 600"):
        load_authority(tmp_path, NOW)


def test_a_key_of_another_authority_is_refused(tmp_path: Path) -> None:
    for name in "ab":
        load_authority(tmp_path / name, NOW)
    with pytest.raises(Invalid, match="not that of the certificate"):
        load_authority(tmp_path, NOW, tmp_path / "a" / "ca.key", tmp_path / "b" / "ca.crt")


def test_a_list_is_read_back_and_a_foreign_one_is_not(tmp_path: Path) -> None:
    ours, theirs = load_authority(tmp_path / "a", NOW), load_authority(tmp_path / "b", NOW)
    entry = Ended(f"{77:040x}", 1_772_000_000_000)
    pem = ours.revocations([entry], 1, NOW)
    assert ours.read_revocations(pem) == [entry]
    with pytest.raises(Invalid, match="this fleet's CA"):
        theirs.read_revocations(pem)


async def test_a_reload_that_fails_says_which(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"broker_pid_file .*none"):
        await Reload(pid_file=tmp_path / "none").run()
    with pytest.raises(Exception, match="ended with 1"):
        await Reload(["/bin/false"]).run()
    await Reload(["/bin/true"]).run()


@pytest.mark.parametrize("kind", ["mosquitto", "emqx"])
def test_broker_files_are_complete_and_leave_keys_alone(tmp_path: Path, kind: str) -> None:
    authority, out = load_authority(tmp_path / "data", NOW), tmp_path / "out"
    plan = BrokerPlan(kind, ["mqtt.hall", "10.0.0.7"], out, out, tmp_path / "fleet.crl")  # type: ignore[arg-type]
    written = write_broker_files(out, plan, authority, NOW)
    texts = "".join(file.read_text() for file in written)
    user = "${username}" if kind == "emqx" else "%u"
    assert f"hallfleet/v1/+/{user}/up/#" in texts
    assert f"hallfleet/v1/+/{user}/down/#" in texts
    assert texts.replace("${username}", "").count("$") == 0
    assert all(not file.stat().st_mode & 0o077 for file in written if file.suffix == ".key")
    before = (out / "broker.key").read_bytes()
    assert write_broker_files(out, plan, authority, NOW) == written
    assert (out / "broker.key").read_bytes() == before
    assert RevocationFile(plan.crl).read() is not None
    assert os.stat(plan.crl).st_mode & 0o044


@given(CODES)
def test_a_code_is_read_however_people_type_it(code: str) -> None:
    assert read_code(shown_code(code)) == code
    assert read_code(f" {code.lower()} ".replace("0", "o").replace("1", "l")) == code


@given(CODES, st.integers(0, CODE_LENGTH - 1), st.sampled_from(CODE_SYMBOLS))
def test_one_wrong_symbol_is_noticed_before_the_cloud_is_asked(code: str, at: int, symbol: str) -> None:
    wrong = code[:at] + symbol + code[at + 1 :]
    if wrong != code:
        with pytest.raises(MessageError, match="mistyped"):
            read_code(wrong)
