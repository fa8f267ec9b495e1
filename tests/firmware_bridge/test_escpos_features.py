"""What printers declare, show and were seen to do: an honest one, a clone that lies, one with a presenter."""

import pytest

from device_profiles.capabilities.model import Action, DeviceState
from device_profiles.capabilities.printer import Cover, Paper, Presenter, PrinterStatus, PrintOutput
from device_profiles.errors import ProfileError
from firmware_bridge.drivers import Features
from firmware_bridge.drivers._escpos_near_end import NearEnd
from firmware_bridge.errors import DeviceFault, LinkTimeout, OutcomeUnknown
from simulators.faults import FaultyPeer, LineFault
from simulators.peripherals.peer import Output
from tests.builders.bench import Bench, open_bench
from tests.builders.tampered import open_tampered

HONEST, CLONE, KIOSK = "epson-compatible-80", "clone-58", "custom-kpm-80"
REAL_TIME = ["real_time_1", "real_time_2", "real_time_3", "real_time_4"]
TICKET = [{"kind": "text", "text": "A012"}, {"kind": "qr", "data": "https://hall.example/t/abc"}]


def features(bench: Bench) -> Features:
    assert isinstance(bench.driver, Features)
    return bench.driver


async def status(bench: Bench) -> PrinterStatus:
    found = await bench.driver.status()
    assert isinstance(found, PrinterStatus)
    return found


async def identified(profile: str, **options: object) -> Bench:
    bench = await open_bench(profile, options=options)
    await bench.driver.identify()
    return bench


# ------------------------------------------------------------------------------------------------ an honest printer


async def test_an_honest_printer_shows_all_that_it_declares_and_has_proved_nothing_yet() -> None:
    bench = await open_bench(HONEST)
    assert features(bench).observed() == []
    await bench.driver.identify()
    everything = sorted([*REAL_TIME, "automatic_status", "counter", "cutter", "near_end", "qr", "queued_status"])
    assert features(bench).declared() == everything
    assert features(bench).observed() == [name for name in everything if name != "qr"]  # nothing tells about QR codes
    assert features(bench).proved() == []


async def test_a_feature_is_proved_by_what_it_told_or_did() -> None:
    bench = await identified(HONEST)
    await bench.run("print", blocks=TICKET)
    assert features(bench).proved() == ["cutter", "qr"]
    bench.press("paper_low")
    await status(bench)
    assert {"near_end", "real_time_4"} <= set(features(bench).proved())
    bench.press("open_cover")
    await status(bench)
    assert {"automatic_status", "real_time_1", "real_time_2"} <= set(features(bench).proved())
    assert "real_time_3" not in features(bench).proved()


async def test_a_question_that_a_printer_does_not_answer_is_not_asked_again() -> None:
    bench, line = await open_tampered(HONEST)
    line.instead = lambda data: b"" if data == b"\x10\x04\x03" else None
    await bench.driver.identify()
    assert "real_time_3" not in features(bench).observed()
    line.heard.clear()
    found = await status(bench)
    assert found.cutter is None
    assert (found.paper, found.cover) == (Paper.FULL, Cover.CLOSED)
    assert line.count("10 04 03") == 0


async def test_a_printer_without_a_paper_status_is_asked_in_its_queue() -> None:
    bench, line = await open_tampered(HONEST, options={"real_time": [1]})
    line.heard.clear()
    assert (await status(bench)).paper is Paper.FULL
    assert line.count("1D 72 01") == 1
    assert (await status(bench)).cover is None


async def test_a_question_that_was_answered_once_and_then_is_not_is_a_time_out_not_all_well() -> None:
    bench, line = await open_tampered(HONEST)
    line.instead = lambda data: b"" if data == b"\x10\x04\x04" else None
    with pytest.raises(LinkTimeout):
        await bench.driver.status()


async def test_a_printer_that_has_no_automatic_status_but_ignores_nonsense_is_honest() -> None:
    bench = await open_bench(KIOSK)
    await bench.driver.identify()
    assert set(REAL_TIME) <= set(features(bench).observed())
    assert "automatic_status" not in features(bench).observed()


async def test_a_silent_line_is_no_printer() -> None:
    bench = await open_bench(CLONE, wrap=lambda peer: FaultyPeer(peer, 1, LineFault("mute")))
    with pytest.raises(LinkTimeout, match="is this a printer"):
        await bench.driver.identify()


@pytest.mark.parametrize("wrong", [[], [5], [0, 1]])
async def test_real_time_questions_that_do_not_exist_are_a_wrong_profile(wrong: list[int]) -> None:
    with pytest.raises(ProfileError, match="real_time"):
        await open_bench(HONEST, options={"real_time": wrong})


# ------------------------------------------------------------------------------------------------ a clone that lies


async def test_a_clone_declares_much_and_shows_little() -> None:
    bench = await identified(CLONE)
    assert features(bench).declared() == sorted([*REAL_TIME, "automatic_status", "qr", "queued_status"])
    assert features(bench).observed() == ["queued_status"]


async def test_a_clone_that_says_all_well_is_not_believed() -> None:
    bench = await identified(CLONE)
    found = await status(bench)
    assert (found.device, found.paper) == (DeviceState.ONLINE, Paper.FULL)
    assert (found.cover, found.cutter, found.presenter) == (None, None, None)
    bench.press("paper_out")
    assert (await status(bench)).paper is Paper.OUT
    bench.press("load_paper")
    assert (await status(bench)).paper is Paper.FULL


