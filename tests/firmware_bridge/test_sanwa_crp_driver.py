from collections.abc import Callable
from functools import reduce

import pytest

from device_profiles.capabilities.card_printer import CardMedia, CardPrinterStatus
from device_profiles.capabilities.card_reader import Stacker
from device_profiles.capabilities.model import Action, DeviceState
from device_profiles.catalog import load_catalog
from device_profiles.errors import ProfileError
from firmware_bridge.codecs.sanwa_crp import print_data
from firmware_bridge.drivers.sanwa_crp import FAULTS
from firmware_bridge.errors import (
    DeviceFault,
    LinkTimeout,
    OutcomeUnknown,
    PeerBrokeProtocol,
    TransportLost,
    UnsupportedCommand,
)
from simulators.people import Permit
from simulators.peripherals.card_path import CardPath, Place
from simulators.peripherals.peer import Output
from tests.builders.bench import Bench, open_bench
from tests.builders.tampered import Tampered, losing, once, open_tampered

PRINTER = "sanwa-crp-1231"
EJECT = "02 06 80"
ACK, NAK, ENQ = b"\x06", b"\x15", b"\x05"
LINES = ["往来港澳通行证", "HKG 2026-11-22"]


class PrinterBench:
    """A printer that was identified and holds a card, with its line and the card at hand."""

    def __init__(self, bench: Bench, line: Tampered, path: CardPath, card: Permit) -> None:
        self.bench, self.line, self.path, self.card = bench, line, path, card
        self.run, self.press, self.clock = bench.run, bench.press, bench.clock

    def seen(self, key: str) -> object:
        return self.line.snapshot()[key]

    @property
    def prints(self) -> int:
        """How often the host has sent a print command."""
        return sum(data[2:3] == b"\x7c" for data in self.line.heard)

    async def status(self) -> CardPrinterStatus:
        status = await self.bench.driver.status()
        assert isinstance(status, CardPrinterStatus)
        return status

    def answer_instead(self, command: int, text: str) -> None:
        """To ENQ after ``command`` the unit answers R P S and data ``text`` (hex)."""
        asked = [False]

        def instead(data: bytes) -> bytes | None:
            if data != ENQ:
                asked[0] = data[2] == command
                return ACK if asked[0] else None
            return frame(f"{command:02X} {text}") if asked[0] else None

        self.line.instead = instead


async def printer_bench(**options: object) -> PrinterBench:
    card = Permit(face=["old"])
    path = CardPath(card, Place.PRINTER)
    bench, line = await open_tampered(PRINTER, shared={"card_path": path}, options=options)
    return PrinterBench(bench, line, path, card)


def frame(text: str) -> bytes:
    """A unit's frame around the bytes from the command to the end of the data."""
    inner = bytes.fromhex(text)
    checked = bytes((len(inner) + 2,)) + inner + b"\x03"
    return b"\x02" + checked + bytes((reduce(lambda total, byte: total ^ byte, checked),))


def unheard_prints(times: int) -> Callable[[bytes], bytes | None]:
    """The unit does not hear the first ``times`` print commands."""
    left = [times]

    def instead(data: bytes) -> bytes | None:
        if data[2:3] == b"\x7c" and left[0]:
            left[0] -= 1
            return b""
        return None

    return instead


# ---------------------------------------------------------------------------------------------- who is there


async def test_the_printer_says_its_version() -> None:
    assert (await (await open_bench(PRINTER)).driver.identify()).firmware == "AP:CRP-1231LR,OS:V1.00"


@pytest.mark.parametrize("version", ["", "01 02 FF"])
async def test_a_version_that_is_no_text_comes_from_another_device(version: str) -> None:
    printer = await printer_bench()
    printer.answer_instead(0xF0, f"30 30 30 {version}")
    with pytest.raises(PeerBrokeProtocol, match="is this a CRP-1231"):
        await printer.bench.driver.identify()


async def test_a_place_that_does_not_exist_comes_from_another_device() -> None:
    printer = await printer_bench()
    printer.answer_instead(0x20, "41 30 30")
    with pytest.raises(PeerBrokeProtocol, match="got 41"):
        await printer.status()


def test_the_parity_is_a_matter_of_the_profile() -> None:
    assert load_catalog().peripheral(PRINTER).line.parity == "none"


async def test_a_character_set_that_does_not_exist_is_an_error_of_the_profile() -> None:
    with pytest.raises(ProfileError, match="charset"):
        await open_bench(PRINTER, options={"charset": "klingon"})


# ---------------------------------------------------------------------------------------------- status


