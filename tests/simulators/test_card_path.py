"""The card unit and the card printer behind it: one card, two devices, nothing lost or doubled."""

from typing import Any

import pytest

from simulators.errors import ButtonRefused
from simulators.people import People
from tests.simulators.bench import SEED, Bench

OPEN_GATE, SHUT_GATE = "43 33 30", "43 33 31"
HOLD, CHIP, BIN, GATE, PRINTER = (f"43 32 {pm}" for pm in ("30", "31", "33", "39", "3A"))
STATUS, INIT = "43 31 30", "43 30 33"


class Machine:
    """Both devices over one path."""

    def __init__(self) -> None:
        shared: dict[str, Any] = {"people": People(SEED)}
        self.unit, self.printer = Bench("creator-crt-571", shared), Bench("star-tcp300", shared)
        self.ask(INIT)

    def ask(self, text: str) -> str:
        """The text of the unit's answer in hex, without frame."""
        frame = bytes.fromhex("F2 00") + len(bytes.fromhex(text)).to_bytes(2, "big") + bytes.fromhex(text) + b"\x03"
        answer = bytes.fromhex(self.unit.send(frame + bytes((_xor(frame),))))
        assert answer[:3] == b"\x06\xf2\x00"
        return answer[5:-2].hex(" ").upper()

    def tell(self, command: int, data: bytes = b"") -> str:
        """STATUS and data of the printer's answer in hex."""
        body = bytes((command,)) + data + b"\x03"
        answer = bytes.fromhex(self.printer.send(b"\x02" + body + bytes((_xor(body),))))
        assert answer[:3] == b"\x06\x02" + bytes((command,))
        return answer[3:-2].hex(" ").upper()

    def insert(self, person: str = "p001") -> None:
        """The citizen's card goes in and is drawn in."""
        self.ask(OPEN_GATE)
        self.unit.press("insert_card", person=person)
        self.ask(STATUS)
        self.unit.now += 1
        self.ask(SHUT_GATE)


def _xor(data: bytes) -> int:
    value = 0
    for byte in data:
        value ^= byte
    return value


def test_card_unit_wants_to_be_initialised_first() -> None:
    unit = Bench("creator-crt-571")
    assert "4E 33 30 42 30" in unit.say("F2 00 00 03 43 33 30 03 B2")


def test_wrong_checksum_is_refused_and_nothing_happens() -> None:
    unit = Bench("creator-crt-571")
    assert unit.say("F2 00 00 03 43 30 33 03 00") == "15"
    assert "4E" in unit.say("F2 00 00 03 43 33 30 03 B2").split()


def test_answer_is_repeated_when_the_host_refuses_it() -> None:
    machine = Machine()
    machine.ask(STATUS)
    assert machine.unit.say("15") == "F2 00 00 06 50 31 30 30 32 30 03 94"
    assert machine.unit.say("06") == ""
    assert machine.unit.say("04 15") == ""


def test_another_address_is_not_answered() -> None:
    assert Bench("creator-crt-571").say("F2 01 00 03 43 31 30 03 B1") == ""


def test_card_comes_through_the_gate_and_goes_back_to_its_owner() -> None:
    machine = Machine()
    machine.ask(OPEN_GATE)
    assert machine.unit.press("insert_card", person="p001") == {"accepted": True}
    assert machine.ask(STATUS) == "50 31 30 31 32 30"  # being drawn in
    machine.unit.now += 1
    assert machine.ask(STATUS) == "50 31 30 32 32 30"
    machine.ask(GATE)
    assert machine.unit.see()["position"] == "gate"
    assert machine.unit.press("take_card") == {"owner": "p001", "face": []}
    assert machine.ask(STATUS) == "50 31 30 30 32 30"


def test_card_offered_to_a_shut_gate_goes_in_when_the_gate_opens() -> None:
    machine = Machine()
    assert machine.unit.press("insert_card", person="p001") == {"accepted": False}
    assert machine.unit.see()["position"] == "none"
    machine.ask(OPEN_GATE)
    assert machine.unit.see()["position"] == "entering"


def test_nothing_can_be_taken_out_of_a_machine_but_at_the_gate() -> None:
    machine = Machine()
    machine.insert()
    with pytest.raises(ButtonRefused, match="hold"):
        machine.unit.press("take_card")


