"""The catalogue: what is packaged, what a site adds, and what it says about mistakes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from device_profiles.capabilities import CAPABILITIES
from device_profiles.catalog import find_problems, load_catalog
from device_profiles.errors import ProfileError
from device_profiles.schema.machine import MachineKind

PRINTER = """
name = "Another printer"
capability = "printer"
driver = "escpos"
support = "simulated"
source = "test"
"""
MACHINE = """
kind = "kiosk"
name_zh = "机"
name_en = "Machine"
[slots.printer]
peripheral = "epson-compatible-80"
"""
Write = Callable[[str, str], Path]


@pytest.fixture(name="write")
def _write(tmp_path: Path) -> Write:
    """Write one file into the site's folder; gives the folder."""

    def write(name: str, text: str) -> Path:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")
        return tmp_path

    return write


def demo_hall(**changes: str) -> str:
    """The packaged hall's file with some text replaced."""
    from importlib.resources import files

    text = (files("device_profiles") / "halls" / "demo-hall.toml").read_text("utf-8")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new, 1)
    return text


def test_every_packaged_profile_loads() -> None:
    catalog = load_catalog()
    # At least these: a new device is a new file, and no list to edit.
    assert set(catalog.peripherals) >= {
        *("sdt-sam-v", "epson-compatible-80", "hdp-evaluator", "hdp-display", "hdp-caller"),
        *("creator-crt-571", "star-tcp300", "grow-gm65", "zfm-fingerprint"),
    }
    assert set(catalog.machines) >= {
        *("kiosk", "ticket-machine", "counter-set", "endorsement-machine", "id-renewal-machine")
    }
    assert "demo-hall" in catalog.halls


def test_there_is_a_machine_of_every_kind_and_a_peripheral_for_every_capability() -> None:
    catalog = load_catalog()
    assert {machine.kind for machine in catalog.machines.values()} == set(MachineKind.__args__)  # type: ignore[attr-defined]
    # The screen is the agent's own: no driver, no profile.
    assert {profile.capability for profile in catalog.peripherals.values()} == set(CAPABILITIES) - {"agent", "screen"}


def test_the_demo_hall_lets_a_manager_move_somebody() -> None:
    hall = load_catalog().hall("demo-hall")
    assert len(hall.machines) == 12
    assert len(hall.counters) == 6
    assert {service.target_wait_s for service in hall.services} == {660}
    movable = [clerk for clerk in hall.clerks if len(clerk.skills) > 1]
    assert len(movable) >= 2
    called = {service for counter in hall.counters for service in counter.services}
    assert called == {service.id for service in hall.services}


@pytest.mark.parametrize(
    ("look_up", "wanted", "says"),
    [
        ("peripheral", "sdt-sam", "peripheral profile 'sdt-sam' is not known; did you mean 'sdt-sam-v'?"),
        ("machine", "kiosks", "machine profile 'kiosks' is not known; did you mean 'kiosk'?"),
        ("hall", "demo-hal", "hall 'demo-hal' is not known; did you mean 'demo-hall'?"),
    ],
)
def test_a_wrong_id_names_the_nearest(look_up: str, wanted: str, says: str) -> None:
    with pytest.raises(ProfileError) as caught:
        getattr(load_catalog(), look_up)(wanted)
    assert str(caught.value) == says


def test_an_id_that_is_near_to_none_names_them_all() -> None:
    with pytest.raises(ProfileError, match=r"known: counter-set, .*endorsement-machine, .*kiosk, "):
        load_catalog().machine("xyz")


def test_a_device_is_found_by_its_usb_id() -> None:
    assert load_catalog().match(usb="0400:C35A").id == "sdt-sam-v-usb"


def test_a_device_that_no_profile_knows_is_an_error() -> None:
    with pytest.raises(ProfileError, match="usb ffff:ffff, model unknown: no profile matches"):
        load_catalog().match(usb="ffff:ffff")
    with pytest.raises(ProfileError, match="no profile matches"):
        load_catalog().match()


def test_an_ambiguous_match_is_an_error_until_the_model_decides(write: Write) -> None:
    bridge = '[match]\nusb = ["1a86:7523"]\n'
    write("peripherals/one.toml", PRINTER + bridge + 'identify = "^Model 1$"')
    catalog = load_catalog(write("peripherals/two.toml", PRINTER + bridge + 'identify = "^Model 2"'))
    with pytest.raises(ProfileError, match="expected one profile, got one, two"):
        catalog.match(usb="1a86:7523")
    assert catalog.match(usb="1a86:7523", identify="Model 2b").id == "two"
    assert catalog.match(identify="Model 1").id == "one"
    with pytest.raises(ProfileError, match="no profile matches"):
        catalog.match(usb="1a86:7523", identify="Model 3")


def test_a_digest_changes_with_the_machine_and_with_its_peripherals(write: Write) -> None:
    write("machines/mine.toml", MACHINE.replace("epson-compatible-80", "mine"))
    before = load_catalog(write("peripherals/mine.toml", PRINTER)).digest("mine")
    assert load_catalog(write("peripherals/mine.toml", "# a comment\n" + PRINTER)).digest("mine") == before
    assert load_catalog(write("peripherals/mine.toml", PRINTER + "[line]\nbaud = 19200\n")).digest("mine") != before
    assert len(before) == 64


def test_a_catalogue_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        load_catalog().machines["kiosk"] = None  # type: ignore[index]