@pytest.mark.parametrize(
    ("place", "media"),
    [
        (Place.PRINTER, CardMedia.PRESENT),
        (Place.HANDOVER, CardMedia.PRESENT),
        (Place.HOLD, CardMedia.NOT_PRESENT),
        (Place.NONE, CardMedia.NOT_PRESENT),
    ],
)
async def test_the_status_tells_of_card_and_stacker(place: Place, media: CardMedia) -> None:
    printer = await printer_bench()
    printer.path.place = place
    assert await printer.status() == CardPrinterStatus(device=DeviceState.ONLINE, media=media, stacker=Stacker.OK)


async def test_without_a_dispenser_its_fill_is_not_asked_for() -> None:
    printer = await printer_bench(dispenser=False)
    assert (await printer.status()).stacker is None
    assert printer.line.count("02 07 B0") == 0


async def test_a_unit_that_has_no_dispenser_says_so() -> None:
    printer = await printer_bench()
    printer.answer_instead(0xB0, "31 30 36")
    assert (await printer.status()).stacker is None


@pytest.mark.parametrize("trouble", ["34", "35", "40", "41", "39"])
async def test_a_broken_part_shows_in_the_status(trouble: str) -> None:
    printer = await printer_bench(dispenser=False)
    printer.answer_instead(0x20, f"31 {trouble} 30")
    assert (await printer.status()).device is DeviceState.HARDWARE_ERROR


# ---------------------------------------------------------------------------------------------- print


async def test_a_card_is_erased_printed_and_handed_back() -> None:
    printer = await printer_bench()
    await printer.run("print", lines=LINES)
    assert printer.card.face == LINES
    assert printer.path.place is Place.HANDOVER
    assert (printer.prints, printer.seen("printed_total"), printer.seen("erased_total")) == (1, 1, 1)


async def test_the_unit_is_asked_until_it_no_longer_runs_the_command() -> None:
    printer = await printer_bench()
    started = printer.clock.monotonic()
    await printer.run("print", lines=LINES)
    assert printer.clock.monotonic() - started > 5  # erase, print and eject take their time
    assert printer.line.count("05") > 20


async def test_without_a_card_there_is_nothing_to_print_on() -> None:
    printer = await printer_bench()
    printer.path.take_out()
    with pytest.raises(DeviceFault, match="no_media") as fault:
        await printer.run("print", lines=LINES)
    assert fault.value.action is Action.RESET
    assert printer.prints == 0


async def test_a_jammed_printer_prints_nothing() -> None:
    printer = await printer_bench()
    printer.press("jam")
    with pytest.raises(DeviceFault, match="media_jam"):
        await printer.run("print", lines=LINES)
    assert printer.card.face == ["old"]


async def test_a_unit_that_waits_for_a_card_is_told_to_stop_waiting() -> None:
    printer = await printer_bench()
    printer.answer_instead(0x7D, "30 30 34")
    with pytest.raises(DeviceFault, match="waits for a card"):
        await printer.run("print", lines=LINES)
    assert printer.line.count("02 06 40") == 1


@pytest.mark.parametrize("trouble", sorted(FAULTS))
async def test_every_trouble_has_an_xfs_word(trouble: int) -> None:
    printer = await printer_bench()
    printer.answer_instead(0x7C, f"32 {trouble:02X} 30")
    with pytest.raises(DeviceFault) as fault:
        await printer.run("print", lines=LINES)
    assert (fault.value.code, fault.value.action) == FAULTS[trouble][:2]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        pytest.param(["good", "bad \r"], "line 2", id="control character"),
        pytest.param(["x" * 250], "at most 246 bytes", id="too long"),
    ],
)
async def test_what_cannot_be_printed_is_refused_before_anything_is_sent(lines: list[str], told: str) -> None:
    printer = await printer_bench()
    with pytest.raises(UnsupportedCommand, match=told):
        await printer.run("print", lines=lines)
    assert printer.line.heard == []


def test_characters_that_the_unit_does_not_have_are_named_by_their_number_only() -> None:
    with pytest.raises(ValueError, match=r"U\+7B7E"):
        print_data(["签注"], "shift_jis")


async def test_reset_is_a_command() -> None:
    printer = await printer_bench()
    await printer.run("reset")
    assert printer.line.count("02 07 10") == 1


# ---------------------------------------------------------------------------------------------- lost answers


@pytest.mark.parametrize("times", [1, 2])
async def test_lost_answers_to_enq_are_asked_for_again(times: int) -> None:
    printer = await printer_bench()
    left = [times]

    def lose(data: bytes, answers: Output) -> Output:
        if data == ENQ and printer.prints and left[0]:
            left[0] -= 1
            return []
        return answers

    printer.line.change = lose
    await printer.run("print", lines=LINES)
    assert (printer.prints, printer.card.face) == (1, LINES)


