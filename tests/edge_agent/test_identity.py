"""The machine's key and certificate: what is on the disk, the trial of a new pair, and settings that refuse less."""

import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloud.enrolment.service.authority import load_authority
from cloud.enrolment.service.requests import check_request
from device_profiles.errors import ConfigurationError
from device_profiles.messages.enrolment import CertificateRefused, CertificateRenewed, Enrolled
from edge_agent import enrol
from edge_agent.errors import AgentError
from edge_agent.identity import keys
from edge_agent.identity.cloud import Cloud
from edge_agent.identity.files import IdentityFolder, Pair
from edge_agent.identity.renewal import REFUSALS_BEFORE_FALL_BACK, Trial
from edge_agent.settings import load
from edge_agent.uplink.address import tls_context

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


class Office:
    """A CA that gives this machine what it asks for."""

    def __init__(self, folder: Path) -> None:
        self._authority = load_authority(folder / "ca", NOW)
        self.folder = IdentityFolder(folder / "identity")

    def take_in(self) -> Pair:
        """A new pair on the disk."""
        key = keys.new_key()
        public = check_request(keys.signing_request(key, "m1"), "m1")
        issued = self._authority.issue_machine("m1", 1, public, NOW, NOW + timedelta(days=90))
        enrolled = Enrolled(
            machine="m1",
            serial=issued.serial,
            epoch=1,
            certificate=issued.pem,
            ca=self._authority.pem,
            broker="mqtts://127.0.0.1",
            not_before=issued.certificate.not_valid_before_utc,
            not_after=issued.certificate.not_valid_after_utc,
        )
        return self.folder.take_in(key, enrolled)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_a_pair_is_readable_by_its_user_alone_and_makes_a_context(office: Office) -> None:
    pair = office.take_in()
    assert stat.S_IMODE(pair.key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(pair.folder.stat().st_mode) == stat.S_IMODE(office.folder.path.stat().st_mode) == 0o700
    assert keys.belongs(pair.key_file.read_bytes(), pair.cert_file.read_text())
    context = tls_context(office.folder.ca_file, pair.cert_file, pair.key_file)
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3


def test_a_new_pair_that_works_ends_the_old_one(office: Office) -> None:
    old, new, trial = office.take_in(), office.take_in(), Trial(office.folder)
    assert office.folder.previous() == old
    trial.linked(trial.pair())
    kind, told = trial.news.get_nowait()
    assert (kind, type(told)) == ("agent.certificate_renewed", CertificateRenewed)
    assert (told.serial, told.previous) == (new.facts.serial, old.facts.serial)
    assert not old.folder.exists()
    assert office.folder.previous() is None


def test_a_new_pair_that_is_refused_gives_way_to_the_old_one(office: Office) -> None:
    old, new, trial = office.take_in(), office.take_in(), Trial(office.folder)
    for _ in range(REFUSALS_BEFORE_FALL_BACK):
        assert trial.pair() == new
        trial.failed(new)
    assert trial.pair() == old
    trial.linked(old)
    kind, told = trial.news.get_nowait()
    assert (kind, type(told)) == ("agent.certificate_refused", CertificateRefused)
    assert office.folder.current() == old
    assert not new.folder.exists()


def test_with_no_way_to_the_broker_both_pairs_stay(office: Office) -> None:
    old, new, trial = office.take_in(), office.take_in(), Trial(office.folder)
    used = []
    for _ in range(REFUSALS_BEFORE_FALL_BACK + 2):
        used.append(trial.pair())
        trial.failed(used[-1])
    assert used == [new] * REFUSALS_BEFORE_FALL_BACK + [old, new]
    assert (office.folder.previous(), office.folder.current()) == (old, new)


def test_a_pair_that_was_cut_short_is_no_pair(office: Office) -> None:
    pair = office.take_in()
    (office.folder.path / "coming-pair-half").mkdir()
    (office.folder.path / "coming-pair-half" / "machine.key").touch()
    assert office.folder.current() == pair
    office.take_in()
    assert sorted(path.name for path in office.folder.path.glob("coming-*")) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('tls_minimum = "1.1"', "tls_minimum"),
        ('broker = "mqtt://broker.hall"', "mqtts://"),
        ('broker = "mqtt://127.0.0.1"\nidentity_dir = "/nowhere"', "identity_dir"),
        ('cloud_url = "http://cloud.hall"', "cloud_url|https"),
    ],
)
def test_settings_refuse_anything_weaker(tmp_path: Path, line: str, words: str) -> None:
    file = tmp_path / "edge.toml"
    broker = "" if "broker" in line else 'broker = "mqtts://broker.hall"\n'
    file.write_text(f'machine = "m1"\nprofile = "kiosk"\ndata_dir = "d"\n{broker}{line}\n')
    with pytest.raises(ConfigurationError, match=words):
        load(file, {})


def test_a_claim_code_is_never_sent_in_the_clear() -> None:
    with pytest.raises(AgentError, match="expected https://"):
        Cloud("http://cloud.hall:8080")


def test_the_rest_of_the_settings_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    file.write_text('# mine\ndata_dir = "/var/lib/x"\ncert_file = "old"\nsample_s = 5\n[ports]\nprinter = "usb"\n')
    enrol.write_settings(file, {"machine": "m1", "data_dir": "/elsewhere", "cloud_url": 'https://a"b'})
    text = file.read_text()
    assert 'data_dir = "/var/lib/x"' in text
    assert '[ports]\nprinter = "usb"' in text
    assert "cert_file" not in text
    assert all(word in text for word in ("# mine", "sample_s = 5", 'machine = "m1"'))
