"""What is checked with every golden vector; each check answers how many cases it tried, or fails as a test does."""

import tomllib
from pathlib import Path
from typing import Any

from tests.builders.vector_entry import Entry
from tests.firmware_bridge.vector_codecs import ENTRIES

FOLDER = Path(__file__).resolve().parent.parent / "vectors"
FILES = {path.stem: tomllib.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.toml"))}
CHECKSUMS = FILES.pop("checksums")

Vector = dict[str, Any]


def octets(text: str) -> bytes:
    """Hex with blanks; ``00*1024`` repeats a byte."""
    parts = (part.partition("*") for part in text.split())
    return b"".join(bytes.fromhex(byte) * int(times or 1) for byte, _, times in parts)


def entry(name: str) -> Entry:
    """The codec and the requests of a protocol."""
    assert name in ENTRIES, f"tests/vectors/{name}.toml: expected tests/vectors/{name}.py with ENTRY"
    return ENTRIES[name]


def whole(name: str, vector: Vector) -> int:
    """The reply in one piece."""
    (reply,) = _replies_of(name, octets(vector["bytes"]))
    assert _seen(reply, vector["expect"]) == _wanted(vector)
    return 1


def split(name: str, vector: Vector) -> int:
    """The reply in two parts, split at every byte, and byte by byte."""
    data = octets(vector["bytes"])
    for at in range(1, len(data)):
        (reply,) = _replies_of(name, data[:at], data[at:])
        assert _seen(reply, vector["expect"]) == _wanted(vector), f"split at {at}"
    (reply,) = _replies_of(name, *(data[at : at + 1] for at in range(len(data))))
    assert _seen(reply, vector["expect"]) == _wanted(vector)
    return len(data) - 1


def behind_junk(name: str, vector: Vector) -> int:
    """The reply behind bytes of no frame, which are counted."""
    junk = octets(FILES[name]["junk"])
    codec = entry(name).codec()
    codec.feed(junk + octets(vector["bytes"]))
    reply = codec.next_reply()
    assert _seen(reply, vector["expect"]) == _wanted(vector)
    assert codec.next_reply() is None
    assert codec.discarded == len(junk)
    return 1


def behind_others(name: str, vector: Vector) -> int:
    """The reply behind every reply of its protocol, as a stale answer would stand there."""
    for stale in FILES[name]["reply"]:
        first, second = _replies_of(name, octets(stale["bytes"]) + octets(vector["bytes"]))
        assert _seen(first, stale["expect"]) == _wanted(stale)
        assert _seen(second, vector["expect"]) == _wanted(vector)
    return len(FILES[name]["reply"])


def behind_damaged(name: str, vector: Vector) -> int:
    """The reply behind a copy of itself that was damaged on the way; without a checksum there is nothing to try."""
    data = octets(vector["bytes"])
    if not vector.get("checked", FILES[name]["checked"]):
        return 0  # the damaged copy would be as good as the true one
    damaged = data[:-1] + bytes((data[-1] ^ 0x5A,))
    reply = _replies_of(name, damaged + data)[-1]
    assert _seen(reply, vector["expect"]) == _wanted(vector)
    return 1


def request(name: str, vector: Vector) -> int:
    """The request byte for byte."""
    make = entry(name).requests.get(vector["name"])
    assert make is not None, f"{name}.toml: expected {vector['name']!r} in the requests of tests/vectors/{name}.py"
    assert make().hex(" ") == octets(vector["bytes"]).hex(" ")
    return 1


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return value.hex(" ").upper() if isinstance(value, bytes) else value


def _seen(reply: object, expected: dict[str, Any]) -> dict[str, Any]:
    """Of ``reply``, what the vector speaks about."""
    attributes = {name: _plain(getattr(reply, name)) for name in expected if name != "type"}
    return {"type": type(reply).__name__, **attributes}


def _wanted(vector: Vector) -> dict[str, Any]:
    expect: dict[str, Any] = vector["expect"]
    return {
        name: octets(value).hex(" ").upper()
        if isinstance(value, str) and name in vector.get("hex", ["data"])
        else value
        for name, value in expect.items()
    }


def _replies_of(name: str, *chunks: bytes) -> list[Any]:
    codec = entry(name).codec()
    found = []
    for chunk in chunks:
        codec.feed(chunk)
        while (reply := codec.next_reply()) is not None:
            found.append(reply)
    return found
