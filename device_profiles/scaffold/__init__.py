"""``hallfleet profiles new``: the files of a new device, complete enough to pass every test on the first run.

A model that speaks a known protocol gets a profile and a test. A new protocol gets profile, vectors, codec, driver,
simulated device, test and page around a small invented frame; what the device really does is then changed step by step
with the tests running.
"""

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

from device_profiles.capabilities import CAPABILITIES
from device_profiles.catalog import Catalog
from device_profiles.errors import ProfileError, nearest

_ID = re.compile(r"[a-z0-9][a-z0-9-]*")
_PROTOCOL = re.compile(r"[a-z][a-z0-9_]*")
LONGEST_NAME = 60
_REQUESTS = {"identify": 0x01, "status": 0x02}
_PLACES = {
    "profile.toml": "device_profiles/peripherals/$id.toml",
    "vectors.toml": "tests/vectors/$protocol.toml",
    "vectors.py": "tests/vectors/$protocol.py",
    "codec.py": "firmware_bridge/codecs/$protocol.py",
    "driver.py": "firmware_bridge/drivers/$protocol.py",
    "simulator.py": "simulators/peripherals/$protocol.py",
    "test.py": "tests/firmware_bridge/test_${protocol}_driver.py",
    "page.md": "docs/peripherals/$protocol.md",
}


def new_model(profile_id: str, like: str, name: str, catalog: Catalog, root: Path) -> list[Path]:
    """Write profile and test of a model that speaks the protocol of ``like``. Raises ProfileError: all or none."""
    _check_id(profile_id, catalog)
    _check_name(name)
    known = catalog.peripheral(like)
    words = {"id": profile_id, "module": profile_id.replace("-", "_"), "name": name, "like": like}
    source = (files("device_profiles") / "peripherals" / f"{like}.toml").read_text("utf-8")
    return _write(
        root,
        {
            f"device_profiles/peripherals/{profile_id}.toml": _as_model(source, name),
            f"tests/firmware_bridge/test_{words['module']}.py": _filled(
                "model_test.py", {**words, "capability": known.capability}
            ),
        },
    )


def new_protocol(
    profile_id: str, protocol: str, capability: str, name: str, catalog: Catalog, root: Path
) -> list[Path]:
    """Write everything that a new protocol needs. Raises ProfileError; writes all or none."""
    _check_id(profile_id, catalog)
    _check_name(name)
    if not _PROTOCOL.fullmatch(protocol):
        raise ProfileError(f"protocol: expected a module's name (a-z, 0-9, _), got {protocol!r}")
    if capability not in CAPABILITIES or capability == "screen":
        raise ProfileError(f"capability {capability!r} is not known; {nearest(capability, CAPABILITIES)}")
    words = _words(profile_id, protocol, capability, name)
    return _write(root, {Template(place).substitute(words): _filled(file, words) for file, place in _PLACES.items()})


def _words(profile_id: str, protocol: str, capability: str, name: str) -> Mapping[str, str]:
    model = profile_id.upper()
    frames = {f"ask_{what}": _frame(command) for what, command in _REQUESTS.items()}
    frames["tell_identify"] = _frame(0x81, model.encode())
    frames["tell_status"] = _frame(0x82, b"\x00")
    return {
        "id": profile_id,
        "protocol": protocol,
        "capability": capability,
        "Status": CAPABILITIES[capability].status.__name__,
        "name": name,
        "model": model,
        "model_hex": model.encode().hex(" ").upper(),
        **frames,
    }


def _frame(command: int, data: bytes = b"") -> str:
    """``AA 55 LEN CMD DATA XOR`` in hex: the invented frame that a new protocol starts from."""
    body = bytes((1 + len(data), command)) + data
    check = 0
    for byte in body:
        check ^= byte
    return (b"\xaa\x55" + body + bytes((check,))).hex(" ").upper()


def _check_id(profile_id: str, catalog: Catalog) -> None:
    if not _ID.fullmatch(profile_id):
        raise ProfileError(f"id: expected a-z, 0-9 and - as in acme-t58, got {profile_id!r}")
    if profile_id in catalog.peripherals:
        raise ProfileError(f"id: {profile_id!r} is taken; choose another or edit that profile")


def _check_name(name: str) -> None:
    """The name stands in TOML strings and docstrings."""
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable() or set(name) & set('"\\$'):
        raise ProfileError(
            f"name: expected 1 to {LONGEST_NAME} printable characters without quote, \\ and $, got {name!r}"
        )


def _as_model(source: str, name: str) -> str:
    """The text of a profile for another model: name, source and USB ids are its own."""
    text = re.sub(r"(?m)^#.*\n", "", source, count=1) if source.startswith("#") else source
    text = re.sub(r"(?m)^name = .*$", f'name = "{name}"', text)
    text = re.sub(r"(?m)^support = .*$", 'support = "datasheet" # hardware: tried on the device', text)
    text = re.sub(r"(?m)^source = .*$", 'source = "which manual, version and chapter says this"', text)
    return re.sub(r"(?ms)^\[match\]\n.*?(?=^\[|\Z)", "", text).rstrip() + "\n"


def _filled(file: str, words: Mapping[str, str]) -> str:
    text = (files("device_profiles.scaffold") / "templates" / f"{file}.tmpl").read_text("utf-8")
    return Template(text).substitute(words)


def _write(root: Path, texts: Mapping[str, str]) -> list[Path]:
    if not (root / "device_profiles" / "peripherals").is_dir():
        raise ProfileError(f"{root}: expected the root of a hallfleet checkout, with device_profiles/peripherals in it")
    places = {root / place: text for place, text in texts.items()}
    if taken := [str(place) for place in places if place.exists()]:
        raise ProfileError(f"expected to write new files only, these exist: {', '.join(taken)}")
    for place, text in places.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")
    return list(places)
