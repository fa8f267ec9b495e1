from functools import reduce

import pytest

from device_profiles.capabilities.card_printer import CardCover, CardMedia, CardPrinterStatus
from device_profiles.capabilities.card_reader import Stacker
from device_profiles.capabilities.model import Action, DeviceState
from firmware_bridge.codecs.star_tcp import print_data
from firmware_bridge.drivers.star_tcp import FAULTS
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
from tests.builders.bench import Bench, open_bench
from tests.builders.tampered import Tampered, losing, once, open_tampered

PRINTER = "star-tcp300"
CLEAR, DATA, PRINT = "02 40", "02 41", "02 46"
ACK, NAK, REJECT = b"\x06", b"\x15", b"\x10"
LINES = ["往来港澳通行证", "HKG 2026-11-22"]


class PrinterBench:
    """A printer that was identified and holds a card, with its line and the card at hand."""

    def __init__(self, bench: Bench, line: Tampered, path: CardPath, card: Permit) -> None:
        self.bench, self.line, self.path, self.card = bench, line, path, card
        self.run, self.press, self.clock = bench.run, bench.press, bench.clock

    async def status(self) -> CardPrinterStatus:
        status = await self.bench.driver.status()
        assert isinstance(status, CardPrinterStatus)
        return status


async def printer_bench() -> PrinterBench:
    card = Permit(face=["old"])
    path = CardPath(card, Place.PRINTER)
    bench, line = await open_tampered(PRINTER, shared={"card_path": path})
    return PrinterBench(bench, line, path, card)


def answer(text: str) -> bytes:
    """A printer's frame around the bytes from the command to the end of the data."""
    checked = bytes.fromhex(text) + b"\x03"
    return b"\x02" + checked + bytes((reduce(lambda total, byte: total ^ byte, checked),))


async def test_the_printer_says_what_it_is() -> None:
    identity = await (await open_bench(PRINTER)).driver.identify()
    assert (identity.model, identity.firmware) == ("TCP300", "V1.0")


async def test_the_status_tells_of_card_cover_and_cards_printed() -> None:
    printer = await printer_bench()
    assert await printer.status() == CardPrinterStatus(
        device=DeviceState.ONLINE,
        media=CardMedia.PRESENT,
        cover=CardCover.CLOSED,
        stacker=Stacker.OK,
        printed_total=0,
    )
    printer.press("open_cover")
    printer.path.take_out()
    told = await printer.status()
    assert (told.media, told.cover) == (CardMedia.NOT_PRESENT, CardCover.OPEN)
    printer.press("close_cover")
    printer.press("jam")
    assert (await printer.status()).media is CardMedia.JAMMED


@pytest.mark.parametrize(("digits", "stacker"), [("30 30 30 30 30 30", None), ("30 30 30 30 30 30 31", Stacker.EMPTY)])
async def test_only_the_dispenser_model_tells_of_its_stacker(digits: str, stacker: Stacker | None) -> None:
    printer = await printer_bench()
    told = ACK + answer(f"59 20 {digits}")
    printer.line.instead = lambda data: told if data.startswith(b"\x02\x59") else None
    assert (await printer.status()).stacker is stacker


async def test_a_card_is_erased_printed_and_handed_back() -> None:
    printer = await printer_bench()
    await printer.run("print", lines=LINES)
    assert printer.card.face == LINES
    assert printer.path.place is Place.HANDOVER
    assert (await printer.status()).printed_total == 1


async def test_what_was_left_in_the_buffer_is_not_printed() -> None:
    printer = await printer_bench()
    printer.press("open_cover")
    with pytest.raises(DeviceFault):
        await printer.run("print", lines=["first"])
    printer.press("close_cover")
    await printer.run("print", lines=["second"])
    assert printer.card.face == ["second"]


async def test_a_lost_reply_to_print_data_does_not_double_the_text() -> None:
    printer = await printer_bench()
    printer.line.change = losing(DATA, part=1)
    await printer.run("print", lines=LINES)
    assert printer.card.face == LINES
    assert printer.line.count(CLEAR) == 2
    assert printer.line.count(PRINT) == 1


async def test_print_data_that_is_never_answered_is_a_time_out_since_nothing_was_printed() -> None:
    printer = await printer_bench()
    printer.line.change = losing(DATA, part=1, times=99)
    with pytest.raises(LinkTimeout, match="nothing was printed"):
        await printer.run("print", lines=LINES)
    assert printer.line.count(PRINT) == 0


@pytest.mark.parametrize("part", [pytest.param(0, id="acknowledgement"), pytest.param(1, id="reply")])
async def test_a_lost_answer_to_the_print_command_leaves_the_outcome_unknown(part: int) -> None:
    printer = await printer_bench()
    printer.line.change = losing(PRINT, part=part)
    with pytest.raises(OutcomeUnknown):
        await printer.run("print", lines=LINES)
    assert printer.line.count(PRINT) == 1
    await printer.clock.sleep(4)
    assert (await printer.status()).printed_total == 1, "the counter is the evidence"


