from collections.abc import Callable
from functools import reduce

import pytest

from device_profiles.capabilities.card_dispenser import CardDispenserStatus, DispensedCard, DispenseOutput, LastMove
from device_profiles.capabilities.card_reader import RetainBin, Stacker
from device_profiles.capabilities.model import Action, DeviceState, Identity
from firmware_bridge.codecs.dispenser_enq import Answer, Flag, parse_flags
from firmware_bridge.errors import (
    DeviceFault,
    LinkTimeout,
    OutcomeUnknown,
    PeerBrokeProtocol,
    TransportLost,
)
from simulators.peripherals.peer import Peer
from tests.builders.bench import Bench, open_bench
from tests.builders.tampered import Tampered, losing, losing_enquired, once, open_tampered

DISPENSER = "quio-cd-720m"
DISPENSE, CALL_BACK, FLAGS, STATE = "02 44 43", "02 43 50", "02 50 42", "02 52 46"
ACK, NAK, ENQ = b"\x06", b"\x15", b"\x05"


class DispenserBench:
    """A dispenser that was identified, and its line."""

    def __init__(self, bench: Bench, line: Tampered) -> None:
        self.bench, self.line = bench, line
        self.run, self.press, self.clock = bench.run, bench.press, bench.clock

    def seen(self, key: str) -> object:
        return self.line.snapshot()[key]

    def after(self, seconds: float) -> float:
        return self.clock.monotonic() + seconds

    async def status(self) -> CardDispenserStatus:
        status = await self.bench.driver.status()
        assert isinstance(status, CardDispenserStatus)
        return status

    def answer_instead(self, asked: str, body: bytes) -> None:
        """To ENQ after the command ``asked`` the dispenser answers ``body``, as often as it is asked."""
        waiting = [False]

        def instead(data: bytes) -> bytes | None:
            if data == ENQ and waiting[0]:
                waiting[0] = False
                return body
            waiting[0] = data[1:3] == asked.encode()
            return ACK if waiting[0] else None

        self.line.instead = instead


async def dispenser_bench() -> DispenserBench:
    return DispenserBench(*await open_tampered(DISPENSER))


async def old_bench() -> DispenserBench:
    """A dispenser of the older edition: it tells only its most urgent state."""
    lines: list[Tampered] = []

    def wrap(peer: Peer) -> Tampered:
        lines.append(Tampered(peer))
        return lines[0]

    bench = await open_bench(DISPENSER, options={"tells": "states"}, device={"edition": "old"}, wrap=wrap)
    await bench.driver.identify()
    lines[0].heard.clear()
    return DispenserBench(bench, lines[0])


def frame(text: str) -> bytes:
    """A frame around R1 R2 and the data, given as characters."""
    unchecked = b"\x02" + text.encode("latin-1") + b"\x03"
    return unchecked + bytes((reduce(lambda total, byte: total ^ byte, unchecked),))


# ---------------------------------------------------------------------------------------------- who is there


async def test_the_dispenser_says_its_version() -> None:
    assert await (await open_bench(DISPENSER)).driver.identify() == Identity(firmware="3.19")


async def test_the_older_edition_cannot_say_who_it_is() -> None:
    card = await old_bench()
    assert await card.bench.driver.identify() == Identity()


async def test_a_version_that_is_no_number_comes_from_another_device() -> None:
    card = await dispenser_bench()
    card.answer_instead("GV", frame("GVabc"))
    with pytest.raises(PeerBrokeProtocol, match="is this a QU-CD-720M"):
        await card.bench.driver.identify()


async def test_flags_outside_their_range_come_from_another_device() -> None:
    card = await dispenser_bench()
    card.answer_instead("PB", frame("PB0A1"))
    with pytest.raises(PeerBrokeProtocol, match="30 to 3F"):
        await card.status()


# ---------------------------------------------------------------------------------------------- status


