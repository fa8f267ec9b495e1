import asyncio

import pytest

from device_profiles.capabilities.model import Action, DeviceState
from device_profiles.capabilities.payment import PaymentOutput, PaymentStatus, Terminal
from firmware_bridge.errors import (
    BridgeError,
    DeviceFault,
    LinkTimeout,
    OutcomeUnknown,
    PeerBrokeProtocol,
    TransportLost,
    UnsupportedCommand,
)
from simulators.peripherals.peer import Output
from simulators.peripherals.zvt_wire import ACK, NAK, framed
from tests.builders.bench import Bench, open_bench
from tests.builders.tampered import Tampered, losing, once, open_tampered

TERMINAL = "zvt-terminal"
PAY, REVERSE, LAST, STATUS, ABORT = "10 02 06 01", "10 02 06 30", "10 02 06 20", "10 02 05 01", "10 02 06 B0"
CARD = "6222020000001234"
COMPLETION, INFORMATION = b"\x10\x02\x06\x0f", b"\x10\x02\x04\x0f"


async def pay(bench: Bench, minor: int = 1500, wait_s: float = 60.0, **args: object) -> PaymentOutput:
    output = await bench.run("pay", amount_minor=minor, wait_s=wait_s, **args)
    assert isinstance(output, PaymentOutput)
    return output


async def last(bench: Bench) -> PaymentOutput:
    output = await bench.run("last")
    assert isinstance(output, PaymentOutput)
    return output


def card(bench: Bench, outcome: str = "ok", after: float = 3.0) -> None:
    bench.press("present_card", outcome, CARD, at=bench.clock.monotonic() + after)


class Loss:
    """From ``start`` on, frames of the terminal that begin so are lost, however often it sends them."""

    def __init__(self, bench: Bench, line: Tampered, *starts: bytes) -> None:
        self.starts: tuple[bytes, ...] = starts
        self.lost = 0
        advance = line.peer.advance
        line.peer.advance = lambda now: self._without(advance(now))  # type: ignore[method-assign]
        line.change = lambda data, answers: self._without(answers)

    def _without(self, output: Output) -> Output:
        kept = [(at, data) for at, data in output if not data.startswith(self.starts or (b"never",))]
        self.lost += len(output) - len(kept)
        return kept


async def test_the_terminal_says_what_it_is() -> None:
    identity = await (await open_bench(TERMINAL)).driver.identify()
    assert (identity.model, identity.serial_number, identity.firmware) == ("ZVT terminal", "12345678", "SIM 1.0")


async def test_a_payment_is_approved_and_told_without_the_card_s_number() -> None:
    bench, line = await open_tampered(TERMINAL)
    card(bench)
    output = await pay(bench, 1510)
    assert (output.outcome, output.amount_minor, output.receipt, output.trace) == ("approved", 1510, "0001", "000001")
    assert output.card == "****1234"
    assert output.made_at.startswith("11-22 ")
    assert CARD not in repr(output)
    assert line.snapshot()["booked_minor"] == 1510


@pytest.mark.parametrize(
    ("shown", "reason"), [("declined", "refused_by_network (05)"), ("unreadable", "card_unreadable (64)")]
)
async def test_a_card_that_is_not_taken_is_declined_with_a_reason(shown: str, reason: str) -> None:
    bench, line = await open_tampered(TERMINAL)
    card(bench, shown)
    output = await pay(bench)
    assert (output.outcome, output.reason, output.amount_minor) == ("declined", reason, 0)
    assert line.snapshot()["booked_total"] == 0


async def test_a_citizen_who_presses_stop_has_paid_nothing() -> None:
    bench, line = await open_tampered(TERMINAL)
    bench.press("press_stop", at=bench.clock.monotonic() + 4)
    assert (await pay(bench)).outcome == "aborted"
    assert line.snapshot()["booked_total"] == 0


