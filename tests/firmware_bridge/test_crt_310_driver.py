import asyncio
from functools import reduce

import pytest

from device_profiles.capabilities.card_reader import CardReaderStatus, EjectOutput, Media
from device_profiles.capabilities.model import Action, DeviceState
from firmware_bridge.drivers._crt_310_unit import ERRORS, RESULTS
from firmware_bridge.errors import (
    BridgeError,
    DeviceFault,
    LinkTimeout,
    OutcomeUnknown,
    PeerBrokeProtocol,
    TransportLost,
    UnsupportedCommand,
)
from simulators.people import People
from simulators.peripherals.card_path import CardPath, Place
from tests.builders.bench import Bench, open_bench
from tests.builders.tampered import Tampered, losing, losing_enquired, once, open_tampered

READER, WITH_PRINTER = "creator-crt-310", "creator-crt-310-rear-printer"
MOVES, TO_FRONT, TO_REAR, INSIDE = "02 00 02 32", "02 00 02 32 30", "02 00 02 32 33", "02 00 02 32 2E"
OPEN, SHUT = "02 00 03 2F 33", "02 00 03 2F 31"
ACK, NAK, ENQ = b"\x06", b"\x15", b"\x05"


class ReaderBench:
    """A reader that was identified, with its line and its card path at hand."""

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

    def answer_instead(self, asked: str, body: str) -> None:
        """To the command that starts so (hex, from CM) the reader's answer is ``body``, as often as it is asked."""
        waiting = [False]

        def instead(data: bytes) -> bytes | None:
            if data == ENQ and waiting[0]:
                waiting[0] = False
                return frame(body)
            waiting[0] = data[3:].startswith(bytes.fromhex(asked)) and len(data) > 1
            return ACK if waiting[0] else None

        self.line.instead = instead


async def reader_bench(profile: str = READER) -> ReaderBench:
    path, people = CardPath(), People(1)
    bench, line = await open_tampered(profile, shared={"card_path": path, "people": people})
    return ReaderBench(bench, line, path, people)


def frame(text: str) -> bytes:
    """A reader's frame around the bytes from CM to the end of the data."""
    body = bytes.fromhex(text)
    unchecked = b"\x02" + len(body).to_bytes(2, "big") + body + b"\x03"
    return unchecked + bytes((reduce(lambda total, byte: total ^ byte, unchecked),))


# ---------------------------------------------------------------------------------------------- who is there


async def test_the_reader_says_what_it_is() -> None:
    identity = await (await open_bench(READER)).driver.identify()
    assert (identity.model, identity.firmware, identity.serial_number) == ("CRT-310", "V3.0", "CR310000001")


async def test_after_identification_the_shutter_is_shut() -> None:
    card = await reader_bench()
    assert card.seen("gate_open") is False


@pytest.mark.parametrize("answer", ["4E 30 01", "30 3A 4E"])
async def test_a_reader_without_a_serial_number_is_identified_all_the_same(answer: str) -> None:
    card = await reader_bench()
    card.answer_instead("30 3A", answer)
    assert (await card.bench.driver.identify()).serial_number == ""


async def test_a_version_that_is_no_text_comes_from_another_device() -> None:
    card = await reader_bench()
    card.answer_instead("30 30", "30 30 01 02 FF")
    with pytest.raises(PeerBrokeProtocol, match="is this a CRT-310"):
        await card.bench.driver.identify()


@pytest.mark.parametrize("data", ["", "59", "30 4E 4E", "4E 4E 4E 4E"])
async def test_a_status_that_names_no_place_comes_from_another_device(data: str) -> None:
    card = await reader_bench()
    card.answer_instead("31 30", f"31 30 {data}")
    with pytest.raises(PeerBrokeProtocol, match="expected a place"):
        await card.status()


# ---------------------------------------------------------------------------------------------- status


