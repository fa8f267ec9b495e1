"""Every device against the vectors that its documents print: bytes in, bytes out, no codec of ours in between."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.simulators.bench import Bench, spaced
from tests.simulators.published import TEXT_BLOCK, published_person


@dataclass(frozen=True)
class Vector:
    """``before`` brings the device into the state in which the document shows the exchange."""

    name: str
    profile: str
    asked: str
    answered: str
    before: Callable[[Bench], object] = lambda _bench: None
    junk: str = "55 33 99"

    def bench(self) -> Bench:
        """The device in that state."""
        bench = Bench(self.profile, **OPTIONS.get(self.profile, {}))
        self.before(bench)
        return bench


OPTIONS: dict[str, dict[str, Any]] = {"hdp-evaluator": {"unit": 2}}  # the published frames speak to unit 2


def _card(bench: Bench) -> None:
    bench.press("insert_card", person="p001")


def _found(bench: Bench) -> None:
    _card(bench)
    bench.say("AA AA AA 96 69 00 03 20 01 22")


def _finger(bench: Bench) -> None:
    bench.press("present_finger", person="p005")
    bench.say("EF 01 FF FF FF FF 01 00 03 01 00 05")


def _features(bench: Bench) -> None:
    _finger(bench)
    bench.say("EF 01 FF FF FF FF 01 00 04 02 01 00 08")


def _jammed_unit(bench: Bench) -> None:
    bench.say("F2 00 00 03 43 30 33 03 B2")
    bench.press("jam")


def _rated_once(bench: Bench) -> None:
    """Event 5, grade 1, 0.3 s ago: four ratings before it were taken by the host."""
    for sequence in range(1, 6):
        bench.send(_crc(bytes((2, 6, 0, 0x10, 0, 2))))
        bench.press("touch_grade", grade=1)
        bench.unasked()
        if sequence < 5:
            bench.send(_crc(bytes((2, 6, 0, 0x14, 0, sequence))))
    bench.now += 0.3


def _crc(frame: bytes) -> bytes:
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return frame + value.to_bytes(2, "little")


SAM, CRT, STAR, GM, FINGER, PAD, PRINTER = (
    "sdt-sam-v", "creator-crt-571", "star-tcp300", "grow-gm65", "zfm-fingerprint", "hdp-evaluator",
    "epson-compatible-80",
)  # fmt: skip

VECTORS = [
    Vector("find, no card", SAM, "AA AA AA 96 69 00 03 20 01 22", "AA AA AA 96 69 00 04 00 00 80 84"),
    Vector("find, card", SAM, "AA AA AA 96 69 00 03 20 01 22", "AA AA AA 96 69 00 08 00 00 9F 00 00 00 00 97", _card),
    Vector("select, no card", SAM, "AA AA AA 96 69 00 03 20 02 21", "AA AA AA 96 69 00 04 00 00 81 85"),
    Vector(
        "select, card found", SAM, "AA AA AA 96 69 00 03 20 02 21",
        "AA AA AA 96 69 00 0C 00 00 90 00 00 00 00 00 00 00 00 9C", _found,
    ),
    Vector("read, no card", SAM, "AA AA AA 96 69 00 03 30 01 32", "AA AA AA 96 69 00 04 00 00 41 45"),
    Vector("card unit initialises", CRT, "F2 00 00 03 43 30 33 03 B2", "06 F2 00 00 06 50 30 33 30 32 30 03 96"),
    Vector("card unit status", CRT, "F2 00 00 03 43 31 30 03 B0", "06 F2 00 00 06 50 31 30 30 32 30 03 94"),
    Vector("to the gate, jam", CRT, "F2 00 00 03 43 32 39 03 BA", "06 F2 00 00 05 4E 32 39 31 30 03 B0", _jammed_unit),
    Vector("card printer status", STAR, "02 59 03 5A", "06 02 59 20 30 30 30 30 30 30 30 03 4A"),
    Vector("card printer, unknown command", STAR, "02 2A 03 29", "10"),
    Vector("scanner trigger", GM, "7E 00 08 01 00 02 01 AB CD", "02 00 00 01 00 33 31"),
    Vector("scanner saves its zones", GM, "7E 00 09 01 00 00 00 DE C8", "02 00 00 01 00 33 31"),
    Vector(
        "fingerprint password", FINGER, "EF 01 FF FF FF FF 01 00 07 13 00 00 00 00 00 1B",
        "EF 01 FF FF FF FF 07 00 03 00 00 0A",
    ),
    Vector(
        "no finger", FINGER, "EF 01 FF FF FF FF 01 00 03 01 00 05", "EF 01 FF FF FF FF 07 00 03 02 00 0C"
    ),
    Vector(
        "features", FINGER, "EF 01 FF FF FF FF 01 00 04 02 01 00 08", "EF 01 FF FF FF FF 07 00 03 00 00 0A", _finger
    ),
    Vector(
        "search finds page 5", FINGER, "EF 01 FF FF FF FF 01 00 08 04 01 00 00 00 C8 00 D6",
        "EF 01 FF FF FF FF 07 00 07 00 00 05 00 64 00 77", _features,
    ),
    Vector(
        "store at page 5", FINGER, "EF 01 FF FF FF FF 01 00 06 06 01 00 05 00 13",
        "EF 01 FF FF FF FF 07 00 03 00 00 0A", _features,
    ),
    Vector("pad takes ticket A200", PAD, "02 10 00 11 00 02 04 00 41 00 C8 6D A9", "02 10 00 11 00 02 11 FE"),
    Vector(
        "pad reports event 5", PAD, "02 04 00 00 00 07 B1 FB",
        "02 04 0E 48 44 00 01 00 01 00 00 00 05 00 01 00 03 31 76", _rated_once,
    ),
    Vector("pad is told that event 5 was seen", PAD, "02 06 00 14 00 05 09 FE", "02 06 00 14 00 05 09 FE", _rated_once),
    Vector("printer idle", PRINTER, "10 04 01", "12", junk="1B 40"),
    Vector("cover open", PRINTER, "10 04 02", "16", lambda bench: bench.press("open_cover"), junk="1B 40"),
    Vector("cutter fault", PRINTER, "10 04 03", "1A", lambda bench: bench.press("cutter_fault"), junk="1B 40"),
    Vector("paper near its end", PRINTER, "10 04 04", "1E", lambda bench: bench.press("paper_low"), junk="1B 40"),
    Vector("paper at its end", PRINTER, "10 04 04", "7E", lambda bench: bench.press("paper_out"), junk="1B 40"),
    Vector("automatic status, idle", PRINTER, "1D 61 0F", "10 00 00 00", junk="1B 40"),
    Vector("automatic status, near end", PRINTER, "1D 61 0F", "10 00 03 00", lambda b: b.press("paper_low"), "1B 40"),
]  # fmt: skip
every_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)


@every_vector
def test_device_answers_as_its_document_says(vector: Vector) -> None:
    bench = vector.bench()
    assert bench.say(vector.asked) == vector.answered


@every_vector
def test_device_understands_a_command_that_comes_byte_by_byte(vector: Vector) -> None:
    bench = vector.bench()
    bench.now = round(bench.now, 1)
    assert bench.drip(bytes.fromhex(vector.asked)) == vector.answered


@every_vector
def test_device_finds_a_command_behind_junk(vector: Vector) -> None:
    bench = vector.bench()
    assert bench.say(vector.junk + vector.asked) == vector.answered


@pytest.mark.parametrize("vector", [v for v in VECTORS if v.profile not in (STAR, PRINTER)], ids=lambda v: v.name)
def test_device_answers_two_commands_that_come_at_once(vector: Vector) -> None:
    """Not the card printer, which refuses while it works, nor the printer, which tells a status only once."""
    one, two = vector.bench(), vector.bench()
    command = bytes.fromhex(vector.asked)
    in_turn = f"{two.send(command)} {two.send(command)}"
    assert sorted(one.send(command * 2).split()) == sorted(in_turn.split())


def test_the_published_text_vector_is_sent_to_the_bit() -> None:
    """1295 bytes with checksum D4, computed from the published text block and 1024 zero bytes of photo."""
    bench = Bench("sdt-sam-v")
    bench.shared["people"].add(published_person())
    bench.press("insert_card", person="q001")
    bench.say("AA AA AA 96 69 00 03 20 01 22")
    bench.say("AA AA AA 96 69 00 03 20 02 21")
    answer = bytes.fromhex(bench.say("AA AA AA 96 69 00 03 30 01 32"))
    assert len(answer) == 1295
    assert spaced(answer[:14]) == "AA AA AA 96 69 05 08 00 00 90 01 00 04 00"
    assert answer[14:270] == TEXT_BLOCK
    assert answer[270:-1] == bytes(1024)
    assert answer[-1] == 0xD4
