import asyncio
from functools import reduce

import pytest

from device_profiles.capabilities.card_reader import CardReaderStatus, ChipData, EjectOutput, Media, RetainBin, Stacker
from device_profiles.capabilities.model import Action, DeviceState
from firmware_bridge.codecs.crt_f2 import Positive
from firmware_bridge.codecs.permit_file import PermitFile
from firmware_bridge.drivers._crt_f2_faults import FAULTS
from firmware_bridge.errors import BridgeError, DeviceFault, LinkTimeout, OutcomeUnknown, TransportLost
from simulators.people import People
from simulators.peripherals.card_path import CardPath, Place
from tests.builders.bench import Bench, open_bench
from tests.builders.tampered import Tampered, losing, once, open_tampered

UNIT = "creator-crt-571"
TO_GATE, TO_BIN, TO_HOLD = "F2 00 00 03 43 32 39", "F2 00 00 03 43 32 33", "F2 00 00 03 43 32 30"
MOVES = "F2 00 00 03 43 32"
ACK, NAK = b"\x06", b"\x15"


class CardBench:
    """A card unit that was identified, with its line and its card path at hand."""

    def __init__(self, bench: Bench, line: Tampered, path: CardPath, people: People) -> None:
        self.bench, self.line, self.path, self.people = bench, line, path, people
        self.run, self.press, self.clock = bench.run, bench.press, bench.clock

    def put_card(self, place: Place = Place.HOLD, person: str = "p001") -> None:
        self.path.put(self.people.permit(person), place)

    def seen(self, key: str) -> object:
        return self.line.snapshot()[key]

    async def status(self) -> CardReaderStatus:
        status = await self.bench.driver.status()
        assert isinstance(status, CardReaderStatus)
        return status


async def card_bench(**options: object) -> CardBench:
    path, people = CardPath(), People(1)
    bench, line = await open_tampered(UNIT, options=options, shared={"card_path": path, "people": people})
    return CardBench(bench, line, path, people)


def frame(text: str) -> bytes:
    """A unit's frame around the bytes from the head byte to the end of the data."""
    body = bytes.fromhex(text)
    unchecked = b"\xf2\x00" + len(body).to_bytes(2, "big") + body + b"\x03"
    return unchecked + bytes((reduce(lambda total, byte: total ^ byte, unchecked),))


async def test_the_unit_says_what_it_is() -> None:
    identity = await (await open_bench(UNIT)).driver.identify()
    assert (identity.model, identity.firmware) == ("CRT-571", "V1.00")
    assert identity.serial_number == "CRT571000001"


async def test_a_unit_at_another_address_is_spoken_to_there() -> None:
    card = await card_bench(address=5)
    assert (await card.status()).device is DeviceState.ONLINE
    assert card.line.heard[0][1] == 5


async def test_the_status_tells_of_card_stacker_and_bin() -> None:
    card = await card_bench()
    at_rest = CardReaderStatus(
        device=DeviceState.ONLINE, media=Media.NOT_PRESENT, stacker=Stacker.OK, retain_bin=RetainBin.OK
    )
    assert await card.status() == at_rest
    card.press("set_stacker", 5)
    card.press("fill_bin")
    card.put_card(Place.GATE)
    told = await card.status()
    assert (told.media, told.stacker, told.retain_bin) == (Media.ENTERING, Stacker.LOW, RetainBin.FULL)
    card.press("set_stacker", 0)
    card.path.place = Place.HOLD
    told = await card.status()
    assert (told.media, told.stacker) == (Media.PRESENT, Stacker.EMPTY)


# ------------------------------------------------------------------------------------------------------ accept


async def test_a_card_is_drawn_in_when_the_citizen_inserts_it() -> None:
    card = await card_bench()
    card.press("insert_card", "p001", at=card.clock.monotonic() + 3)
    await card.run("accept", wait_s=20)
    assert card.path.place is Place.HOLD
    assert card.seen("gate_open") is False


async def test_a_citizen_who_inserts_nothing_finds_the_gate_shut_again() -> None:
    card = await card_bench()
    started = card.clock.monotonic()
    with pytest.raises(DeviceFault) as fault:
        await card.run("accept", wait_s=8)
    assert (fault.value.code, fault.value.action) == ("no_media", Action.RESET)
    assert 8 <= card.clock.monotonic() - started < 9
    assert card.seen("gate_open") is False


async def test_a_card_pushed_in_at_the_last_moment_is_not_left_in_the_gate() -> None:
    card = await card_bench()
    card.press("insert_card", "p001", at=card.clock.monotonic() + 7.95)
    await card.run("accept", wait_s=8)
    assert card.path.place is Place.HOLD


