import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.capabilities.caller import CallerKey, KeyPressed
from device_profiles.capabilities.evaluator import Rated
from device_profiles.capabilities.model import Action, DeviceState, Event, Shape
from firmware_bridge.codecs.hdp import text_registers
from firmware_bridge.errors import DeviceFault, LinkTimeout, PeerBrokeProtocol, TransportLost, UnsupportedCommand
from firmware_bridge.framing.checksums import crc16_modbus
from firmware_bridge.registry import load_driver
from simulators.peripherals.peer import Output
from tests.builders.bench import Bench, open_bench
from tests.builders.tampered import Tampered, losing, once, open_tampered

PAD, DISPLAY, CALLER = "hdp-evaluator", "hdp-display", "hdp-caller"
SEEN_OF_CALLER = "03 06 00 14"
READ_SEEN_OF_CALLER = "03 03 00 14"


def reply(text: str) -> bytes:
    body = bytes.fromhex(text)
    return body + crc16_modbus(body).to_bytes(2, "little")


async def take(bench: Bench) -> list[Shape]:
    """Poll as the agent does: status, events, and a confirmation when each is durable."""
    await bench.driver.status()
    events = await bench.driver.poll()
    for event in events:
        await bench.driver.confirm(event)
    return [event.body for event in events]


# ------------------------------------------------------------------------------------------------------ who is there


@pytest.mark.parametrize(
    ("profile", "model"), [(PAD, "HDP evaluator"), (DISPLAY, "HDP display"), (CALLER, "HDP caller")]
)
async def test_a_unit_says_its_class(profile: str, model: str) -> None:
    identity = await (await open_bench(profile)).driver.identify()
    assert (identity.model, identity.firmware) == (model, "profile 1")


@pytest.mark.parametrize(
    ("block", "told"),
    [
        pytest.param("48 44 00 01 00 02 00 00 00 00 00 00 00 00", "class", id="another class"),
        pytest.param("48 45 00 01 00 03 00 00 00 00 00 00 00 00", "4844h", id="not HDP"),
        pytest.param("48 44 00 09 00 03 00 00 00 00 00 00 00 00", "version 9", id="a version to come"),
    ],
)
async def test_another_device_is_told_apart(block: str, told: str) -> None:
    bench, line = await open_tampered(CALLER)
    line.instead = lambda data: reply(f"03 04 0E {block}")
    with pytest.raises(PeerBrokeProtocol, match=told):
        await bench.driver.identify()


@pytest.mark.parametrize("exception", ["01", "02"])
async def test_a_device_without_the_registers_is_another_one(exception: str) -> None:
    bench, line = await open_tampered(CALLER)
    line.instead = lambda data: reply(f"03 84 {exception}")
    with pytest.raises(PeerBrokeProtocol, match="register"):
        await bench.driver.identify()


async def test_a_unit_that_fails_says_so() -> None:
    bench, line = await open_tampered(PAD)
    line.instead = lambda data: reply("01 86 04")
    with pytest.raises(DeviceFault) as fault:
        await bench.run("show", mode="welcome")
    assert (fault.value.code, fault.value.action) == ("hardware_error", Action.MAINTENANCE)


async def test_a_fault_bit_is_a_hardware_error() -> None:
    bench, _ = await open_tampered(PAD)
    bench.press("set_faults", 4)
    assert (await bench.driver.status()).device is DeviceState.HARDWARE_ERROR


async def test_the_unit_number_is_an_option_and_other_units_are_not_listened_to() -> None:
    bench, line = await open_tampered(PAD, options={"unit": 9})
    other = reply("08 04 0E 48 44 00 01 00 01 00 00 00 05 00 01 00 03")
    line.change = lambda sent, answers: [(answers[0][0] - 0.001, other), *answers]
    assert await take(bench) == []
    assert bench.driver.counters()["stale"] >= 1


async def test_a_stale_frame_in_front_of_the_reply_does_not_swallow_it() -> None:
    bench, line = await open_tampered(CALLER)
    stale = reply("03 06 00 14 00 05")
    line.change = lambda sent, answers: [(answers[0][0], stale + answers[0][1])]
    assert (await bench.driver.status()).device is DeviceState.ONLINE
    assert bench.driver.counters()["retries"] == 0


# ------------------------------------------------------------------------------------------------------ display


async def test_a_display_shows_ticket_counter_and_text() -> None:
    bench, line = await open_tampered(DISPLAY)
    await bench.run("show", ticket="A012", counter=3, text="请到3号窗口")
    shown = line.snapshot()
    assert (shown["ticket"], shown["counter"], shown["text"]) == ("A012", 3, "请到3号窗口")
    assert shown["mode"] == "welcome"