@pytest.mark.parametrize(
    ("place", "media"),
    [
        (Place.ENTERING, Media.ENTERING),
        (Place.GATE, Media.ENTERING),
        (Place.HOLD, Media.PRESENT),
        (Place.CHIP, Media.PRESENT),
        (Place.HANDOVER, Media.PRESENT),
        (Place.PRINTER, Media.NOT_PRESENT),
    ],
)
async def test_the_status_tells_where_the_card_is(place: Place, media: Media) -> None:
    card = await reader_bench()
    card.put_card(place)
    assert await card.status() == CardReaderStatus(device=DeviceState.ONLINE, media=media)


async def test_a_reader_whose_power_came_back_is_shut_again() -> None:
    card = await reader_bench()
    card.press("power_cycle")
    assert card.seen("gate_open") is True
    await card.status()
    assert card.seen("gate_open") is False


# ---------------------------------------------------------------------------------------------- accept


async def test_a_card_is_drawn_in_when_the_citizen_inserts_it() -> None:
    card = await reader_bench()
    card.press("insert_card", "p001", at=card.clock.monotonic() + 3)
    await card.run("accept", wait_s=20)
    assert card.path.place is Place.HOLD
    assert card.seen("gate_open") is False


async def test_a_citizen_who_inserts_nothing_finds_the_shutter_shut_again() -> None:
    card = await reader_bench()
    started = card.clock.monotonic()
    with pytest.raises(DeviceFault) as fault:
        await card.run("accept", wait_s=8)
    assert (fault.value.code, fault.value.action) == ("no_media", Action.RESET)
    assert 8 <= card.clock.monotonic() - started < 9
    assert card.seen("gate_open") is False


async def test_a_card_that_is_already_inside_is_accepted_without_opening_the_shutter() -> None:
    card = await reader_bench()
    card.put_card()
    await card.run("accept")
    assert card.line.count(OPEN) == 0


async def test_a_card_that_the_reader_leaves_in_its_mouth_is_drawn_in() -> None:
    card = await reader_bench()
    card.put_card(Place.GATE)
    held = [False]

    def stays_in_the_mouth(data: bytes) -> bytes | None:
        if data.startswith(bytes.fromhex(INSIDE)):
            card.line.instead = None
        asked, held[0] = held[0], data.startswith(bytes.fromhex("02 00 02 31 30"))
        return frame("31 30 49 4A 4E") if data == ENQ and asked else None

    card.line.instead = stays_in_the_mouth
    await card.run("accept", wait_s=20)
    assert card.path.place is Place.HOLD


@pytest.mark.parametrize("place", ["46", "47"])
async def test_a_card_of_the_wrong_length_is_not_accepted(place: str) -> None:
    card = await reader_bench()
    card.answer_instead("31 30", f"31 30 {place} 4A 4E")
    with pytest.raises(DeviceFault, match="wrong length") as fault:
        await card.run("accept", wait_s=5)
    assert (fault.value.code, fault.value.action) == ("invalid_media", Action.CLEAR)


async def test_a_cancelled_wait_shuts_the_shutter() -> None:
    card = await reader_bench()
    waiting = asyncio.create_task(card.run("accept", wait_s=60))
    card.clock.at(card.clock.monotonic() + 5, waiting.cancel)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert card.seen("gate_open") is False


# ---------------------------------------------------------------------------------------------- movements


@pytest.mark.parametrize(("to", "place"), [("chip", Place.CHIP), ("printer", Place.PRINTER), ("hold", Place.HOLD)])
async def test_a_card_is_moved(to: str, place: Place) -> None:
    card = await reader_bench(WITH_PRINTER)
    card.put_card(Place.GATE)
    await card.run("move", to=to)
    assert card.path.place is place


async def test_a_reader_before_a_bin_hands_nothing_to_a_printer_and_one_before_a_printer_keeps_nothing() -> None:
    bin_behind, printer_behind = await reader_bench(), await reader_bench(WITH_PRINTER)
    bin_behind.put_card()
    printer_behind.put_card()
    with pytest.raises(UnsupportedCommand, match="rear = bin"):
        await bin_behind.run("move", to="printer")
    with pytest.raises(UnsupportedCommand, match="retain"):
        await printer_behind.run("retain")
    assert bin_behind.line.heard == printer_behind.line.heard == []