async def test_a_card_that_is_already_inside_is_accepted_without_opening_the_gate() -> None:
    card = await card_bench()
    card.put_card()
    await card.run("accept")
    assert card.line.count("F2 00 00 03 43 33 30") == 0


async def test_a_cancelled_wait_shuts_the_gate() -> None:
    card = await card_bench()
    waiting = asyncio.create_task(card.run("accept", wait_s=60))
    card.clock.at(card.clock.monotonic() + 5, waiting.cancel)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert card.seen("gate_open") is False


async def test_a_cable_pulled_while_waiting_is_a_lost_transport() -> None:
    card = await card_bench()
    card.clock.at(card.clock.monotonic() + 2, card.bench.transport.unplug)
    with pytest.raises(TransportLost):
        await card.run("accept", wait_s=60)


# ------------------------------------------------------------------------------------------------------ chip


async def test_the_chip_tells_whose_card_it_is() -> None:
    card = await card_bench()
    card.put_card()
    read = await card.run("read_chip")
    permit = card.people.permit("p001")
    assert read == ChipData(document_number=permit.number, holder_name=permit.holder_name, birth_date=permit.birth_date)
    assert card.line.count("F2 00 00 03 43 51 31") == 1, "the chip is powered off again"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        pytest.param("6A 82", "6A82", id="no such file"),
        pytest.param("", "nothing", id="no status word"),
        pytest.param("01 02 43 31 90 00", "missing 02, 03", id="fields missing"),
        pytest.param("01 09 43 90 00", "longer than the file", id="field beyond the end"),
        pytest.param("01 01 FE 02 01 41 03 08 31 39 39 30 30 31 30 31 90 00", "UTF-8", id="not UTF-8"),
        pytest.param("01 01 41 02 01 42 03 02 31 39 90 00", "8 digits", id="not a date"),
    ],
)
async def test_a_chip_that_is_not_our_test_card_is_invalid_media(answer: str, told: str) -> None:
    card = await card_bench()
    card.put_card()
    content = frame(f"50 51 39 32 32 30 {answer}")
    card.line.instead = lambda data: ACK + content if data[4:10] == bytes.fromhex("43 51 39 00 B0 00") else None
    with pytest.raises(DeviceFault, match=told) as fault:
        await card.run("read_chip")
    assert fault.value.code == "invalid_media"
    assert card.line.count("F2 00 00 03 43 51 31") == 1, "the chip is powered off all the same"


async def test_without_a_card_there_is_no_chip_to_read() -> None:
    card = await card_bench()
    with pytest.raises(DeviceFault, match="no_media"):
        await card.run("read_chip")


# ------------------------------------------------------------------------------------------------------ movements


@pytest.mark.parametrize(("to", "place"), [("chip", Place.CHIP), ("printer", Place.PRINTER), ("hold", Place.HOLD)])
async def test_a_card_is_moved(to: str, place: Place) -> None:
    card = await card_bench()
    card.put_card(Place.RF)
    await card.run("move", to=to)
    assert card.path.place is place


async def test_the_handover_position_is_an_option() -> None:
    card = await card_bench(handover_pm=0x3B)
    card.put_card()
    await card.run("move", to="printer")
    assert card.path.place is Place.PRINTER
    assert card.line.count(MOVES + "3B") == 1


@pytest.mark.parametrize("command", ["move", "eject", "retain", "read_chip"])
async def test_an_empty_path_is_never_moved_since_the_unit_would_draw_a_card_from_the_stacker(command: str) -> None:
    card = await card_bench()
    with pytest.raises(DeviceFault, match="no_media"):
        await card.run(command, **({"to": "hold"} if command == "move" else {}))
    assert card.seen("stacker") == 100
    assert card.line.count(MOVES) == 0


async def test_a_card_in_the_gate_is_taken() -> None:
    card = await card_bench()
    card.put_card()
    card.press("take_card", at=card.clock.monotonic() + 6)
    assert await card.run("eject", wait_taken_s=30) == EjectOutput(taken=True)


async def test_a_card_that_stays_in_the_gate_was_not_taken() -> None:
    card = await card_bench()
    card.put_card()
    assert await card.run("eject", wait_taken_s=5) == EjectOutput(taken=False)
    assert card.path.place is Place.GATE
    assert await card.run("eject", wait_taken_s=0) == EjectOutput(taken=False)
    assert card.line.count(TO_GATE) == 1, "it stands there already"


