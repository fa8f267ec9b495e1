from collections.abc import Callable
from functools import reduce

import pytest

from device_profiles.capabilities.card_dispenser import CardDispenserStatus, DispensedCard, DispenseOutput
from device_profiles.capabilities.card_reader import Stacker
from device_profiles.capabilities.model import Action, DeviceState
from firmware_bridge.codecs.crt_541 import Crt541Codec, Verdict
from firmware_bridge.errors import (
    DeviceFault,
    LinkTimeout,
    OutcomeUnknown,
    PeerBrokeProtocol,
    TransportLost,
    UnsupportedCommand,
)
from simulators.peripherals.peer import Output
from tests.builders.bench import Bench
from tests.builders.tampered import Tampered, losing, once, open_tampered

DISPENSER = "creator-crt-541"
DISPENSE, ENQUIRY, RESET = "02 30 30 44 43", "02 30 30 41 50", "02 30 30 52 53"
ACK, NAK = b"\x06\x30\x30", b"\x15\x30\x30"


class DispenserBench:
    """A dispenser that was identified, and its line."""

    def __init__(self, bench: Bench, line: Tampered) -> None:
        self.bench, self.line = bench, line
        self.run, self.press, self.clock = bench.run, bench.press, bench.clock

    def seen(self, key: str) -> object:
        return self.line.snapshot()[key]

    async def status(self) -> CardDispenserStatus:
        status = await self.bench.driver.status()
        assert isinstance(status, CardDispenserStatus)
        return status


async def dispenser_bench(**options: object) -> DispenserBench:
    return DispenserBench(*await open_tampered(DISPENSER, options=options))


def told(work: str, stack: str = "30") -> bytes:
    """The dispenser's answer to an enquiry."""
    unchecked = bytes.fromhex(f"02 30 30 {work} {stack} 03")
    return ACK + unchecked + bytes((reduce(lambda total, byte: total ^ byte, unchecked),))


def _mute_after_dispense(card: DispenserBench) -> Callable[[bytes], bytes | None]:
    """The dispenser works, and its enquiries are not answered any more."""
    return lambda data: b"" if card.line.count(DISPENSE) and data.startswith(bytes.fromhex(ENQUIRY)) else None


async def test_a_card_is_dispensed_and_nobody_can_say_whether_it_was_taken() -> None:
    card = await dispenser_bench()
    assert await card.run("dispense") == DispenseOutput(taken=None)
    assert (card.seen("position"), card.seen("dispensed_total")) == ("mouth", 1)
    assert card.line.count(DISPENSE) == 1


async def test_enquiries_keep_the_pace_of_the_manual() -> None:
    card = await dispenser_bench()
    started = card.clock.monotonic()
    await card.run("dispense")
    pauses = card.line.count(ENQUIRY) - 2  # one enquiry before the command, one right after it
    assert (card.clock.monotonic() - started) / pauses >= 0.2


async def test_a_dispenser_at_another_address_is_spoken_to_there() -> None:
    card = await dispenser_bench(address=15)
    assert (await card.status()).device is DeviceState.ONLINE
    assert card.line.heard[0][1:3] == b"15"


@pytest.mark.parametrize(
    ("work", "media"),
    [
        ("30", DispensedCard.NOT_PRESENT),
        ("31", DispensedCard.PRESENT),
        ("33", DispensedCard.EXITING),
        ("34", DispensedCard.JAMMED),
        ("35", DispensedCard.PRESENT),
        ("36", DispensedCard.EXITING),
    ],
)
async def test_every_work_status_of_the_manual_has_a_meaning(work: str, media: DispensedCard) -> None:
    card = await dispenser_bench()
    card.line.instead = lambda data: told(work, "31")
    assert await card.status() == CardDispenserStatus(device=DeviceState.ONLINE, media=media, stacker=Stacker.LOW)


@pytest.mark.parametrize(("work", "stack"), [("32", "30"), ("41", "30"), ("30", "33")])
async def test_a_status_that_the_manual_does_not_know_comes_from_another_device(work: str, stack: str) -> None:
    card = await dispenser_bench()
    card.line.instead = lambda data: told(work, stack)
    for call in (card.bench.driver.identify, card.bench.driver.status):
        with pytest.raises(PeerBrokeProtocol, match="is this a CRT-541"):
            await call()


async def test_what_is_told_once_about_the_last_card_is_not_taken_for_the_next() -> None:
    card = await dispenser_bench()
    card.line.instead = _mute_after_dispense(card)  # "dispensed" stays untold
    with pytest.raises(OutcomeUnknown):
        await card.run("dispense")
    card.line.instead = None
    card.press("take_card")
    await card.run("dispense")
    assert card.seen("dispensed_total") == 2


async def test_an_empty_stacker_or_a_jam_is_told_before_anything_is_sent() -> None:
    card = await dispenser_bench()
    card.press("set_stacker", 0)
    with pytest.raises(DeviceFault, match="stacker_empty") as fault:
        await card.run("dispense")
    assert fault.value.action is Action.CLEAR
    card.press("set_stacker", 9)
    card.press("jam")
    with pytest.raises(DeviceFault, match="media_jam") as fault:
        await card.run("dispense")
    assert fault.value.action is Action.MAINTENANCE
    assert card.line.count(DISPENSE) == 0