async def test_nobody_comes_and_the_terminal_is_told_to_stop() -> None:
    bench, line = await open_tampered(TERMINAL)
    started = bench.clock.monotonic()
    assert (await pay(bench, wait_s=30)).outcome == "aborted"
    assert 30 <= bench.clock.monotonic() - started < 33
    assert line.count(ABORT) == 1


async def test_an_abort_that_is_lost_is_sent_again() -> None:
    bench, line = await open_tampered(TERMINAL)
    line.instead = once(lambda data: b"" if data.startswith(bytes.fromhex(ABORT)) else None)
    assert (await pay(bench, wait_s=30)).outcome == "aborted"
    assert line.count(ABORT) == 2


async def test_a_lost_completion_is_unknown_and_the_terminal_is_asked_what_became_of_it() -> None:
    bench, line = await open_tampered(TERMINAL)
    card(bench, after=1)
    assert (await pay(bench, 700)).outcome == "approved"
    loss = Loss(bench, line, COMPLETION, INFORMATION)
    card(bench)
    with pytest.raises(OutcomeUnknown, match="last payment"):
        await pay(bench, 1500)
    assert loss.lost
    assert line.count(PAY) == 2
    loss.starts = ()
    for _ in range(2):  # asking changes nothing
        told = await last(bench)
        assert (told.outcome, told.amount_minor, told.receipt, told.unseen) == ("approved", 1500, "0002", True)
    assert line.snapshot()["booked_total"] == 2


async def test_a_payment_that_never_reached_the_terminal_is_not_mistaken_for_the_one_before() -> None:
    bench, line = await open_tampered(TERMINAL)
    card(bench, after=1)
    await pay(bench, 1500)
    line.instead = lambda data: b"" if data.startswith(bytes.fromhex(PAY)) else None
    with pytest.raises(OutcomeUnknown):
        await pay(bench, 1500)
    line.instead = None
    told = await last(bench)
    assert (told.amount_minor, told.receipt, told.unseen) == (1500, "0001", False)


async def test_two_unknown_payments_in_a_row_are_told_apart() -> None:
    bench, line = await open_tampered(TERMINAL)
    loss = Loss(bench, line, COMPLETION, INFORMATION)
    loss.starts = ()
    for receipt in ("0001", "0002"):
        card(bench)
        bench.clock.at(bench.clock.monotonic() + 2, lambda: setattr(loss, "starts", (COMPLETION, INFORMATION)))
        with pytest.raises(OutcomeUnknown):
            await pay(bench)
        loss.starts = ()
        told = await last(bench)
        assert (told.receipt, told.unseen) == (receipt, True)


async def test_after_a_lost_completion_the_next_payment_works() -> None:
    bench, line = await open_tampered(TERMINAL)
    card(bench, after=1)
    await pay(bench, 700)
    loss = Loss(bench, line, COMPLETION)
    card(bench)
    with pytest.raises(OutcomeUnknown):
        await pay(bench, 1500)
    loss.starts = ()
    card(bench)
    assert (await pay(bench, 300)).receipt == "0003"
    assert line.snapshot()["booked_minor"] == 2500


async def test_a_terminal_that_has_never_been_paid_at_has_no_last_payment() -> None:
    bench, _ = await open_tampered(TERMINAL)
    told = await last(bench)
    assert (told.outcome, told.unseen) == ("none", None)


async def test_a_terminal_that_cannot_repeat_its_last_payment_does_not_seem_unpaid() -> None:
    bench, line = await open_tampered(TERMINAL)
    refusal = ACK + framed(b"\x84\x83\x00")
    line.instead = lambda data: refusal if data.startswith(bytes.fromhex(LAST)) else None
    loss = Loss(bench, line, COMPLETION)
    card(bench)
    with pytest.raises(OutcomeUnknown):
        await pay(bench)
    assert loss.lost
    told = await last(bench)
    assert (told.outcome, told.reason, told.unseen) == ("none", "not_possible (83)", None)