async def test_a_display_is_emptied() -> None:
    bench, line = await open_tampered(DISPLAY)
    await bench.run("show", ticket="A012", counter=3, text="x")
    await bench.run("show")
    shown = line.snapshot()
    assert (shown["ticket"], shown["text"], shown["mode"]) == ("", "", "idle")


async def test_number_and_mode_change_in_one_step_after_the_text() -> None:
    bench, line = await open_tampered(DISPLAY)
    await bench.run("show", ticket="B1200", counter=6, text="现在")
    text, number = line.heard
    assert text[:4].hex(" ") == "02 10 00 1f"
    assert number[:15].hex(" ") == "02 10 00 10 00 04 08 00 01 00 42 04 b0 00 06"


async def test_a_ticket_that_the_hall_never_writes_is_refused() -> None:
    bench, line = await open_tampered(DISPLAY)
    with pytest.raises(UnsupportedCommand, match="A012"):
        await bench.run("show", ticket="12A")
    assert line.heard == []


def test_text_that_does_not_fit_is_cut_at_a_whole_character() -> None:
    registers = text_registers("一" * 30)
    shown = b"".join(register.to_bytes(2) for register in registers[1:])
    assert len(registers) == 33
    assert shown[: registers[0]].decode() == "一" * 21
    assert shown[registers[0] :] == b" "


# ------------------------------------------------------------------------------------------------------ pad


@pytest.mark.parametrize("mode", ["idle", "welcome", "ask_rating", "thanks", "paused"])
async def test_a_pad_shows_its_mode(mode: str) -> None:
    bench, line = await open_tampered(PAD)
    await bench.run("show", mode=mode)
    assert line.snapshot()["mode"] == mode


async def test_a_rating_is_reported_once_with_its_subject() -> None:
    bench, line = await open_tampered(PAD)
    await bench.run("show", mode="ask_rating", subject="t-17")
    bench.press("touch_grade", 4, at=bench.clock.monotonic() + 5)
    await bench.clock.sleep(6)
    assert await take(bench) == [Rated(grade=4, subject="t-17")]
    assert await take(bench) == []
    assert line.snapshot()["events_held"] == 0


async def test_a_rating_belongs_to_the_ticket_that_was_asked_for_when_it_was_given() -> None:
    bench, _ = await open_tampered(PAD)
    await bench.run("show", mode="ask_rating", subject="first")
    bench.press("touch_grade", 2, at=bench.clock.monotonic() + 3)
    await bench.clock.sleep(3.5)
    await bench.driver.status()  # the pad's clock sees the touch
    await bench.run("show", mode="welcome")
    await bench.run("show", mode="ask_rating", subject="second")
    await bench.clock.sleep(2)
    assert await take(bench) == [Rated(grade=2, subject="first")]
    bench.press("touch_grade", 5)
    await bench.clock.sleep(1)
    assert await take(bench) == [Rated(grade=5, subject="second")]


@pytest.mark.parametrize("after_s", [0.0, 0.04, 0.06, 0.1, 0.5])
async def test_a_rating_given_right_after_the_question_has_its_subject(after_s: float) -> None:
    bench, _ = await open_tampered(PAD)
    await bench.run("show", mode="welcome")
    await bench.clock.sleep(3)
    await bench.run("show", mode="ask_rating", subject="t-17")
    await bench.clock.sleep(after_s)
    bench.press("touch_grade", 5)
    assert await take(bench) == [Rated(grade=5, subject="t-17")]


async def test_a_rating_given_just_before_the_question_ends_has_its_subject() -> None:
    bench, _ = await open_tampered(PAD)
    await bench.run("show", mode="ask_rating", subject="t-17")
    await bench.clock.sleep(4)
    bench.press("touch_grade", 5)
    await bench.run("show", mode="welcome")
    assert await take(bench) == [Rated(grade=5, subject="t-17")]


async def test_a_rating_from_before_the_driver_was_opened_has_no_subject() -> None:
    bench, _ = await open_tampered(PAD)
    await bench.run("show", mode="ask_rating", subject="t-17")
    bench.press("touch_grade", 3)
    await bench.driver.status()
    await bench.clock.sleep(1)
    bench.driver = load_driver(bench.profile, bench.transport, bench.clock)
    assert await take(bench) == [Rated(grade=3, subject="")]


async def test_a_grade_that_does_not_exist_is_let_go_and_told() -> None:
    bench, line = await open_tampered(PAD)
    line.instead = once(lambda data: reply("01 04 0E 48 44 00 01 00 01 00 00 00 05 00 09 00 03"))
    with pytest.raises(PeerBrokeProtocol, match="got 9"):
        await bench.driver.poll()
    assert line.count("01 06 00 14 00 05") == 1


