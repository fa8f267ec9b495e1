"""Vendors' line protocols by description: any frame survives the wire; what the driver makes of it."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from device_profiles.capabilities.caller import CallerKey, KeyPressed
from device_profiles.capabilities.evaluator import Rated
from device_profiles.capabilities.model import DeviceState, Shape
from device_profiles.catalog import load_catalog
from device_profiles.schema.line_frame import Frame
from device_profiles.schema.line_template import LineTemplate
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.codecs.line_template import Layout, LineTemplateCodec, Received, Value
from firmware_bridge.errors import LinkTimeout, PeerBrokeProtocol, UnsupportedCommand
from firmware_bridge.registry import load_driver
from firmware_bridge.transports.memory import MemoryTransport, VirtualClock
from simulators.peripherals import build_peer
from simulators.peripherals.line_template import Sentence
from tests.builders.bench import Bench
from tests.builders.tampered import Tampered, once, open_tampered

FRAMES = TypeAdapter(Frame)
SUMS = ("sum8", "sum8_negative", "sum16", "xor8", "crc16_modbus", "crc16_xmodem", "crc16_ccitt_false", "crc16_x25")
ORDERS = st.sampled_from(["big", "little"])
ALPHABETS = {"ascii": "AZaz09~.-", "gb18030": "请到号窗口é😀A1", "utf-8": "请到号窗口é😀A1"}
FILLED = {"ascii": 1, "bcd": 2}

# ------------------------------------------------------------------------------------------------------ any frame


@st.composite
def numbers(draw: st.DrawFn, value: str) -> dict[str, Any]:
    kind = draw(st.sampled_from(["ascii", "bcd", "binary"]))
    return {"kind": kind, "value": value, "width": draw(st.integers(1, 4)), "order": draw(ORDERS)}


@st.composite
def descriptions(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Frames that the rules allow: beginning, numbers, perhaps a length, a text, sums, end."""
    values = draw(st.lists(st.sampled_from(["number", "counter", "prefix", "lit"]), unique=True, max_size=3))
    start = draw(st.binary(min_size=1, max_size=3)).hex()
    body: list[dict[str, Any]] = [{"kind": "constant", "hex": start, "name": "start"}]
    body += [draw(numbers(value)) for value in values]
    charset = draw(st.sampled_from(["ascii", "gb18030", "utf-8"]))
    match draw(st.sampled_from(["none", "fixed", "length", "terminated"])):
        case "fixed":
            body.append({"kind": "text", "value": "text", "charset": charset, "width": draw(st.integers(1, 20))})
        case "length":
            first = draw(st.sampled_from([field.get("name") or field["value"] for field in body]))
            body.append({"kind": "length", "name": "size", "width": draw(st.integers(1, 2)), "span": [first, "text"]})
            body.append({"kind": "text", "value": "text", "charset": charset, "longest": draw(st.integers(1, 40))})
        case "terminated":
            body.append({"kind": "text", "value": "text", "charset": charset, "longest": draw(st.integers(1, 40))})
            body.append(
                {"kind": "constant", "hex": draw(st.sampled_from(["00", "0D0A", "04", "0341"])), "name": "stop"}
            )
    last = body[-1].get("name") or body[-1]["value"]
    for name in draw(st.lists(st.sampled_from(["a", "b"]), unique=True)):
        sum_ = {"kind": "checksum", "name": name, "sum": draw(st.sampled_from(SUMS)), "order": draw(ORDERS)}
        body.append({**sum_, "span": [draw(st.sampled_from(["start", last])), last]})
    return [*body, *draw(st.lists(st.just({"kind": "constant", "hex": "16", "name": "end"}), max_size=1))]


