"""Runs every file in tests/vectors against its codec; see the README there."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from device_profiles.catalog import load_catalog
from firmware_bridge.framing import checksums
from tests.builders.vector_entry import Entry
from tests.firmware_bridge.vector_codecs import ENTRIES

FOLDER = Path(__file__).resolve().parent.parent / "vectors"
FILES = {path.stem: tomllib.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.toml"))}
CHECKSUMS = FILES.pop("checksums")
REPLIES = [
    pytest.param(name, vector, id=f"{name}: {vector['name']}")
    for name, file in FILES.items()
    for vector in file.get("reply", [])
]
REQUESTS = [
    pytest.param(name, vector, id=f"{name}: {vector['name']}")
    for name, file in FILES.items()
    for vector in file.get("request", [])
]


def octets(text: str) -> bytes:
    """Hex with blanks; ``00*1024`` repeats a byte."""
    parts = (part.partition("*") for part in text.split())
    return b"".join(bytes.fromhex(byte) * int(times or 1) for byte, _, times in parts)


def plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return value.hex(" ").upper() if isinstance(value, bytes) else value


def seen(reply: object, expected: dict[str, Any]) -> dict[str, Any]:
    """Of ``reply``, what the vector speaks about."""
    attributes = {name: plain(getattr(reply, name)) for name in expected if name != "type"}
    return {"type": type(reply).__name__, **attributes}


def wanted(vector: dict[str, Any]) -> dict[str, Any]:
    expect: dict[str, Any] = vector["expect"]
    return {
        name: octets(value).hex(" ").upper()
        if isinstance(value, str) and name in vector.get("hex", ["data"])
        else value
        for name, value in expect.items()
    }


def replies_of(name: str, *chunks: bytes) -> list[Any]:
    codec = entry(name).codec()
    found = []
    for chunk in chunks:
        codec.feed(chunk)
        while (reply := codec.next_reply()) is not None:
            found.append(reply)
    return found


def entry(name: str) -> Entry:
    assert name in ENTRIES, f"tests/vectors/{name}.toml: expected tests/vectors/{name}.py with ENTRY"
    return ENTRIES[name]


@pytest.mark.parametrize(("name", "vector"), REPLIES)
def test_a_reply_is_understood_whole(name: str, vector: dict[str, Any]) -> None:
    (reply,) = replies_of(name, octets(vector["bytes"]))
    assert seen(reply, vector["expect"]) == wanted(vector)


@pytest.mark.parametrize(("name", "vector"), REPLIES)
def test_a_reply_is_understood_when_it_comes_in_two_parts_or_byte_by_byte(name: str, vector: dict[str, Any]) -> None:
    data = octets(vector["bytes"])
    for at in range(1, len(data)):
        (reply,) = replies_of(name, data[:at], data[at:])
        assert seen(reply, vector["expect"]) == wanted(vector), f"split at {at}"
    (reply,) = replies_of(name, *(data[at : at + 1] for at in range(len(data))))
    assert seen(reply, vector["expect"]) == wanted(vector)


@pytest.mark.parametrize(("name", "vector"), REPLIES)
def test_a_reply_is_found_behind_junk(name: str, vector: dict[str, Any]) -> None:
    junk = octets(FILES[name]["junk"])
    codec = entry(name).codec()
    codec.feed(junk + octets(vector["bytes"]))
    reply = codec.next_reply()
    assert seen(reply, vector["expect"]) == wanted(vector)
    assert codec.next_reply() is None
    assert codec.discarded == len(junk)


@pytest.mark.parametrize(("name", "vector"), REPLIES)
def test_a_reply_is_found_behind_every_other_reply(name: str, vector: dict[str, Any]) -> None:
    for stale in FILES[name]["reply"]:
        first, second = replies_of(name, octets(stale["bytes"]) + octets(vector["bytes"]))
        assert seen(first, stale["expect"]) == wanted(stale)
        assert seen(second, vector["expect"]) == wanted(vector)


@pytest.mark.parametrize(("name", "vector"), REPLIES)
def test_a_reply_is_found_behind_a_damaged_copy_of_itself(name: str, vector: dict[str, Any]) -> None:
    data = octets(vector["bytes"])
    if not vector.get("checked", FILES[name]["checked"]):
        return  # no checksum: the damaged copy would be as good as the true one
    damaged = data[:-1] + bytes((data[-1] ^ 0x5A,))
    reply = replies_of(name, damaged + data)[-1]
    assert seen(reply, vector["expect"]) == wanted(vector)


@pytest.mark.parametrize(("name", "vector"), REQUESTS)
def test_a_request_is_made_byte_for_byte(name: str, vector: dict[str, Any]) -> None:
    make = entry(name).requests.get(vector["name"])
    assert make is not None, f"{name}.toml: expected {vector['name']!r} in the requests of tests/vectors/{name}.py"
    assert make().hex(" ") == octets(vector["bytes"]).hex(" ")


@pytest.mark.parametrize("vector", [pytest.param(vector, id=vector["name"]) for vector in CHECKSUMS["checksum"]])
def test_a_checksum_has_its_published_value(vector: dict[str, Any]) -> None:
    compute = getattr(checksums, vector["function"])
    assert compute(octets(vector["bytes"])) == vector["value"]


def test_every_vector_names_its_source() -> None:
    for name, file in {**FILES, "checksums": CHECKSUMS}.items():
        for vector in [*file.get("reply", []), *file.get("request", []), *file.get("checksum", [])]:
            assert vector.get("source"), f"{name}.toml: {vector['name']}: expected a source"


def test_every_protocol_in_the_catalogue_has_vectors() -> None:
    for profile in load_catalog().peripherals.values():
        families = (profile.driver, profile.driver.partition("_")[0])
        assert set(families) & set(FILES), f"{profile.id}: expected tests/vectors/{profile.driver}.toml"