# ------------------------------------------------------------------------------------------------------ caller


async def test_the_keys_are_reported_in_the_order_in_which_they_were_pressed() -> None:
    bench, _ = await open_tampered(CALLER)
    pressed = [*CallerKey, CallerKey.CALL_NEXT, CallerKey.CALL_NEXT]
    for key in pressed:
        bench.press("press_key", key)
    reported: list[Shape] = []
    while events := await take(bench):
        reported += events
    assert reported == [KeyPressed(key=key) for key in pressed]


async def test_an_event_is_reported_again_until_it_is_confirmed() -> None:
    bench, _ = await open_tampered(CALLER)
    bench.press("press_key", "start")
    first, second = await bench.driver.poll(), await bench.driver.poll()
    assert first[0].body == second[0].body == KeyPressed(key=CallerKey.START)
    await bench.driver.confirm(second[0])
    assert await bench.driver.poll() == []


async def test_a_poll_at_rest_is_one_question_beside_the_status() -> None:
    bench, line = await open_tampered(CALLER)
    await take(bench)
    line.heard.clear()
    await take(bench)
    assert len(line.heard) == 1, "the status has read what the poll needs"


# ------------------------------------------------------------------------------------------------------ once


async def test_a_lost_reply_to_the_confirmation_neither_loses_nor_doubles_the_event() -> None:
    bench, line = await open_tampered(CALLER)
    bench.press("press_key", "start")
    line.change = losing(SEEN_OF_CALLER, 0, times=3)
    assert await take(bench) == [KeyPressed(key=CallerKey.START)]
    assert await take(bench) == []
    bench.press("press_key", "start")
    assert await take(bench) == [KeyPressed(key=CallerKey.START)]


async def test_a_confirmation_that_never_reached_the_unit_is_made_good_and_the_event_is_not_reported_again() -> None:
    bench, line = await open_tampered(CALLER)
    bench.press("press_key", "start")
    lost = bytes.fromhex(SEEN_OF_CALLER)
    line.instead = lambda data: b"" if data.startswith(lost) else None
    assert await take(bench) == [KeyPressed(key=CallerKey.START)]
    line.instead = None
    assert line.snapshot()["events_held"] == 1
    await bench.clock.sleep(4)
    assert await take(bench) == []
    assert line.snapshot()["events_held"] == 0


async def test_a_unit_that_restarts_counts_from_the_beginning_and_its_first_event_is_a_new_one() -> None:
    bench, line = await open_tampered(CALLER)
    bench.press("press_key", "start")
    assert await take(bench) == [KeyPressed(key=CallerKey.START)]
    await bench.clock.sleep(3)
    bench.press("power_cycle")
    bench.press("press_key", "start")
    assert line.snapshot()["sequence"] == 1
    assert await take(bench) == [KeyPressed(key=CallerKey.START)]


async def test_the_same_number_after_a_restart_is_new_even_when_the_old_confirmation_was_lost() -> None:
    bench, line = await open_tampered(CALLER)
    bench.press("press_key", "start")
    lost = bytes.fromhex(SEEN_OF_CALLER)
    line.instead = lambda data: b"" if data.startswith(lost) else None
    await take(bench)
    line.instead = None
    bench.press("power_cycle")
    await bench.clock.sleep(2)
    bench.press("press_key", "start")
    assert await take(bench) == [KeyPressed(key=CallerKey.START)]


async def test_a_confirmation_is_not_written_into_a_unit_that_has_restarted_meanwhile() -> None:
    bench, line = await open_tampered(CALLER)
    bench.press("press_key", "start")
    (event,) = await bench.driver.poll()
    bench.press("power_cycle")
    await bench.driver.confirm(event)
    assert line.count(SEEN_OF_CALLER) == 0


async def test_a_number_left_in_a_restarted_unit_is_cleared_so_that_it_cannot_hide_an_event() -> None:
    bench, line = await open_tampered(CALLER)
    left = once(lambda data: reply("03 03 02 00 01") if data.startswith(bytes.fromhex(READ_SEEN_OF_CALLER)) else None)
    line.instead = left
    assert await take(bench) == []
    assert line.count("03 06 00 14 00 00") == 1
    await take(bench)
    assert line.count(READ_SEEN_OF_CALLER) == 1, "asked once after each start"


async def test_the_numbers_of_events_wrap() -> None:
    bench, line = await open_tampered(CALLER)
    line.peer._sequence = 0xFFFE  # type: ignore[attr-defined]
    for key in ("start", "finish", "start"):
        bench.press("press_key", key)
        assert await take(bench) == [KeyPressed(key=CallerKey(key))]
    assert line.snapshot()["sequence"] == 2