async def test_a_card_that_nobody_took_is_in_the_way() -> None:
    card = await dispenser_bench()
    await card.run("dispense")
    with pytest.raises(DeviceFault, match="media_present") as fault:
        await card.run("dispense")
    assert fault.value.action is Action.CLEAR
    assert card.seen("dispensed_total") == 1


async def test_a_jam_on_the_way_is_a_fault() -> None:
    card = await dispenser_bench()
    card.press("jam", at=card.clock.monotonic() + 0.8)
    with pytest.raises(DeviceFault, match="media_jam"):
        await card.run("dispense")


async def test_a_refused_frame_is_sent_again() -> None:
    card = await dispenser_bench()
    card.line.instead = once(lambda data: NAK if data.startswith(bytes.fromhex(DISPENSE)) else None)
    await card.run("dispense")
    assert (card.line.count(DISPENSE), card.seen("dispensed_total")) == (2, 1)


async def test_a_line_that_damages_every_frame_is_a_time_out_and_nothing_has_moved() -> None:
    card = await dispenser_bench()
    card.line.instead = lambda data: NAK if data.startswith(bytes.fromhex(DISPENSE)) else None
    with pytest.raises(LinkTimeout, match="Nothing has moved"):
        await card.run("dispense")
    card.line.instead = lambda data: NAK
    with pytest.raises(LinkTimeout, match="none came in 3 tries"):
        await card.status()


def test_a_refusal_that_stands_behind_noise_is_not_believed() -> None:
    codec = Crt541Codec(0)
    codec.feed(b"\x77" + NAK + ACK)
    assert codec.next_reply() == Verdict(taken=True)
    assert codec.discarded == 4


# ---------------------------------------------------------------------------------------------- lost answers


async def test_a_lost_acknowledgement_is_settled_by_what_the_dispenser_tells() -> None:
    card = await dispenser_bench()
    card.line.change = losing(DISPENSE, part=0)
    await card.run("dispense")
    assert (card.line.count(DISPENSE), card.seen("dispensed_total")) == (1, 1)


async def test_a_command_that_was_not_heard_is_a_time_out_since_nothing_has_moved() -> None:
    card = await dispenser_bench()
    card.line.instead = lambda data: b"" if data.startswith(bytes.fromhex(DISPENSE)) else None
    with pytest.raises(LinkTimeout, match="not heard"):
        await card.run("dispense")
    assert (card.line.count(DISPENSE), card.seen("dispensed_total")) == (1, 0)


async def test_a_dispenser_that_took_the_command_and_tells_nothing_leaves_the_outcome_unknown() -> None:
    card = await dispenser_bench()
    sent = [False]

    def silent_about_it(data: bytes) -> bytes | None:
        sent[0] = sent[0] or data.startswith(bytes.fromhex(DISPENSE))
        return (ACK if data.startswith(bytes.fromhex(DISPENSE)) else told("30")) if sent[0] else None

    card.line.instead = silent_about_it
    with pytest.raises(OutcomeUnknown, match="look whether a card is in the mouth"):
        await card.run("dispense")


async def test_the_one_answer_that_tells_of_the_card_is_lost() -> None:
    card = await dispenser_bench()

    def lose_dispensed(data: bytes, answers: Output) -> Output:
        return [(at, body) for at, body in answers if body[3:4] != b"3"]

    card.line.change = lose_dispensed
    with pytest.raises(OutcomeUnknown):
        await card.run("dispense")
    assert card.line.count(DISPENSE) == 1


async def test_a_late_answer_is_not_taken_for_the_answer_to_the_next_question() -> None:
    card = await dispenser_bench()
    late = [told("34")]
    card.line.change = lambda data, answers: [(at + 0.55, late.pop()) for at, _ in answers[:1]] if late else answers
    assert (await card.status()).media is DispensedCard.NOT_PRESENT


async def test_a_cable_pulled_while_a_card_is_on_its_way_leaves_the_outcome_unknown() -> None:
    card = await dispenser_bench()
    card.clock.at(card.clock.monotonic() + 0.8, card.bench.transport.unplug)
    with pytest.raises(OutcomeUnknown):
        await card.run("dispense")
    with pytest.raises(TransportLost):
        await card.status()


async def test_a_power_cut_while_a_card_is_on_its_way_leaves_the_outcome_unknown() -> None:
    card = await dispenser_bench()
    card.press("power_cycle", at=card.clock.monotonic() + 0.8)
    with pytest.raises(OutcomeUnknown):
        await card.run("dispense")


# ---------------------------------------------------------------------------------------------- other commands


async def test_reset_ends_a_failure_that_is_no_jam() -> None:
    card = await dispenser_bench()
    card.press("jam", at=card.clock.monotonic() + 0.8)
    with pytest.raises(DeviceFault):
        await card.run("dispense")
    card.press("clear_jam")
    await card.run("reset")
    assert card.line.count(RESET) == 1
    assert (await card.status()).media is DispensedCard.NOT_PRESENT


async def test_reset_of_a_dispenser_that_never_comes_to_rest_says_so() -> None:
    card = await dispenser_bench()
    card.line.instead = lambda data: ACK if data.startswith(bytes.fromhex(RESET)) else told("31")
    with pytest.raises(DeviceFault, match="expected a ready dispenser"):
        await card.run("reset")


async def test_there_is_no_bin() -> None:
    card = await dispenser_bench()
    with pytest.raises(UnsupportedCommand, match="retain"):
        await card.run("retain")