async def test_a_dispenser_at_rest() -> None:
    card = await dispenser_bench()
    assert await card.status() == CardDispenserStatus(
        device=DeviceState.ONLINE,
        media=DispensedCard.NOT_PRESENT,
        stacker=Stacker.OK,
        retain_bin=RetainBin.OK,
        last_move=LastMove.NONE,
    )


@pytest.mark.parametrize(
    ("flags", "media"),
    [
        ("801", DispensedCard.PRESENT),
        ("400", DispensedCard.PRESENT),
        ("002", DispensedCard.PRESENT),
        ("004", DispensedCard.EXITING),
        ("024", DispensedCard.JAMMED),
        ("080", DispensedCard.NOT_PRESENT),
    ],
)
async def test_every_flag_about_a_card_has_a_meaning(flags: str, media: DispensedCard) -> None:
    card = await dispenser_bench()
    card.answer_instead("PB", frame(f"PB{flags}"))
    assert (await card.status()).media is media


async def test_a_failure_that_is_no_jam_is_a_broken_device_until_the_reset() -> None:
    card = await dispenser_bench()
    card.answer_instead("PB", frame("PB200"))
    assert (await card.status()).device is DeviceState.HARDWARE_ERROR
    with pytest.raises(DeviceFault, match="hardware_error"):
        await card.run("dispense")


async def test_the_older_edition_tells_one_thing_and_what_it_told_before_is_remembered() -> None:
    card = await old_bench()
    card.press("set_stacker", 5)
    assert (await card.status()).stacker is Stacker.LOW
    card.press("fill_bin")
    told = await card.status()
    assert (told.stacker, told.retain_bin) == (Stacker.LOW, RetainBin.FULL)
    card.press("empty_bin")
    card.press("set_stacker", 170)
    told = await card.status()
    assert (told.stacker, told.retain_bin) == (Stacker.OK, RetainBin.OK)


@pytest.mark.parametrize(
    ("name", "data", "flags"),
    [
        ("SF", b"000", Flag.READY),
        ("SF", b"001", Flag(0)),
        ("SF", b"008", Flag.HOPPER_EMPTY),
        ("PB", b"001", Flag.READY),
        ("PB", b"000", Flag(0)),
        ("PB", b"\x3f\x30\x30", Flag.BIN_FULL | Flag.DISPENSE_FAILED | Flag.CALLING_BACK | Flag.DISPENSING),
        ("PB", b"0@0", None),
    ],
)
def test_ready_means_the_same_in_both_kinds_of_answer(name: str, data: bytes, flags: Flag | None) -> None:
    assert parse_flags(Answer(name, data)) == flags


# ---------------------------------------------------------------------------------------------- dispense


async def test_a_card_is_dispensed_and_taken() -> None:
    card = await dispenser_bench()
    card.press("take_card", at=card.after(4))
    assert await card.run("dispense", wait_taken_s=30) == DispenseOutput(taken=True)
    assert (card.seen("dispensed_total"), card.seen("taken_total")) == (1, 1)


async def test_a_card_that_is_not_taken_stands_in_the_mouth_and_in_the_way() -> None:
    card = await dispenser_bench()
    assert await card.run("dispense", wait_taken_s=3) == DispenseOutput(taken=False)
    assert (await card.status()).media is DispensedCard.EXITING
    with pytest.raises(DeviceFault, match="media_present") as fault:
        await card.run("dispense")
    assert fault.value.action is Action.CLEAR


async def test_the_older_edition_dispenses_as_well() -> None:
    card = await old_bench()
    card.press("take_card", at=card.after(4))
    assert await card.run("dispense") == DispenseOutput(taken=True)


@pytest.mark.parametrize(("button", "args", "code"), [("set_stacker", (0,), "stacker_empty"), ("jam", (), "media_jam")])
async def test_what_cannot_be_dispensed_is_not_ordered(button: str, args: tuple[int, ...], code: str) -> None:
    card = await dispenser_bench()
    card.press(button, *args)
    with pytest.raises(DeviceFault, match=code):
        await card.run("dispense")
    assert card.line.count(DISPENSE) == 0