async def test_an_eject_whose_reply_was_lost_is_settled_by_looking_where_the_card_is() -> None:
    card = await card_bench()
    card.put_card()
    card.line.change = losing(TO_GATE, part=1)
    card.press("take_card", at=card.clock.monotonic() + 3)  # while the reply is still awaited
    assert await card.run("eject") == EjectOutput(taken=True)
    assert card.line.count(TO_GATE) == 1
    assert card.seen("stacker") == 100


async def test_a_move_whose_acknowledgement_and_frame_were_lost_is_made_again() -> None:
    card = await card_bench()
    card.put_card(Place.RF)
    card.line.instead = once(lambda data: b"" if data.startswith(bytes.fromhex(TO_HOLD)) else None)
    await card.run("move", to="hold")
    assert card.path.place is Place.HOLD
    assert card.line.count(TO_HOLD) == 2


async def test_a_move_that_is_never_answered_times_out() -> None:
    card = await card_bench()
    card.put_card(Place.RF)
    card.line.instead = lambda data: b"" if data.startswith(bytes.fromhex(TO_HOLD)) else None
    with pytest.raises(LinkTimeout, match="move 30"):
        await card.run("move", to="hold")


async def test_reset_brings_the_card_to_the_hold_position() -> None:
    card = await card_bench()
    card.put_card(Place.CHIP)
    await card.run("reset")
    assert card.path.place is Place.HOLD


# ------------------------------------------------------------------------------------------------------ once


async def test_a_kept_card_goes_into_the_bin() -> None:
    card = await card_bench()
    card.put_card()
    await card.run("retain")
    assert (card.seen("bin"), card.path.card) == (1, None)


async def test_a_full_bin_takes_no_card() -> None:
    card = await card_bench()
    card.put_card()
    card.press("fill_bin")
    with pytest.raises(DeviceFault) as fault:
        await card.run("retain")
    assert (fault.value.code, fault.value.action) == ("retain_bin_full", Action.CLEAR)
    assert card.path.card is not None


async def test_a_card_is_dispensed_from_the_stacker() -> None:
    card = await card_bench()
    await card.run("dispense")
    assert (card.seen("stacker"), card.path.place) == (99, Place.HOLD)


async def test_nothing_is_dispensed_into_an_occupied_path_or_from_an_empty_stacker() -> None:
    card = await card_bench()
    card.put_card()
    with pytest.raises(DeviceFault, match="media_present"):
        await card.run("dispense")
    card.path.take_out()
    card.press("set_stacker", 0)
    with pytest.raises(DeviceFault, match="stacker_empty") as fault:
        await card.run("dispense")
    assert fault.value.action is Action.CLEAR


@pytest.mark.parametrize("part", [pytest.param(0, id="acknowledgement"), pytest.param(1, id="reply")])
@pytest.mark.parametrize(("command", "sent"), [("retain", TO_BIN), ("dispense", TO_HOLD)])
async def test_a_lost_answer_leaves_the_outcome_unknown_and_nothing_is_repeated(
    command: str, sent: str, part: int
) -> None:
    card = await card_bench()
    if command == "retain":
        card.put_card()
    card.line.change = losing(sent, part=part)
    with pytest.raises(OutcomeUnknown):
        await card.run(command)
    assert card.line.count(sent) == 1
    assert (await card.status()).device is DeviceState.ONLINE, "the line is clear for the question what happened"


async def test_an_exchange_that_broke_off_is_cleared_before_the_next() -> None:
    card = await card_bench()
    card.line.change = losing(TO_HOLD, part=1)
    with pytest.raises(OutcomeUnknown):
        await card.run("dispense")
    await card.status()
    assert card.line.count("04") == 1


async def test_a_frame_refused_as_damaged_is_sent_again_even_when_its_effect_is_once() -> None:
    card = await card_bench()
    card.line.instead = once(lambda data: NAK if data.startswith(bytes.fromhex(TO_HOLD)) else None)
    await card.run("dispense")
    assert card.line.count(TO_HOLD) == 2
    assert card.seen("stacker") == 99


async def test_a_refusal_that_stands_behind_noise_is_not_believed() -> None:
    card = await card_bench()
    card.line.instead = once(lambda data: b"\x77" + NAK if data.startswith(bytes.fromhex(TO_HOLD)) else None)
    with pytest.raises(OutcomeUnknown):
        await card.run("dispense")
    assert card.line.count(TO_HOLD) == 1