def test_chip_tells_number_name_and_birth_date() -> None:
    machine = Machine()
    machine.insert()
    assert machine.ask("43 51 30").startswith("4E 51 30 30 32")  # not at the contacts yet
    machine.ask(CHIP)
    assert machine.ask("43 51 30").startswith("50 51 30 32 32 30 30 3B")
    assert machine.ask("43 51 39 00 B0 00 00 00").endswith("69 86")
    assert machine.ask("43 51 39 00 A4 00 0C 02 00 01") == "50 51 39 32 32 30 90 00"
    answer = bytes.fromhex(machine.ask("43 51 39 00 B0 00 00 00"))[6:]
    person = machine.unit.shared["people"].person("p001")
    parts = [person.permit_number.encode(), person.name.encode(), person.birth_date.encode()]
    assert answer == b"".join(bytes((tag, len(p))) + p for tag, p in enumerate(parts, 1)) + b"\x90\x00"


def test_card_is_printed_behind_the_unit_and_comes_back() -> None:
    machine = Machine()
    machine.insert()
    assert machine.tell(0x46) == "22"  # no card in the printer yet
    assert machine.ask(PRINTER) == "50 32 3A 30 32 30"
    assert machine.ask(HOLD) == "4E 32 30 30 32"  # the printer has it: no second card is fed
    machine.tell(0x40)
    machine.tell(0x41, "签注 E2026".encode("gb18030"))
    machine.tell(0x41, b"VALID 20271231")
    assert machine.tell(0x46) == "20"
    assert machine.tell(0x59) == "20 32 30 30 30 30 30 30"  # waits for removal
    assert machine.ask(HOLD) == "50 32 30 32 32 30"
    machine.ask(GATE)
    assert machine.unit.press("take_card")["face"] == ["签注 E2026", "VALID 20271231"]
    assert machine.tell(0x95) == "20 " + b"00000001".hex(" ")
    assert machine.printer.see()["printed_total"] == 1


def test_card_keeps_its_face_until_it_is_erased() -> None:
    machine = Machine()
    for text in (b"FIRST", b"SECOND"):
        machine.insert()
        machine.ask(PRINTER)
        machine.tell(0x40)
        machine.tell(0x41, text)
        machine.tell(0x46)
        machine.ask(GATE)
        assert machine.unit.press("take_card")["face"] == [text.decode()]


def test_jam_and_open_cover_are_told_and_nothing_is_printed() -> None:
    machine = Machine()
    machine.insert()
    machine.ask(PRINTER)
    machine.printer.press("jam")
    assert machine.tell(0x46) == "38"
    machine.printer.press("clear_jam")
    machine.printer.press("open_cover")
    assert machine.tell(0x46) == "40"
    assert machine.tell(0x59) == "20 30 30 31 30 31 30 30"
    machine.printer.press("close_cover")
    assert machine.printer.see()["printed_total"] == 0
    assert machine.tell(0x50) == "20"


def test_card_printer_asks_again_after_a_wrong_checksum_and_refuses_while_it_works() -> None:
    printer = Bench("star-tcp300")
    assert printer.say("02 59 03 5B") == "15"
    printer.peer.receive(bytes.fromhex("02 5F 03 5C"), printer.now)
    assert printer.say("02 59 03 5A") == "10"


def test_kept_card_lies_in_the_bin_until_staff_empty_it() -> None:
    machine = Machine()
    machine.insert()
    assert machine.ask(BIN) == "50 32 33 30 32 30"
    assert machine.unit.see()["kept"] == [{"owner": "p001", "face": []}]
    machine.unit.press("fill_bin")
    assert machine.ask(STATUS) == "50 31 30 30 32 31"
    machine.insert("p002")
    assert machine.ask(BIN) == "4E 32 33 41 31"
    assert machine.unit.press("empty_bin") == [{"owner": "p001", "face": []}]
    assert machine.ask(BIN) == "50 32 33 30 32 30"


def test_stacker_gives_blank_cards_until_it_is_empty() -> None:
    machine = Machine()
    machine.unit.press("set_stacker", cards=1)
    assert machine.ask(GATE) == "50 32 39 31 30 30"
    assert machine.unit.press("take_card") == {"owner": "", "face": []}
    assert machine.ask(GATE) == "4E 32 39 41 30"


def test_jammed_unit_says_so_until_it_is_cleared() -> None:
    machine = Machine()
    machine.insert()
    machine.unit.press("jam")
    assert machine.ask(STATUS) == "4E 31 30 31 30"
    assert machine.ask(GATE) == "4E 32 39 31 30"
    machine.unit.press("clear_jam")
    assert machine.ask(STATUS) == "50 31 30 32 32 30"