async def test_who_starts_anew_does_not_pretend_to_know_what_is_new() -> None:
    bench, _ = await open_tampered(TERMINAL)
    card(bench)
    await pay(bench)
    again = await open_bench(TERMINAL)
    again.transport._peer = bench.transport._peer
    again.clock._now = bench.clock.monotonic()
    await again.driver.identify()
    assert (await last(again)).unseen is None


async def test_money_is_given_back_once() -> None:
    bench, line = await open_tampered(TERMINAL)
    card(bench)
    paid = await pay(bench)
    back = await bench.run("reverse", receipt=paid.receipt)
    assert isinstance(back, PaymentOutput)
    assert (back.outcome, back.amount_minor) == ("approved", 1500)
    again = await bench.run("reverse", receipt=paid.receipt)
    assert isinstance(again, PaymentOutput)
    assert (again.outcome, again.reason) == ("declined", "already_reversed (B4)")
    unknown = await bench.run("reverse", receipt="77")
    assert isinstance(unknown, PaymentOutput)
    assert unknown.reason == "reversal_not_possible (B5)"
    assert line.snapshot()["booked_minor"] == 0


@pytest.mark.parametrize("receipt", ["A1", "10000", "-1"])
async def test_a_receipt_that_is_no_number_is_refused_before_anything_is_sent(receipt: str) -> None:
    bench, line = await open_tampered(TERMINAL)
    with pytest.raises(UnsupportedCommand, match="receipt"):
        await bench.run("reverse", receipt=receipt)
    assert line.heard == []


async def test_the_day_is_handed_in() -> None:
    bench, line = await open_tampered(TERMINAL)
    for minor in (1000, 500):
        card(bench, after=1)
        await pay(bench, minor)
    output = await bench.run("end_of_day")
    assert isinstance(output, PaymentOutput)
    assert (output.outcome, output.amount_minor) == ("approved", 1500)
    assert line.snapshot()["booked_total"] == 0


async def test_another_currency_is_declined() -> None:
    bench, _ = await open_tampered(TERMINAL)
    output = await pay(bench, currency=978)
    assert (output.outcome, output.reason) == ("declined", "wrong_currency (6F)")


# --- the line ---------------------------------------------------------------------------------------------------


async def test_a_frame_that_the_terminal_calls_damaged_is_sent_again_also_a_payment() -> None:
    bench, line = await open_tampered(TERMINAL)
    line.instead = once(lambda data: NAK if data.startswith(bytes.fromhex(PAY)) else None)
    card(bench)
    assert (await pay(bench)).outcome == "approved"
    assert line.count(PAY) == 2
    assert line.snapshot()["booked_total"] == 1


async def test_a_payment_that_is_always_damaged_was_not_begun() -> None:
    bench, line = await open_tampered(TERMINAL)
    line.instead = lambda data: NAK if data.startswith(bytes.fromhex(PAY)) else None
    with pytest.raises(LinkTimeout, match="damaged"):
        await pay(bench)
    assert line.count(PAY) == 3


async def test_a_refusal_in_noise_is_not_believed_of_a_payment() -> None:
    bench, line = await open_tampered(TERMINAL)
    line.instead = lambda data: b"\xff" + NAK if data.startswith(bytes.fromhex(PAY)) else None
    with pytest.raises(OutcomeUnknown):
        await pay(bench)
    assert line.count(PAY) == 1


async def test_a_damaged_report_is_refused_and_comes_again() -> None:
    bench, line = await open_tampered(TERMINAL)
    spoiled: list[bytes] = []

    def spoil(output: Output) -> Output:
        for number, (at, data) in enumerate(output):
            if data.startswith(INFORMATION) and not spoiled:
                spoiled.append(data)
                output = [*output[:number], (at, data[:-1] + bytes((data[-1] ^ 1,))), *output[number + 1 :]]
        return output

    advance = line.peer.advance
    line.peer.advance = lambda now: spoil(advance(now))  # type: ignore[method-assign]
    line.change = lambda data, answers: spoil(answers)
    card(bench)
    assert (await pay(bench)).outcome == "approved"
    assert spoiled
    assert line.heard.count(NAK) == 1