def test_a_sites_own_folder_adds_profiles(write: Write) -> None:
    write("peripherals/mine.toml", PRINTER)
    write("machines/mine.toml", MACHINE.replace("epson-compatible-80", "mine"))
    catalog = load_catalog(write("halls/mine.toml", demo_hall()))
    assert catalog.machine("mine").slots["printer"].peripheral == "mine"
    assert catalog.hall("mine").id == "mine"
    assert catalog.machine("kiosk").kind == "kiosk"


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("peripherals/a.toml", "name = ", "a.toml: expected TOML, got: Invalid value (at end of document)"),
        ("peripherals/a.toml", PRINTER + "xyzzy = 1", "a.toml: xyzzy: unknown key; known: "),
        ("peripherals/a.toml", PRINTER + "[line]\nbuad = 1", "a.toml: line.buad: unknown key; did you mean 'baud'?"),
        ("peripherals/a.toml", PRINTER + "[line]\nbaud = 1", "line.baud: expected greater than or equal to 300, got 1"),
        (
            "peripherals/a.toml",
            PRINTER + '[line]\nparity = "odds"',
            "line.parity: expected 'none', 'even' or 'odd', got",
        ),
        ("peripherals/a.toml", PRINTER + '[line]\nbaud = "fast"', "line.baud: expected a valid integer, "),
        ("peripherals/a.toml", PRINTER.replace("printer", "plotter"), "capability: expected one of "),
        ("peripherals/a.toml", PRINTER.replace('name = "', 'nam = "'), "name: expected a value, got nothing"),
        ("peripherals/a.toml", PRINTER + 'id = "b"', "a.toml: id: the file's name is the id; leave this key out"),
        ("peripherals/A b.toml", PRINTER, "A b.toml: id: "),
        ("peripherals/a.toml", PRINTER + '[match]\nusb = ["0400:C35A"]', "match.usb: expected vendor:product in lower"),
        ("peripherals/a.toml", PRINTER + '[match]\nidentify = "("', "match.identify: expected a regular expression"),
        ("peripherals/kiosk.toml", 'x = "\\ud800"', "kiosk.toml: expected TOML"),
        ("peripherals/sdt-sam-v.toml", PRINTER, "'sdt-sam-v' is already taken by "),
        (
            "machines/a.toml",
            MACHINE.replace("epson", "epsom"),
            "slots.printer.peripheral: expected the id of one of the",
        ),
        ("machines/a.toml", MACHINE.replace("epson", "epsom"), "did you mean 'epson-compatible-80'?"),
        ("machines/a.toml", MACHINE.replace("slots.printer", "slots.agent"), "slots: slot name: expected a-z"),
        ("machines/a.toml", MACHINE + "requird = true", "slots.printer.requird: unknown key; did you mean 'required'?"),
        ("halls/a.toml", demo_hall(Asia="Asien"), "timezone: expected an IANA time zone, got 'Asien/Shanghai'"),
        ("halls/a.toml", demo_hall(**{'profile = "kiosk"': 'profile = "kioks"'}), "did you mean 'kiosk'?"),
        ("halls/a.toml", demo_hall(**{'id = "kiosk-1"': 'id = "Kiosk"'}), "machines.8.id: machine id: expected a-z"),
        ("halls/a.toml", demo_hall(**{'prefix = "B"': 'prefix = "A"'}), "prefix 'A' stands twice"),
        ("halls/a.toml", demo_hall(**{'clerk = "w2"': 'clerk = "w1"'}), "counter's clerk 'w1' stands twice"),
        ("halls/a.toml", demo_hall(**{'clerk = "w1"': 'clerk = "w9"'}), "counter c1: clerk: expected one of w1, w2"),
        (
            "halls/a.toml",
            demo_hall(**{'machine = "counter-1"': 'machine = "kiosk-1"'}),
            "counters.0.machine: expected a",
        ),
        (
            "halls/a.toml",
            demo_hall(**{'services = ["exit-entry"]': 'services = ["property-tax"]'}),
            "counter c3: service that clerk w3 is skilled in: expected one of exit-entry, social-insurance, got",
        ),
        (
            "halls/a.toml",
            demo_hall(**{"x = 37.0": "x = 41.0"}),
            "endorse-1: expected a place inside 40 x 24 m, got 41, 12",
        ),
        (
            "halls/a.toml",
            demo_hall(**{'name = "林晓禾"': 'nme = "林晓禾"'}),
            "clerks.0.nme: unknown key; did you mean 'name'?",
        ),
    ],
)
def test_a_broken_profile_says_file_key_and_what_was_expected(write: Write, file: str, text: str, says: str) -> None:
    folder = write(file, text)
    with pytest.raises(ProfileError) as caught:
        load_catalog(folder)
    assert str(caught.value).startswith(str(folder / file))
    assert says in "\n".join(find_problems(folder))


def test_text_that_is_not_utf8_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "halls").mkdir()
    (tmp_path / "halls" / "a.toml").write_bytes(b'name = "\xb0\xec"')
    assert find_problems(tmp_path) == [f"{tmp_path / 'halls' / 'a.toml'}: expected UTF-8, got byte B0 at 8"]


def test_a_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="expected a folder with peripherals, machines, halls, got none"):
        load_catalog(tmp_path / "nowhere")


def test_all_problems_are_found_not_only_the_first(write: Write) -> None:
    write("peripherals/a.toml", PRINTER + "[line]\nbuad = 1\nparty = 1\n")
    write("machines/b.toml", MACHINE.replace("epson", "epsom"))
    folder = write("halls/c.toml", "name_zh = ")
    assert len(find_problems(folder)) == 4
    with pytest.raises(ProfileError, match=r"\(\+3 more: hallfleet profiles check\)"):
        load_catalog(folder)


def test_a_broken_profile_is_not_reported_again_by_what_refers_to_it(write: Write) -> None:
    write("peripherals/mine.toml", PRINTER + "[line]\nbuad = 1\n")
    folder = write("machines/mine.toml", MACHINE.replace("epson-compatible-80", "mine"))
    assert len(find_problems(folder)) == 1