async def test_a_clone_with_an_open_cover_answers_at_once_and_is_a_user_error() -> None:
    bench = await identified(CLONE)
    bench.press("open_cover")
    assert await status(bench) == PrinterStatus(device=DeviceState.USER_ERROR, paper=Paper.UNKNOWN)
    with pytest.raises(DeviceFault, match="nothing was printed") as raised:
        await bench.run("print", blocks=TICKET)
    assert (raised.value.code, raised.value.action) == ("user_error", Action.CLEAR)
    bench.press("close_cover")
    assert (await status(bench)).device is DeviceState.ONLINE


async def test_a_stuck_clone_is_not_filled_with_questions() -> None:
    bench, line = await open_tampered(CLONE)
    bench.press("open_cover")
    for _ in range(20):
        await status(bench)
        await bench.clock.sleep(1)
    assert line.count("1D 72 01") == 1
    await bench.clock.sleep(20)
    await status(bench)
    assert line.count("1D 72 01") == 2  # the printer may have been switched off and on in between


async def test_a_clone_prints_with_proof_and_its_paper_is_torn_off() -> None:
    bench = await identified(CLONE)
    await bench.run("print", blocks=TICKET)
    (paper,) = bench.peer.snapshot()["papers"]
    assert (paper["lines"], paper["qr"], paper["cut"]) == (["A012"], ["https://hall.example/t/abc"], False)
    assert features(bench).proved() == ["qr"]


async def test_a_clone_whose_paper_ends_in_a_document_tells_so() -> None:
    bench = await open_bench(CLONE, device={"roll_lines": 30})
    await bench.driver.identify()
    long = [{"kind": "text", "text": f"line {n}"} for n in range(80)]
    with pytest.raises(DeviceFault, match="printing stopped") as raised:
        await bench.run("print", blocks=long)
    assert raised.value.code == "paper_out"


async def test_a_clone_that_stops_in_a_document_leaves_the_outcome_unknown() -> None:
    bench, line = await open_tampered(CLONE, options={"portion_s": 5})

    def open_the_cover(sent: bytes, answers: Output) -> Output:
        if sent == b"\x1dr\x01":  # the last question before the document
            bench.press("open_cover")
        return answers

    line.change = open_the_cover
    with pytest.raises(OutcomeUnknown, match="processes nothing"):
        await bench.run("print", blocks=TICKET)
    bench.press("close_cover")
    line.change = None
    await bench.run("print", blocks=TICKET)  # what waited in the printer comes out, and is not taken for this proof
    papers = bench.peer.snapshot()["papers"]
    assert [paper["lines"] for paper in papers] == [["A012"], ["A012"]]


async def test_a_near_end_bit_that_stays_set_over_a_new_roll_is_found_out() -> None:
    bench = await identified(CLONE, near_end=True)
    assert "near_end" in features(bench).observed()
    assert (await status(bench)).paper is Paper.LOW
    bench.press("paper_out")
    assert (await status(bench)).paper is Paper.OUT
    bench.press("load_paper")
    assert (await status(bench)).paper is Paper.FULL
    assert "near_end" not in features(bench).observed()
    assert "near_end" not in features(bench).proved()


def test_a_near_end_bit_that_was_seen_clear_is_believed_again() -> None:
    bit = NearEnd(declared=True)
    assert bit.judge(low=True, out=True)
    assert not bit.judge(low=True, out=False)
    assert not bit.judge(low=False, out=False)
    assert bit.judge(low=True, out=False)
    assert bit.proved


def test_a_near_end_bit_that_the_model_does_not_have_says_nothing() -> None:
    bit = NearEnd(declared=False)
    assert not bit.judge(low=True, out=False)
    assert not bit.usable


# ------------------------------------------------------------------------------------------------ a presenter


async def test_a_ticket_waits_in_the_presenter_until_it_is_taken() -> None:
    bench = await identified(KIOSK)
    assert "presenter" in features(bench).observed()
    assert (await status(bench)).presenter is Presenter.EMPTY
    assert await bench.run("print", blocks=TICKET) == PrintOutput()
    assert (await status(bench)).presenter is Presenter.TICKET
    assert "presenter" in features(bench).proved()
    bench.press("take_ticket")
    assert (await status(bench)).presenter is Presenter.EMPTY


async def test_that_a_ticket_was_taken_is_evidence_of_the_print() -> None:
    bench = await identified(KIOSK, taken_s=10)
    bench.press("take_ticket", at=bench.clock.monotonic() + 5)
    assert await bench.run("print", blocks=TICKET) == PrintOutput(taken=True)


async def test_a_ticket_that_is_left_lying_is_told() -> None:
    bench = await identified(KIOSK, taken_s=10)
    before = bench.clock.monotonic()
    assert await bench.run("print", blocks=TICKET) == PrintOutput(taken=False)
    assert 10 <= bench.clock.monotonic() - before < 12


async def test_a_printer_without_a_presenter_cannot_tell_who_took_a_ticket() -> None:
    bench = await identified(HONEST, taken_s=2)
    assert await bench.run("print", blocks=TICKET) == PrintOutput(taken=None)


async def test_a_kiosk_printer_that_lacks_the_full_status_works_without() -> None:
    bench, line = await open_tampered(KIOSK)
    line.instead = lambda data: b"" if data == b"\x10\x04\x14" else None
    await bench.driver.identify()
    assert "presenter" not in features(bench).observed()
    assert (await status(bench)).presenter is None


@pytest.mark.parametrize(("bits", "told"), [(0x12, Presenter.EMPTY), (0x72, Presenter.TICKET)])
async def test_a_presenter_that_answers_dle_eot_5(bits: int, told: Presenter) -> None:
    bench, line = await open_tampered(HONEST, options={"presenter": "dle_eot_5"})
    line.instead = lambda data: bytes((bits,)) if data == b"\x10\x04\x05" else None
    await bench.driver.identify()
    assert (await status(bench)).presenter is told