async def test_a_jam_on_the_way_is_a_fault() -> None:
    card = await dispenser_bench()
    card.press("jam", at=card.after(0.8))
    with pytest.raises(DeviceFault, match="media_jam"):
        await card.run("dispense")


async def test_a_refused_frame_is_sent_again() -> None:
    card = await dispenser_bench()
    card.line.instead = once(lambda data: NAK if data.startswith(bytes.fromhex(DISPENSE)) else None)
    await card.run("dispense", wait_taken_s=0)
    assert (card.line.count(DISPENSE), card.seen("dispensed_total")) == (2, 1)


async def test_without_acknowledgement_nothing_was_carried_out_so_the_frame_is_sent_again() -> None:
    card = await dispenser_bench()
    card.line.change = losing(DISPENSE, part=0)
    await card.run("dispense", wait_taken_s=0)
    assert (card.line.count(DISPENSE), card.seen("dispensed_total")) == (2, 1)


def _lose_enq_after(start: str, times: int) -> Callable[[bytes], bytes | None]:
    """The dispenser does not hear the first ``times`` ENQ after frames that start so."""
    left, asked = [times], [False]

    def instead(data: bytes) -> bytes | None:
        if data == ENQ and asked[0] and left[0]:
            left[0] -= 1
            return b""
        if data != ENQ:
            asked[0] = data.startswith(bytes.fromhex(start))
        return None

    return instead


async def test_an_enq_that_was_not_heard_is_proved_by_the_flags_and_ordered_again() -> None:
    card = await dispenser_bench()
    card.line.instead = _lose_enq_after(DISPENSE, 1)
    await card.run("dispense", wait_taken_s=0)
    assert (card.line.count(DISPENSE), card.seen("dispensed_total")) == (2, 1)


async def test_an_enq_that_is_never_heard_is_a_time_out_and_nothing_has_moved() -> None:
    card = await dispenser_bench()
    card.line.instead = _lose_enq_after(DISPENSE, 99)
    with pytest.raises(LinkTimeout, match="nothing has moved"):
        await card.run("dispense")
    assert card.seen("dispensed_total") == 0


async def test_the_older_edition_cannot_prove_that_nothing_moved() -> None:
    card = await old_bench()
    card.line.instead = _lose_enq_after(DISPENSE, 1)
    with pytest.raises(OutcomeUnknown):
        await card.run("dispense")
    assert card.line.count(DISPENSE) == 1


async def test_a_lost_look_at_the_flags_does_not_hide_a_card_that_was_taken_meanwhile() -> None:
    card = await dispenser_bench()
    card.press("take_card", at=card.after(1.6))
    ordered = [False]

    def deaf_while_it_moves(data: bytes) -> bytes | None:
        deaf = data == ENQ and ordered[0] and card.clock.monotonic() < 2
        ordered[0] = ordered[0] or (data == ENQ and card.line.count(DISPENSE) > 0)
        return b"" if deaf else None

    card.line.instead = deaf_while_it_moves
    assert await card.run("dispense") == DispenseOutput(taken=True)
    assert card.line.count(DISPENSE) == 1


async def test_a_lost_answer_is_asked_for_again() -> None:
    card = await dispenser_bench()
    card.line.change = losing_enquired(FLAGS, times=1)
    await card.run("dispense", wait_taken_s=0)
    assert card.seen("dispensed_total") == 1


async def test_a_stale_answer_is_passed_over() -> None:
    card = await dispenser_bench()
    stale = frame("SF020")  # an answer to RF, which was not asked
    card.line.change = lambda data, answers: [(at, stale + body) for at, body in answers] if data == ENQ else answers
    assert (await card.status()).media is DispensedCard.NOT_PRESENT
    assert card.bench.driver.counters()["stale"] == 1