@pytest.mark.parametrize("command", ["move", "eject", "retain"])
async def test_an_empty_reader_moves_nothing(command: str) -> None:
    card = await reader_bench()
    with pytest.raises(DeviceFault, match="no_media"):
        await card.run(command, **({"to": "hold"} if command == "move" else {}))
    assert card.line.count(MOVES) == 0


async def test_a_card_in_the_gate_is_taken_or_not() -> None:
    card = await reader_bench()
    card.put_card()
    assert await card.run("eject", wait_taken_s=5) == EjectOutput(taken=False)
    card.press("take_card", at=card.clock.monotonic() + 3)
    assert await card.run("eject", wait_taken_s=30) == EjectOutput(taken=True)
    assert card.line.count(TO_FRONT) == 1, "it stood there already"


@pytest.mark.parametrize(("sent", "to", "place"), [(TO_REAR, "printer", Place.PRINTER), (INSIDE, "hold", Place.HOLD)])
async def test_a_move_whose_reply_was_lost_is_settled_by_the_place_of_the_card(
    sent: str, to: str, place: Place
) -> None:
    card = await reader_bench(WITH_PRINTER)
    card.put_card(Place.CHIP)
    card.line.change = losing_enquired(sent)
    await card.run("move", to=to)
    assert card.path.place is place
    assert card.line.count(sent) == 1


async def test_a_move_that_was_never_heard_is_made_again_and_then_times_out() -> None:
    card = await reader_bench()
    card.put_card(Place.CHIP)
    card.line.instead = once(lambda data: b"" if data.startswith(bytes.fromhex(INSIDE)) else None)
    await card.run("move", to="hold")
    assert card.line.count(INSIDE) == 2
    card.path.place = Place.CHIP
    card.line.instead = lambda data: b"" if data.startswith(bytes.fromhex(INSIDE)) else None
    with pytest.raises(LinkTimeout, match="move 2E"):
        await card.run("move", to="hold")


async def test_a_stale_answer_to_another_command_is_passed_over() -> None:
    card = await reader_bench()
    card.put_card()
    stale = frame("32 33 59")  # "moved out at the rear", from before
    card.line.change = lambda data, answers: [(at, stale + body) for at, body in answers] if data == ENQ else answers
    await card.run("move", to="chip")
    assert card.path.place is Place.CHIP
    assert card.bench.driver.counters()["stale"] == 2


async def test_a_late_answer_is_not_taken_for_the_answer_to_the_next_question() -> None:
    card = await reader_bench()
    card.put_card()
    late = [frame("31 30 4E 4E 4E")]  # "no card": comes when the driver has given up waiting
    card.line.change = lambda data, answers: (
        [(at + 5.05, late.pop()) for at, _ in answers] if data == ENQ and late else answers
    )
    assert (await card.status()).media is Media.PRESENT
    assert card.bench.driver.counters()["retries"] + card.bench.driver.counters()["timeouts"] == 1


async def test_a_refused_frame_is_sent_again() -> None:
    card = await reader_bench()
    card.put_card()
    card.line.instead = once(lambda data: NAK if data.startswith(bytes.fromhex(TO_REAR)) else None)
    await card.run("retain")
    assert card.line.count(TO_REAR) == 2
    assert card.seen("bin") == 1


# ---------------------------------------------------------------------------------------------- once


async def test_a_kept_card_goes_into_the_bin() -> None:
    card = await reader_bench()
    card.put_card()
    await card.run("retain")
    assert (card.seen("bin"), card.path.card) == (1, None)


@pytest.mark.parametrize("place", [Place.HOLD, Place.CHIP])
async def test_a_lost_answer_to_retain_is_settled_by_the_empty_reader(place: Place) -> None:
    card = await reader_bench()
    card.put_card(place)
    card.line.change = losing_enquired(TO_REAR)
    await card.run("retain")
    assert (card.line.count(TO_REAR), card.seen("bin")) == (1, 1)


async def test_a_card_that_stood_in_the_gate_may_have_been_taken_so_the_outcome_is_unknown() -> None:
    card = await reader_bench()
    card.put_card(Place.GATE)
    card.line.change = losing_enquired(TO_REAR)
    with pytest.raises(OutcomeUnknown):
        await card.run("retain")
    assert card.line.count(TO_REAR) == 1
    assert (await card.status()).media is Media.NOT_PRESENT


