import pytest

from device_profiles.capabilities.barcode_reader import BarcodeReaderStatus, Scanner, ScanOutput
from device_profiles.capabilities.model import Action
from firmware_bridge.codecs.gm65 import Gm65Codec
from firmware_bridge.codecs.scanned_text import Scanned
from firmware_bridge.errors import DeviceFault, UnsupportedCommand
from simulators.peripherals.peer import Output
from tests.builders.bench import Bench, open_bench
from tests.builders.tampered import Tampered, open_tampered

SCANNER = "grow-gm65"
CODE = "280000000000000012"
ON, OFF = "7E 00 08 01 00 02 01", "7E 00 08 01 00 02 00"


async def scan(bench: Bench, wait_s: float = 10.0, pattern: str = "") -> str:
    output = await bench.run("read", wait_s=wait_s, pattern=pattern)
    assert isinstance(output, ScanOutput)
    return output.text


def decoded(line: Tampered, data: bytes) -> None:
    """The scanner reads this as soon as it is triggered."""

    def change(sent: bytes, answers: Output) -> Output:
        return [*answers, (answers[-1][0] + 0.1, data)] if sent.startswith(bytes.fromhex(ON)) else answers

    line.change = change


async def test_the_scanner_says_what_it_is() -> None:
    assert (await (await open_bench(SCANNER)).driver.identify()).model == "GM65 family 02"


async def test_the_scanner_is_off_at_rest() -> None:
    bench, _ = await open_tampered(SCANNER)
    status = await bench.driver.status()
    assert isinstance(status, BarcodeReaderStatus)
    assert status.scanner is Scanner.OFF


async def test_a_code_held_in_front_is_read_and_the_light_goes_out() -> None:
    bench, line = await open_tampered(SCANNER)
    bench.press("present_code", CODE, at=bench.clock.monotonic() + 2)
    assert await scan(bench, pattern=r"28\d{16}") == CODE
    assert line.snapshot()["triggered"] is False
    assert line.count(OFF) == 1


async def test_the_scanner_is_triggered_again_when_it_stops_by_itself() -> None:
    bench, _ = await open_tampered(SCANNER)
    bench.press("present_code", CODE, at=bench.clock.monotonic() + 40)
    assert await scan(bench, wait_s=60) == CODE


async def test_a_citizen_who_shows_nothing_is_no_media_and_the_light_goes_out() -> None:
    bench, line = await open_tampered(SCANNER)
    started = bench.clock.monotonic()
    with pytest.raises(DeviceFault) as fault:
        await scan(bench, wait_s=12)
    assert (fault.value.code, fault.value.action) == ("no_media", Action.RESET)
    assert 12 <= bench.clock.monotonic() - started < 13
    assert line.snapshot()["triggered"] is False


async def test_a_code_of_another_kind_is_refused_without_repeating_it() -> None:
    bench, _ = await open_tampered(SCANNER)
    bench.press("present_code", CODE + "99")
    with pytest.raises(DeviceFault) as fault:
        await scan(bench, pattern=r"28\d{16}")
    assert fault.value.code == "barcode_invalid"
    assert CODE not in str(fault.value)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        pytest.param(b"x" * 65 + b"\r\n", "at most 64 bytes", id="too long"),
        pytest.param(b"x" * 5000 + b"\r\n", "at most 64 bytes", id="far too long"),
        pytest.param(b"\xff\xfe12\r\n", "utf-8", id="not UTF-8"),
        pytest.param("A\u202e12\r\n".encode(), "printable", id="turns the reading direction"),
    ],
)
async def test_what_cannot_be_a_code_is_refused(data: bytes, told: str) -> None:
    bench, line = await open_tampered(SCANNER, options={"longest_code": 64})
    decoded(line, data)
    with pytest.raises(DeviceFault, match=told) as fault:
        await scan(bench)
    assert fault.value.code == "barcode_invalid"


async def test_the_charset_is_an_option() -> None:
    bench, line = await open_tampered(SCANNER, options={"charset": "gb18030"})
    decoded(line, "办事".encode("gb18030") + b"\r\n")
    assert await scan(bench) == "办事"