async def test_half_a_report_is_refused_after_t1() -> None:
    bench, line = await open_tampered(TERMINAL)
    cut: list[bytes] = []

    def half(output: Output) -> Output:
        for number, (at, data) in enumerate(output):
            if data.startswith(COMPLETION) and not cut:
                cut.append(data)
                output = [*output[:number], (at, data[:5]), *output[number + 1 :]]
        return output

    line.change = lambda data, answers: half(answers)
    card(bench)
    assert (await pay(bench)).outcome == "approved"
    assert cut
    assert NAK in line.heard


async def test_a_lost_line_acknowledgement_makes_a_payment_unknown_and_not_double() -> None:
    bench, line = await open_tampered(TERMINAL)
    line.change = losing(PAY, part=0)
    with pytest.raises(OutcomeUnknown):
        await pay(bench)
    assert line.count(PAY) == 1


async def test_a_lost_answer_to_a_question_is_a_time_out_and_the_next_question_works() -> None:
    bench, line = await open_tampered(TERMINAL)
    line.instead = once(lambda data: ACK if data.startswith(bytes.fromhex(STATUS)) else None)
    with pytest.raises(LinkTimeout, match="answer to the command"):
        await bench.driver.status()
    assert (await bench.driver.status()).device is DeviceState.ONLINE


async def test_a_stale_completion_is_not_taken_for_the_end_of_this_payment() -> None:
    bench, line = await open_tampered(TERMINAL)
    stale = framed(b"\x06\x0f\x00")

    def change(data: bytes, answers: Output) -> Output:
        if not data.startswith(bytes.fromhex(PAY)):
            return answers
        return [(answers[0][0] - 0.001, stale), *answers]

    line.change = change
    card(bench)
    assert (await pay(bench)).receipt == "0001"


async def test_a_cable_pulled_while_paying_leaves_the_outcome_unknown() -> None:
    bench, _ = await open_tampered(TERMINAL)
    bench.clock.at(bench.clock.monotonic() + 5, bench.transport.unplug)
    with pytest.raises(OutcomeUnknown):
        await pay(bench)
    with pytest.raises(TransportLost):
        await bench.driver.status()


async def test_a_cable_pulled_before_a_payment_is_a_lost_transport() -> None:
    bench, _ = await open_tampered(TERMINAL)
    bench.transport.unplug()
    with pytest.raises(TransportLost):
        await pay(bench)


async def test_a_cancelled_payment_is_aborted_and_the_next_one_works() -> None:
    bench, line = await open_tampered(TERMINAL)
    paying = asyncio.create_task(pay(bench))
    bench.clock.at(bench.clock.monotonic() + 5, paying.cancel)
    with pytest.raises(asyncio.CancelledError):
        await paying
    assert line.count(ABORT) == 1
    card(bench)
    assert (await pay(bench, 300)).receipt == "0001"
    assert line.snapshot()["booked_minor"] == 300


# --- the terminal's state ---------------------------------------------------------------------------------------


async def test_a_terminal_that_lost_its_registration_is_registered_and_the_payment_goes_on() -> None:
    bench, _ = await open_tampered(TERMINAL)
    bench.press("power_cycle")
    card(bench)
    assert (await pay(bench)).outcome == "approved"


async def test_a_terminal_that_takes_no_registration_says_so() -> None:
    bench, _ = await open_tampered(TERMINAL)
    bench.press("unregister")
    status = await bench.driver.status()
    assert isinstance(status, PaymentStatus)
    assert status.terminal is Terminal.NOT_REGISTERED
    with pytest.raises(DeviceFault) as fault:
        await pay(bench)
    assert (fault.value.code, fault.value.action) == ("not_registered", Action.CONFIGURATION)