async def test_an_event_with_number_0_after_a_wrap_is_an_event() -> None:
    bench, line = await open_tampered(CALLER)
    block = reply("03 04 0E 48 44 00 01 00 03 00 00 00 00 00 03 00 01")
    line.instead = lambda data: block if data[1] == 4 else reply("03 03 02 FF FF") if data[1] == 3 else None
    assert [event.body for event in await bench.driver.poll()] == [KeyPressed(key=CallerKey.START)]


async def test_a_driver_opened_anew_can_confirm_what_the_one_before_has_reported() -> None:
    bench, line = await open_tampered(CALLER)
    bench.press("press_key", "start")
    (event,) = await bench.driver.poll()
    bench.transport.unplug()
    with pytest.raises(TransportLost):
        await bench.driver.confirm(event)
    bench.transport.plug()
    await bench.transport.open()
    bench.driver = load_driver(bench.profile, bench.transport, bench.clock)
    await bench.clock.sleep(5)
    await bench.driver.confirm(event)
    assert line.snapshot()["events_held"] == 0


async def test_an_event_that_has_waited_for_hours_is_reported_and_let_go() -> None:
    bench, line = await open_tampered(CALLER)
    bench.press("press_key", "start")
    await bench.driver.status()
    await bench.clock.sleep(9000)
    assert await take(bench) == [KeyPressed(key=CallerKey.START)]
    assert line.snapshot()["events_held"] == 0


async def test_a_line_that_stays_silent_is_told_by_the_status_not_by_the_confirmation() -> None:
    bench, line = await open_tampered(CALLER)
    bench.press("press_key", "start")
    (event,) = await bench.driver.poll()
    line.instead = lambda data: b""
    await bench.driver.confirm(event)
    with pytest.raises(LinkTimeout):
        await bench.driver.status()


async def test_a_cable_pulled_while_polling_is_a_lost_transport() -> None:
    bench, line = await open_tampered(CALLER)
    line.instead = lambda data: b""
    bench.clock.at(bench.clock.monotonic() + 0.1, bench.transport.unplug)
    with pytest.raises(TransportLost):
        await bench.driver.poll()


async def test_a_display_has_no_events_and_takes_no_offence_at_a_confirmation() -> None:
    bench, line = await open_tampered(DISPLAY)
    await bench.driver.confirm(Event("1/1/0.0", KeyPressed(key=CallerKey.START)))
    assert await bench.driver.poll() == []
    assert line.heard == []


class Line:
    """Loses the next confirmations, or only the replies to them."""

    def __init__(self, bench: Bench, line: Tampered) -> None:
        self.bench, self.tampered = bench, line
        self.requests = self.replies = 0
        line.instead, line.change = self._lose_request, self._lose_reply

    def _lose_request(self, data: bytes) -> bytes | None:
        if not self.requests or not data.startswith(bytes.fromhex(SEEN_OF_CALLER)):
            return None
        self.requests -= 1
        return b""

    def _lose_reply(self, data: bytes, answers: Output) -> Output:
        if not self.replies or not data.startswith(bytes.fromhex(SEEN_OF_CALLER)):
            return answers
        self.replies -= 1
        return []


STEPS = st.lists(
    st.one_of(
        st.sampled_from([*CallerKey]),
        st.sampled_from(["poll", "poll", "lose requests", "lose replies", "power_cycle"]),
    ),
    max_size=24,
)


@given(steps=STEPS)
@settings(max_examples=60, deadline=None)
def test_every_press_is_reported_once_whatever_happens_to_the_confirmations(steps: list[str]) -> None:
    pressed, reported = asyncio.run(_a_day_with_a_caller(steps))
    assert reported == pressed


async def _a_day_with_a_caller(steps: list[str]) -> tuple[list[Shape], list[Shape]]:
    """What was pressed and reached the host's attention, and what was reported. A restart forgets what it held."""
    bench, tampered = await open_tampered(CALLER)
    line = Line(bench, tampered)
    pressed: list[Shape] = []
    reported: list[Shape] = []
    for step in steps:
        if isinstance(step, CallerKey):
            bench.press("press_key", step)
            pressed.append(KeyPressed(key=step))
        elif step == "power_cycle":
            await bench.clock.sleep(2)
            bench.press("power_cycle")
            del pressed[len(reported) :]
        elif step == "poll":
            reported += await take(bench)
        else:
            setattr(line, step.removeprefix("lose "), 4)
        await bench.clock.sleep(0.2)
    line.requests = line.replies = 0
    while tampered.snapshot()["events_held"]:
        reported += await take(bench)
    return pressed, reported