async def test_a_code_that_was_read_before_anybody_asked_is_not_taken() -> None:
    bench, line = await open_tampered(SCANNER)
    line.change = lambda sent, answers: [(0.0, b"280000000000000099\r\n"), *answers]
    await bench.driver.status()
    line.change = None
    bench.press("present_code", CODE, at=bench.clock.monotonic() + 1)
    assert await scan(bench) == CODE


async def test_a_code_that_overtakes_the_answer_to_the_trigger_is_read() -> None:
    bench, line = await open_tampered(SCANNER)

    def change(sent: bytes, answers: Output) -> Output:
        return [(answers[0][0] - 0.001, CODE.encode() + b"\r\n"), *answers]

    line.change = change
    assert await scan(bench) == CODE


async def test_a_code_whose_first_half_comes_just_before_a_new_trigger_is_read_whole() -> None:
    bench, line = await open_tampered(SCANNER, options={"read_time_s": 3.0})
    triggers: list[float] = []

    def change(sent: bytes, answers: Output) -> Output:
        if not sent.startswith(bytes.fromhex(ON)):
            return answers
        triggers.append(bench.clock.monotonic())
        if len(triggers) == 1:
            return [*answers, (triggers[0] + 2.99, CODE[:9].encode())]
        return [(triggers[1] + 0.1, CODE[9:].encode() + b"\r\n"), *((at + 0.2, data) for at, data in answers)]

    line.change = change
    assert await scan(bench) == CODE
    assert line.count(ON) == 2


async def test_a_scanner_that_refuses_the_trigger_is_inoperative() -> None:
    bench, line = await open_tampered(SCANNER)
    line.instead = lambda data: bytes.fromhex("02 00 01 01 00 04 01")
    with pytest.raises(DeviceFault) as fault:
        await scan(bench)
    assert (fault.value.code, fault.value.action) == ("scanner_inoperative", Action.MAINTENANCE)


async def test_a_pattern_that_is_no_regular_expression_is_refused_before_the_light_goes_on() -> None:
    bench, line = await open_tampered(SCANNER)
    with pytest.raises(UnsupportedCommand, match="regular expression"):
        await scan(bench, pattern="(")
    assert line.heard == []


@pytest.mark.parametrize("check_crc", [True, False])
async def test_commands_carry_a_crc_or_say_that_there_is_none(check_crc: bool) -> None:
    bench, line = await open_tampered(SCANNER, options={"check_crc": check_crc})
    await bench.driver.status()
    assert (line.heard[-1][-2:] == b"\xab\xcd") is not check_crc


def test_an_overlong_text_is_reported_at_its_end_and_the_next_is_whole() -> None:
    codec = Gm65Codec(longest_text=8)
    found: list[object] = []
    for part in (b"123456789", b"0123456789", b"01\r", b"\nA012\r\n"):
        codec.feed(part)
        while (reply := codec.next_reply()) is not None:
            found.append(reply)
    assert found == [Scanned(b"", whole=False), Scanned(b"A012")]


def test_an_overlong_text_that_ends_right_at_the_cut_is_reported_too() -> None:
    codec = Gm65Codec(longest_text=8)
    codec.feed(b"123456789")
    assert codec.next_reply() is None
    codec.feed(b"\r\nA012\r\n")
    assert codec.next_reply() == Scanned(b"", whole=False)
    assert codec.next_reply() == Scanned(b"A012")


@pytest.mark.parametrize(
    "between",
    [
        pytest.param("02 00 00 01 00 33 31", id="an answer"),
        pytest.param("13", id="noise"),
        pytest.param("0A", id="half an end"),
    ],
)
def test_the_rest_of_a_damaged_code_does_not_pass_for_a_code(between: str) -> None:
    codec = Gm65Codec()
    codec.feed(CODE[:9].encode() + bytes.fromhex(between) + CODE[9:].encode() + b"\r\nA012\r\n")
    found: list[object] = []
    while (reply := codec.next_reply()) is not None:
        found.append(reply)
    assert found[-2:] == [Scanned(b"", whole=False), Scanned(b"A012")]


def test_a_payment_code_stands_in_no_representation() -> None:
    assert CODE not in repr(Scanned(CODE.encode()))