async def test_a_lost_acknowledgement_of_retain_leaves_the_outcome_unknown_and_nothing_is_repeated() -> None:
    card = await reader_bench()
    card.put_card()
    card.line.change = losing(TO_REAR, part=0)
    with pytest.raises(OutcomeUnknown):
        await card.run("retain")
    assert card.line.count(TO_REAR) == 1
    assert (await card.status()).media is Media.PRESENT, "the card is the evidence: it was not kept"


@pytest.mark.parametrize(("command", "error"), [("retain", OutcomeUnknown), ("move", TransportLost)])
async def test_a_cable_pulled_in_the_middle_of_a_movement(command: str, error: type[BridgeError]) -> None:
    card = await reader_bench()
    card.put_card(Place.CHIP)
    card.clock.at(card.clock.monotonic() + 0.5, card.bench.transport.unplug)
    with pytest.raises(error):
        await card.run(command, **({"to": "hold"} if command == "move" else {}))


async def test_a_cable_pulled_between_acknowledgement_and_enquiry_leaves_the_outcome_unknown() -> None:
    card = await reader_bench()
    card.put_card()

    def acknowledge_and_unplug(data: bytes) -> bytes | None:
        if data.startswith(bytes.fromhex(TO_REAR)):
            write = card.bench.transport.write

            async def pulled(data: bytes) -> None:
                card.bench.transport.unplug()
                await write(data)

            card.bench.transport.write = pulled  # type: ignore[method-assign]
            return ACK
        return None

    card.line.instead = acknowledge_and_unplug
    with pytest.raises(OutcomeUnknown, match="ENQ"):
        await card.run("retain")


# ---------------------------------------------------------------------------------------------- faults


async def test_a_failed_movement_is_a_jam_until_the_card_is_elsewhere() -> None:
    card = await reader_bench()
    card.put_card(Place.CHIP)
    card.answer_instead("32", "32 2E 4E")
    with pytest.raises(DeviceFault, match="media_jam"):
        await card.run("move", to="hold")
    card.line.instead = None
    assert (await card.status()).media is Media.JAMMED
    card.path.place = Place.HOLD
    assert (await card.status()).media is Media.PRESENT


async def test_reset_ends_a_remembered_jam() -> None:
    card = await reader_bench()
    card.put_card(Place.CHIP)
    card.answer_instead("32", "32 2E 4E")
    with pytest.raises(DeviceFault, match="media_jam"):
        await card.run("move", to="hold")
    card.line.instead = None
    await card.run("reset")
    assert (await card.status()).media is Media.PRESENT
    assert card.seen("gate_open") is False


@pytest.mark.parametrize("error", sorted(ERRORS))
async def test_every_error_of_the_table_has_an_xfs_word(error: int) -> None:
    card = await reader_bench()
    card.put_card(Place.CHIP)
    card.answer_instead("32", f"4E 32 {error:02X}")
    with pytest.raises(DeviceFault) as fault:
        await card.run("move", to="hold")
    assert (fault.value.code, fault.value.action) == ERRORS[error][:2]


@pytest.mark.parametrize("result", sorted(RESULTS))
async def test_every_result_of_a_movement_has_an_xfs_word(result: int) -> None:
    card = await reader_bench()
    card.put_card(Place.CHIP)
    card.answer_instead("32", f"32 2E {result:02X}")
    with pytest.raises(DeviceFault) as fault:
        await card.run("move", to="hold")
    assert (fault.value.code, fault.value.action) == RESULTS[result][:2]


@pytest.mark.parametrize(
    ("error", "device", "media"),
    [(6, DeviceState.ONLINE, Media.JAMMED), (5, DeviceState.HARDWARE_ERROR, Media.UNKNOWN)],
)
async def test_a_refused_status_tells_what_is_wrong(error: int, device: DeviceState, media: Media) -> None:
    card = await reader_bench()
    card.answer_instead("31", f"4E 31 {error:02X}")
    assert await card.status() == CardReaderStatus(device=device, media=media)