@pytest.mark.parametrize(("code", "word"), [(0x9C, "terminal_busy"), (0xCC, "paper_out"), (0xDF, "hardware_error")])
async def test_a_payment_that_the_terminal_does_not_begin_is_its_fault(code: int, word: str) -> None:
    bench, line = await open_tampered(TERMINAL)
    refusal = ACK + framed(bytes((0x84, code, 0)))
    line.instead = lambda data: refusal if data.startswith(bytes.fromhex(PAY)) else None
    with pytest.raises(DeviceFault) as fault:
        await pay(bench)
    assert fault.value.code == word


@pytest.mark.parametrize(("state", "terminal"), [(0x9C, Terminal.BUSY), (0xDC, Terminal.BUSY), (0xE2, None)])
async def test_states_of_the_terminal_have_words(state: int, terminal: Terminal | None) -> None:
    bench, line = await open_tampered(TERMINAL)
    line.instead = once(lambda data: ACK + framed(bytes((0x84, state, 0))) if data[2:4] == b"\x05\x01" else None)
    status = await bench.driver.status()
    assert isinstance(status, PaymentStatus)
    assert (status.terminal, status.device is DeviceState.ONLINE) == (terminal, terminal is not None)


async def test_another_device_on_the_line_is_told_apart() -> None:
    bench, line = await open_tampered(TERMINAL)
    line.instead = lambda data: ACK + framed(b"\x84\x83\x00") if data[2:4] == b"\x06\x00" else None
    with pytest.raises(PeerBrokeProtocol, match="ZVT"):
        await bench.driver.identify()


async def test_a_completion_without_a_report_is_unknown() -> None:
    bench, line = await open_tampered(TERMINAL)
    Loss(bench, line, INFORMATION)
    card(bench)
    with pytest.raises(OutcomeUnknown, match="end of the command"):
        await pay(bench)


async def test_a_late_copy_of_the_payment_before_is_not_taken_for_this_one() -> None:
    bench, line = await open_tampered(TERMINAL)
    reports: list[bytes] = []

    def keep(output: Output) -> Output:
        reports.extend(data for _, data in output if data.startswith(INFORMATION))
        return output

    advance = line.peer.advance
    line.peer.advance = lambda now: keep(advance(now))  # type: ignore[method-assign]
    line.change = lambda data, answers: keep(answers)
    card(bench)
    await pay(bench)
    report = reports[0]
    stale = [(bench.clock.monotonic() + 1.5, report), (bench.clock.monotonic() + 1.6, framed(b"\x06\x0f\x00"))]
    bench.clock.at(bench.clock.monotonic() + 1, lambda: bench.transport._queue(stale))
    assert (await pay(bench)).outcome == "aborted"  # nobody came
    assert (await last(bench)).unseen is False
    assert line.snapshot()["booked_total"] == 1


async def test_another_sum_than_asked_for_is_unknown() -> None:
    bench, line = await open_tampered(TERMINAL)
    wrong = framed(bytes.fromhex("04 0F 09 27 00 04 00 00 00 00 99 99"))
    line.change = lambda data, answers: [
        (at, wrong if answer.startswith(INFORMATION) else answer) for at, answer in answers
    ]
    advance = line.peer.advance
    line.peer.advance = lambda now: [  # type: ignore[method-assign]
        (at, wrong if answer.startswith(INFORMATION) else answer) for at, answer in advance(now)
    ]
    card(bench)
    with pytest.raises(OutcomeUnknown, match="another sum"):
        await pay(bench)


async def test_no_error_tells_a_card_s_number() -> None:
    bench, line = await open_tampered(TERMINAL)
    Loss(bench, line, COMPLETION)
    card(bench)
    with pytest.raises(BridgeError) as error:
        await pay(bench)
    assert CARD[:12] not in str(error.value)