async def test_a_late_answer_is_not_taken_for_the_answer_to_the_next_question() -> None:
    card = await dispenser_bench()
    late = [frame("PB020")]
    card.line.change = lambda data, answers: (
        [(at + 1.02, late.pop()) for at, _ in answers] if data == ENQ and late else answers
    )
    assert (await card.status()).media is DispensedCard.NOT_PRESENT


async def test_a_cable_pulled_while_a_card_is_on_its_way_leaves_the_outcome_unknown() -> None:
    card = await dispenser_bench()
    card.clock.at(card.after(0.6), card.bench.transport.unplug)
    with pytest.raises(OutcomeUnknown):
        await card.run("dispense")
    with pytest.raises(TransportLost):
        await card.status()


async def test_a_cable_pulled_when_the_card_is_out_leaves_only_open_whether_it_was_taken() -> None:
    card = await dispenser_bench()
    card.clock.at(card.after(3), card.bench.transport.unplug)
    assert await card.run("dispense", wait_taken_s=30) == DispenseOutput(taken=None)


async def test_a_power_cut_that_leaves_no_trace_leaves_the_outcome_unknown() -> None:
    card = await dispenser_bench()

    def cut_and_take() -> None:
        card.press("power_cycle")
        card.press("take_card")
        card.press("power_cycle")

    card.clock.at(card.after(0.8), cut_and_take)
    with pytest.raises(OutcomeUnknown, match="was the power off"):
        await card.run("dispense")


async def test_a_card_that_never_arrives_leaves_the_outcome_unknown() -> None:
    card = await dispenser_bench()
    sent = [False]

    def for_ever_on_its_way(data: bytes) -> bytes | None:
        sent[0] = sent[0] or data.startswith(bytes.fromhex(DISPENSE))
        return (frame("PB800") if data == ENQ else ACK) if sent[0] else None

    card.line.instead = for_ever_on_its_way
    with pytest.raises(OutcomeUnknown, match="still on its way"):
        await card.run("dispense")
    with pytest.raises(DeviceFault, match="still on its way"):
        await card.run("dispense")


# ---------------------------------------------------------------------------------------------- retain, reset


async def test_a_card_that_nobody_took_is_kept() -> None:
    card = await dispenser_bench()
    await card.run("dispense", wait_taken_s=0)
    await card.run("retain")
    assert (card.seen("position"), card.seen("bin")) == ("nowhere", 1)


async def test_the_older_edition_keeps_a_card_as_well() -> None:
    card = await old_bench()
    await card.run("dispense", wait_taken_s=0)
    await card.run("retain")
    assert card.seen("bin") == 1


async def test_without_a_card_there_is_nothing_to_keep_and_a_full_bin_keeps_none() -> None:
    card = await dispenser_bench()
    with pytest.raises(DeviceFault, match="no_media"):
        await card.run("retain")
    await card.run("dispense", wait_taken_s=0)
    card.press("fill_bin")
    with pytest.raises(DeviceFault, match="retain_bin_full"):
        await card.run("retain")
    assert card.line.count(CALL_BACK) == 0


async def test_a_card_that_is_taken_at_the_last_moment_cannot_be_kept() -> None:
    card = await dispenser_bench()
    await card.run("dispense", wait_taken_s=0)
    card.line.instead = _lose_enq_after(CALL_BACK, 1)
    card.press("take_card", at=card.after(1))
    with pytest.raises(DeviceFault, match="taken meanwhile"):
        await card.run("retain")
    assert card.seen("bin") == 0


async def test_reset_ends_a_failure() -> None:
    card = await dispenser_bench()
    card.press("jam", at=card.after(0.8))
    with pytest.raises(DeviceFault):
        await card.run("dispense")
    card.press("clear_jam")
    await card.run("reset")
    assert (await card.status()).device is DeviceState.ONLINE