@st.composite
def contents(draw: st.DrawFn, frame: list[dict[str, Any]]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for field in frame:
        if field["kind"] == "text":
            size = field.get("width") or field["longest"]
            text = draw(st.text(ALPHABETS[field["charset"]], max_size=size))
            while len(text.encode(field["charset"])) > size:
                text = text[:-1]
            found[field["value"]] = text
        elif "value" in field:
            digits = FILLED.get(field["kind"], 0) * field["width"]
            found[field["value"]] = draw(st.integers(0, 10**digits - 1 if digits else 256 ** field["width"] - 1))
    return found


def known(raw: list[dict[str, Any]]) -> Frame:
    """The frame, unless the rules refuse it (a length of one byte around a long text, for instance)."""
    try:
        LineTemplate.model_validate({"show": raw})
        return FRAMES.validate_python(raw)
    except ValidationError:
        assume(False)
        raise


@given(data=st.data(), raw=descriptions(), size=st.integers(1, 30))
def test_any_frame_survives_the_wire_in_any_pieces(data: st.DataObject, raw: list[dict[str, Any]], size: int) -> None:
    frame = known(raw)
    values = data.draw(contents(raw))
    sent = Layout(frame).encode(values)
    assert Layout(frame).decode(sent) == (len(sent), values)
    codec = LineTemplateCodec({"show": frame})
    found = []
    for at in range(0, len(sent), size):
        codec.feed(sent[at : at + size])
        while (received := codec.next_reply()) is not None:
            found.append(received)
    assert found == [Received("show", values)]
    assert codec.discarded == 0


@given(data=st.data(), raw=descriptions())
def test_the_beginning_of_a_frame_is_never_a_frame(data: st.DataObject, raw: list[dict[str, Any]]) -> None:
    frame = known(raw)
    sent = Layout(frame).encode(data.draw(contents(raw)))
    for end in range(1, len(sent)):
        assert Layout(frame).decode(sent[:end]) == (0, {})


@given(data=st.data(), raw=descriptions())
def test_the_simulated_board_reads_the_same_description_in_its_own_way(
    data: st.DataObject, raw: list[dict[str, Any]]
) -> None:
    frame = known(raw)
    values = data.draw(contents(raw))
    sent = Layout(frame).encode(values)
    sentence = Sentence(raw)
    assert sentence.say(values) == sent
    assert sentence.hear(sent) == (len(sent), values)


@given(raw=descriptions(), noise=st.binary(max_size=300))
def test_no_bytes_make_the_receiver_fail(raw: list[dict[str, Any]], noise: bytes) -> None:
    codec = LineTemplateCodec({"show": known(raw)})
    codec.feed(noise)
    while codec.next_reply() is not None:
        pass
    codec.reset()
    assert 0 <= codec.discarded <= len(noise)


@pytest.mark.parametrize("field", ["ascii", "bcd", "binary"])
def test_a_number_that_does_not_fit_is_refused(field: str) -> None:
    frame = FRAMES.validate_python([{"kind": field, "value": "number", "width": 2}])
    largest = {"ascii": 99, "bcd": 9999, "binary": 65535}[field]
    assert len(Layout(frame).encode({"number": largest})) == 2
    for wrong in (largest + 1, -1):
        with pytest.raises(ValueError, match=f"number: expected a number from 0 to {largest}"):
            Layout(frame).encode({"number": wrong})


def test_a_text_is_cut_at_a_whole_character_and_control_characters_are_blanks() -> None:
    frame = FRAMES.validate_python([{"kind": "text", "value": "text", "charset": "utf-8", "width": 8}])
    assert Layout(frame).encode({"text": "请到3号"}) == "请到3 ".encode()
    assert Layout(frame).encode({"text": "a\x04b"}) == b"a b     "


# ------------------------------------------------------------------------------------------------------ the driver


async def test_the_example_of_the_sheet_is_what_goes_out() -> None:
    bench, line = await open_tampered("led-board-3a")
    await bench.run("show", ticket="A888", counter=3)
    assert line.heard[-1].hex(" ").upper() == "3A 00 78 03 01 B6 0A"
    assert line.snapshot()["number"] == 888


async def test_a_board_that_cannot_be_asked_is_shown_the_same_again() -> None:
    bench, line = await open_tampered("led-board-3a")
    await bench.run("show", ticket="A012")
    await bench.driver.status()
    assert line.heard[-1] == line.heard[-2]


async def test_a_sign_shows_ticket_and_text_in_one_line() -> None:
    bench, line = await open_tampered("alpha-sign")
    await bench.run("show", ticket="A012", text="counter 3")
    assert line.snapshot()["line"] == "A012 counter 3"
    await bench.run("show", text="请")
    assert line.snapshot()["line"] == "?"


async def test_a_ticket_that_does_not_fit_the_frame_is_refused_and_nothing_is_shown() -> None:
    bench, line = await open_tampered("led-board-3a", options={"show": small_board(), "show_reply": small_board()})
    with pytest.raises(UnsupportedCommand, match="number: expected a number from 0 to 255, got 888"):
        await bench.run("show", ticket="A888")
    assert line.heard == []


async def test_keys_are_reported_in_order_until_they_are_confirmed() -> None:
    bench, _ = await open_tampered("dlt-caller-21")
    for key in CallerKey:
        bench.press("press_key", key)
    first = await bench.driver.poll()
    again = await bench.driver.poll()
    assert [event.body for event in first] == [KeyPressed(key=key) for key in CallerKey]
    assert first == again
    for event in first:
        await bench.driver.confirm(event)
    assert await bench.driver.poll() == []


async def test_a_key_pressed_just_before_a_question_is_not_lost() -> None:
    bench, _ = await open_tampered("dlt-caller-21")
    bench.press("press_key", "start")
    await bench.driver.status()
    (event,) = await bench.driver.poll()
    assert event.body == KeyPressed(key=CallerKey.START)


async def test_a_key_between_question_and_answer_is_not_lost() -> None:
    bench, line = await open_tampered("dlt-caller-21")
    key = bytes.fromhex("FF 68 03 03 68 01 01 04 06 16")
    line.change = lambda data, answers: [(answers[0][0], key), *answers]
    assert (await bench.driver.status()).device is DeviceState.ONLINE
    (event,) = await bench.driver.poll()
    assert event.body == KeyPressed(key=CallerKey.FINISH)


async def test_a_key_that_the_profile_does_not_name_is_told_once() -> None:
    bench, line = await open_tampered("dlt-caller-21")
    line.change = lambda data, answers: [(answers[0][0], bytes.fromhex("FF 68 03 03 68 01 01 15 17 16")), *answers]
    await bench.driver.status()
    with pytest.raises(PeerBrokeProtocol, match="got 21"):
        await bench.driver.poll()
    assert await bench.driver.poll() == []


async def test_another_unit_on_the_line_is_not_listened_to() -> None:
    bench, line = await open_tampered("dlt-caller-21")
    line.instead = lambda data: bytes.fromhex("FF 68 03 03 68 02 82 00 84 16 FF 68 03 03 68 02 01 04 07 16")
    with pytest.raises(LinkTimeout):
        await bench.driver.status()
    assert await bench.driver.poll() == []


# ------------------------------------------------------------------------------------------------------ a pad


PAD: dict[str, Any] = {
    "unit": 7,
    "modes": {"idle": 0, "welcome": 1, "ask_rating": 2, "thanks": 3},
    "keys": {"1": 0x31, "2": 0x32, "3": 0x33, "4": 0x34, "5": 0x35},
    "show": [{"kind": "constant", "hex": "02 53"}, {"kind": "bcd", "value": "mode", "width": 1}],
    "show_reply": [{"kind": "constant", "hex": "06"}],
    "event": [
        {"kind": "constant", "hex": "02 4B", "name": "start"},
        {"kind": "binary", "value": "key", "width": 1},
        {"kind": "ascii", "value": "sequence", "width": 3},
        {"kind": "checksum", "sum": "crc16_xmodem", "span": ["start", "sequence"]},
    ],
    "event_ack": [{"kind": "constant", "hex": "02 41"}, {"kind": "ascii", "value": "sequence", "width": 3}],
}


def small_board() -> list[dict[str, Any]]:
    return [
        {"kind": "constant", "hex": "3A"},
        {"kind": "binary", "value": "number", "width": 1},
        {"kind": "constant", "hex": "0A"},
    ]


async def open_pad() -> tuple[Bench, Tampered]:
    """A pad that no profile of the catalogue has: nothing but data."""
    board = load_catalog().peripheral("led-board-3a")
    changes = {"id": "some-pad", "name": "Some pad", "capability": "evaluator", "options": PAD, "faults": []}
    profile: PeripheralProfile = board.model_copy(update=changes)
    clock, peer = VirtualClock(), build_peer(profile, 1, {})
    line = Tampered(peer)
    transport = MemoryTransport(line, clock)
    await transport.open()
    return Bench(profile, peer, clock, transport, load_driver(profile, transport, clock)), line


async def taken(bench: Bench) -> list[Shape]:
    events = await bench.driver.poll()
    for event in events:
        await bench.driver.confirm(event)
    return [event.body for event in events]


async def test_a_pad_is_data_too() -> None:
    bench, line = await open_pad()
    await bench.run("show", mode="ask_rating", subject="t-17")
    assert line.snapshot()["mode"] == "ask_rating"
    bench.press("touch_grade", 4)
    assert await taken(bench) == [Rated(grade=4, subject="t-17")]
    with pytest.raises(UnsupportedCommand, match="not paused"):
        await bench.run("show", mode="paused")


async def test_a_grade_is_said_again_until_the_host_has_it_safe_and_counts_once() -> None:
    bench, line = await open_pad()
    await bench.run("show", mode="ask_rating", subject="t-17")
    bench.press("touch_grade", 4)
    line.instead = once(lambda data: b"" if data.startswith(b"\x02\x41") else None)
    assert await taken(bench) == [Rated(grade=4, subject="t-17")]
    assert line.snapshot()["events_held"] == 1
    await bench.clock.sleep(2)
    assert await taken(bench) == []
    assert line.snapshot()["events_held"] == 0


async def test_a_pad_that_counts_from_one_again_after_a_restart_is_listened_to() -> None:
    bench, _ = await open_pad()
    bench.press("touch_grade", 4)
    assert await taken(bench) == [Rated(grade=4)]
    bench.press("power_cycle")
    await bench.clock.sleep(60)
    bench.press("touch_grade", 4)
    assert await taken(bench) == [Rated(grade=4)]


@pytest.mark.parametrize(("profile", "ticket"), [("led-board-3a", "012"), ("alpha-sign", "A012")])
async def test_somebody_in_front_of_the_board_reads_the_number(profile: str, ticket: str) -> None:
    bench, line = await open_tampered(profile)
    assert line.snapshot()["ticket"] == ""
    await bench.run("show", ticket="A012", counter=3, text="please")
    assert line.snapshot()["ticket"] == ticket
    await bench.run("show")
    assert line.snapshot()["ticket"] == ""