async def test_a_lost_acknowledgement_is_settled_by_the_command_that_the_unit_names() -> None:
    printer = await printer_bench()
    printer.line.change = lambda data, answers: [] if data[2:3] == b"\x7c" else answers
    await printer.run("print", lines=LINES)
    assert (printer.prints, printer.card.face) == (1, LINES)


async def test_a_print_command_that_the_unit_does_not_name_was_not_heard_and_is_sent_again() -> None:
    printer = await printer_bench()
    printer.line.instead = unheard_prints(1)
    await printer.run("print", lines=LINES)
    assert (printer.prints, printer.seen("printed_total")) == (2, 1)


async def test_a_print_command_that_is_never_heard_is_a_time_out_since_nothing_was_printed() -> None:
    printer = await printer_bench()
    printer.line.instead = unheard_prints(99)
    with pytest.raises(LinkTimeout, match="Nothing was done"):
        await printer.run("print", lines=LINES)
    assert printer.seen("printed_total") == 0


async def test_a_frame_refused_as_damaged_is_sent_again() -> None:
    printer = await printer_bench()
    printer.line.instead = once(lambda data: NAK if data[2:3] == b"\x7c" else None)
    await printer.run("print", lines=LINES)
    assert (printer.prints, printer.seen("printed_total")) == (2, 1)


async def test_a_unit_that_falls_silent_while_printing_leaves_the_outcome_unknown() -> None:
    printer = await printer_bench()
    printer.line.instead = lambda data: b"" if printer.prints and data == ENQ else None
    with pytest.raises(OutcomeUnknown):
        await printer.run("print", lines=LINES)
    printer.line.instead = None
    assert printer.prints == 1
    await printer.clock.sleep(5)
    assert (await printer.status()).media is CardMedia.PRESENT, "the card is still there: a person may look at it"


async def test_a_power_cut_while_printing_leaves_the_outcome_unknown() -> None:
    printer = await printer_bench()
    printer.clock.at(printer.clock.monotonic() + 3.5, lambda: printer.press("power_cycle"))
    with pytest.raises(OutcomeUnknown, match="power off"):
        await printer.run("print", lines=LINES)
    assert printer.prints == 1


async def test_a_command_that_never_ends_leaves_the_outcome_unknown() -> None:
    printer = await printer_bench()
    printer.answer_instead(0x7C, "32 30 33")
    with pytest.raises(OutcomeUnknown, match="still running after 8 s"):
        await printer.run("print", lines=LINES)


async def test_a_question_that_never_ends_times_out() -> None:
    printer = await printer_bench()
    printer.answer_instead(0x20, "31 30 33")
    with pytest.raises(LinkTimeout, match="still running"):
        await printer.status()


async def test_an_eject_whose_acknowledgement_was_lost_is_not_held_against_the_print() -> None:
    printer = await printer_bench()
    printer.line.change = losing(EJECT, part=0)
    await printer.run("print", lines=LINES)
    assert printer.path.place is Place.HANDOVER


async def test_a_printed_card_that_may_not_have_been_handed_back_is_an_unknown_outcome() -> None:
    printer = await printer_bench()
    printer.line.instead = lambda data: b"" if printer.line.count(EJECT) else None
    with pytest.raises(OutcomeUnknown, match="the card is printed"):
        await printer.run("print", lines=LINES)
    assert printer.card.face == LINES


async def test_a_late_answer_about_the_command_before_is_not_taken_for_this_one() -> None:
    printer = await printer_bench()
    late = [frame("7D 31 30 30")]

    def behind_the_late_one(data: bytes, answers: Output) -> Output:
        if data == ENQ and printer.prints and late:
            first = late.pop()
            return [(at, first + body) for at, body in answers]
        return answers

    printer.line.change = behind_the_late_one
    await printer.run("print", lines=LINES)
    assert (printer.prints, printer.seen("printed_total")) == (1, 1)


async def test_a_cable_pulled_while_printing_leaves_the_outcome_unknown() -> None:
    printer = await printer_bench()
    printer.clock.at(printer.clock.monotonic() + 3.5, printer.bench.transport.unplug)
    with pytest.raises(OutcomeUnknown):
        await printer.run("print", lines=LINES)
    with pytest.raises(TransportLost):
        await printer.status()


async def test_a_cable_pulled_while_erasing_has_printed_nothing() -> None:
    printer = await printer_bench()
    printer.clock.at(printer.clock.monotonic() + 1, printer.bench.transport.unplug)
    with pytest.raises(TransportLost):
        await printer.run("print", lines=LINES)
    assert printer.prints == 0