async def test_a_print_command_refused_as_damaged_is_sent_again() -> None:
    printer = await printer_bench()
    printer.line.instead = once(lambda data: NAK if data.startswith(bytes.fromhex(PRINT)) else None)
    await printer.run("print", lines=LINES)
    assert printer.line.count(PRINT) == 2
    assert printer.bench.peer.snapshot()["printed_total"] == 1


@pytest.mark.parametrize("noise", [b"\x77" + NAK, b"\x77" + REJECT])
async def test_a_refusal_that_stands_behind_noise_is_not_believed(noise: bytes) -> None:
    printer = await printer_bench()
    printer.line.instead = once(lambda data: noise if data.startswith(bytes.fromhex(PRINT)) else None)
    with pytest.raises(OutcomeUnknown):
        await printer.run("print", lines=LINES)


async def test_a_rejected_command_says_so() -> None:
    printer = await printer_bench()
    printer.line.instead = lambda data: REJECT if data.startswith(bytes.fromhex(PRINT)) else None
    with pytest.raises(DeviceFault) as fault:
        await printer.run("print", lines=LINES)
    assert (fault.value.code, fault.value.action) == ("command_rejected", Action.SUSPEND)
    assert printer.line.count(PRINT) == 1


async def test_a_printer_that_rejects_the_status_request_is_busy() -> None:
    printer = await printer_bench()
    printer.line.instead = lambda data: REJECT
    assert (await printer.status()).device is DeviceState.BUSY


async def test_a_cable_pulled_while_printing_leaves_the_outcome_unknown() -> None:
    printer = await printer_bench()
    printer.clock.at(printer.clock.monotonic() + 1.5, printer.bench.transport.unplug)
    with pytest.raises(OutcomeUnknown):
        await printer.run("print", lines=LINES)
    with pytest.raises(TransportLost):
        await printer.status()


@pytest.mark.parametrize(("button", "code"), [("open_cover", "cover_open"), ("jam", "media_jam")])
async def test_a_printer_that_cannot_move_prints_nothing(button: str, code: str) -> None:
    printer = await printer_bench()
    printer.press(button)
    with pytest.raises(DeviceFault, match=code):
        await printer.run("print", lines=LINES)
    assert printer.card.face == ["old"]


async def test_without_a_card_there_is_nothing_to_print_on() -> None:
    printer = await printer_bench()
    printer.path.take_out()
    with pytest.raises(DeviceFault, match="no_media") as fault:
        await printer.run("print", lines=LINES)
    assert fault.value.action is Action.RESET


@pytest.mark.parametrize("result", sorted(FAULTS))
async def test_every_state_of_the_manual_has_an_xfs_word(result: int) -> None:
    printer = await printer_bench()
    refusal = ACK + answer(f"46 {result:02X}")
    printer.line.instead = lambda data: refusal if data.startswith(bytes.fromhex(PRINT)) else None
    with pytest.raises(DeviceFault) as fault:
        await printer.run("print", lines=LINES)
    assert (fault.value.code, fault.value.action) == FAULTS[result][:2]


async def test_a_broken_part_shows_in_the_status() -> None:
    printer = await printer_bench()
    broken = ACK + answer("59 42 30 30 30 30 30 30 30")
    printer.line.instead = lambda data: broken if data.startswith(b"\x02\x59") else None
    assert (await printer.status()).device is DeviceState.HARDWARE_ERROR


async def test_a_status_that_is_no_row_of_digits_comes_from_another_device() -> None:
    printer = await printer_bench()
    strange = ACK + answer("59 20 41 42")
    printer.line.instead = lambda data: strange if data.startswith(b"\x02\x59") else None
    with pytest.raises(PeerBrokeProtocol, match="41 42"):
        await printer.status()


@pytest.mark.parametrize(
    ("counter", "printed"),
    [("30 30 34 32", 42), ("34 32 2C 37", 42), ("20 34 32 20", 42), ("", None), ("41", None)],
)
async def test_the_counter_is_read_as_decimal_digits_or_not_at_all(counter: str, printed: int | None) -> None:
    printer = await printer_bench()
    told = ACK + answer(f"95 20 {counter}")
    printer.line.instead = lambda data: told if data.startswith(b"\x02\x95") else None
    assert (await printer.status()).printed_total == printed


async def test_reset_is_a_command() -> None:
    printer = await printer_bench()
    await printer.run("reset")
    assert printer.line.count("02 5F") == 1


async def test_characters_that_would_steer_the_printer_are_refused_before_anything_is_sent() -> None:
    printer = await printer_bench()
    with pytest.raises(UnsupportedCommand, match="line 2"):
        await printer.run("print", lines=["good", "bad \x1b@"])
    assert printer.line.heard == []


def test_text_is_cut_between_lines_and_a_long_line_between_characters() -> None:
    lines = ["一" * 300, "二" * 300, "三" * 700]
    parts = print_data(lines)
    assert all(len(part) <= 1024 for part in parts)
    assert parts[0] == lines[0].encode("gb18030") + b"\r\n"
    assert b"".join(parts).decode("gb18030") == "".join(f"{line}\r\n" for line in lines)
    assert all(part.decode("gb18030") for part in parts), "no character is cut"