async def test_a_line_that_damages_every_frame_is_a_time_out_and_nothing_has_moved() -> None:
    card = await card_bench()
    card.line.instead = lambda data: NAK if data.startswith(bytes.fromhex(TO_HOLD)) else None
    with pytest.raises(LinkTimeout, match="damaged"):
        await card.run("dispense")
    assert card.seen("stacker") == 100


@pytest.mark.parametrize(("command", "error"), [("retain", OutcomeUnknown), ("move", TransportLost)])
async def test_a_cable_pulled_in_the_middle_of_a_movement(command: str, error: type[BridgeError]) -> None:
    card = await card_bench()
    card.put_card(Place.RF)
    card.clock.at(card.clock.monotonic() + 0.5, card.bench.transport.unplug)
    with pytest.raises(error):
        await card.run(command, **({"to": "hold"} if command == "move" else {}))


# ------------------------------------------------------------------------------------------------------ faults


async def test_a_jam_is_told_until_the_crew_has_cleared_it() -> None:
    card = await card_bench()
    card.put_card()
    card.press("jam")
    with pytest.raises(DeviceFault) as fault:
        await card.run("retain")
    assert (fault.value.code, fault.value.action) == ("media_jam", Action.MAINTENANCE)
    assert (await card.status()).media is Media.JAMMED
    card.press("clear_jam")
    await card.clock.sleep(6)
    assert (await card.status()).media is Media.PRESENT


async def test_a_jam_that_the_status_command_hides_is_remembered_until_the_unit_can_be_initialised() -> None:
    card = await card_bench()
    card.put_card()
    jam = frame("4E 32 33 31 30")
    card.line.instead = once(lambda data: ACK + jam if data.startswith(bytes.fromhex(TO_BIN)) else None)
    with pytest.raises(DeviceFault, match="media_jam"):
        await card.run("retain")
    initialise = frame("4E 30 33 31 30")
    card.line.instead = lambda data: ACK + initialise if data[4:7] == b"\x43\x30\x33" else None
    assert (await card.status()).media is Media.JAMMED
    await card.clock.sleep(6)
    assert (await card.status()).media is Media.JAMMED
    card.line.instead = None
    await card.clock.sleep(6)
    assert (await card.status()).media is Media.PRESENT


async def test_a_unit_that_tells_of_its_jam_is_believed_when_it_tells_no_more() -> None:
    card = await card_bench()
    card.press("jam")
    assert (await card.status()).media is Media.JAMMED
    card.press("clear_jam")
    assert (await card.status()).media is Media.NOT_PRESENT


async def test_a_unit_whose_power_came_back_is_initialised_and_asked_again() -> None:
    card = await card_bench()
    card.press("power_cycle")
    await card.run("dispense")
    assert card.seen("stacker") == 99


async def test_a_jammed_unit_can_still_be_identified() -> None:
    bench = await open_bench(UNIT)
    bench.press("jam")
    await bench.driver.identify()
    status = await bench.driver.status()
    assert isinstance(status, CardReaderStatus)
    assert status.media is Media.JAMMED


@pytest.mark.parametrize("error", sorted(FAULTS))
@pytest.mark.parametrize("head", ["4E", "45"])
async def test_every_error_of_the_table_has_an_xfs_word(error: str, head: str) -> None:
    card = await card_bench()
    refusal = frame(f"{head} 32 30 {error.encode().hex()}")
    card.line.instead = lambda data: ACK + refusal if data.startswith(bytes.fromhex(TO_HOLD)) else None
    with pytest.raises(DeviceFault) as fault:
        await card.run("dispense")
    assert (fault.value.code, fault.value.action) == FAULTS[error][:2]
    assert f"error {error}" in fault.value.detail


async def test_an_error_that_is_not_in_the_table_is_for_the_crew() -> None:
    card = await card_bench()
    refusal = frame("4E 31 30 37 37")
    card.line.instead = lambda data: ACK + refusal if data[5:6] == b"\x31" else None
    with pytest.raises(DeviceFault) as fault:
        await card.run("dispense")
    assert (fault.value.code, fault.value.action) == ("hardware_error", Action.MAINTENANCE)
    assert (await card.status()).device is DeviceState.HARDWARE_ERROR


async def test_what_a_chip_holds_stands_in_no_representation() -> None:
    card = await card_bench()
    card.put_card()
    read = await card.run("read_chip")
    assert isinstance(read, ChipData)
    shown = repr(Positive(0, 0x51, 0x39, 0x32, 0x32, 0x30, read.document_number.encode()))
    shown += repr(PermitFile(read.document_number, read.holder_name, read.birth_date))
    assert read.document_number not in shown
