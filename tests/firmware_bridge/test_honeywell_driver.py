import pytest

from device_profiles.capabilities.barcode_reader import BarcodeReaderStatus, Scanner, ScanOutput
from device_profiles.capabilities.model import Action
from firmware_bridge.codecs.honeywell import HoneywellCodec, MenuAnswer, Verdict, encode_menu
from firmware_bridge.codecs.scanned_text import Scanned
from firmware_bridge.errors import DeviceFault, LinkTimeout, PeerBrokeProtocol
from simulators.peripherals.peer import Output
from tests.builders.bench import Bench, open_bench
from tests.builders.tampered import losing, open_tampered

SCANNER = "honeywell-menu"
CODE = "280000000000000012"
ON, OFF, MODE = "16 54 0D", "16 55 0D", encode_menu("TRGMOD?", for_good=True).hex()


async def scan(bench: Bench, wait_s: float = 10.0, pattern: str = "") -> str:
    output = await bench.run("read", wait_s=wait_s, pattern=pattern)
    assert isinstance(output, ScanOutput)
    return output.text


async def scanner_status(bench: Bench) -> Scanner | None:
    status = await bench.driver.status()
    assert isinstance(status, BarcodeReaderStatus)
    return status.scanner


async def test_the_scanner_says_what_it_is() -> None:
    identity = await (await open_bench(SCANNER)).driver.identify()
    assert (identity.model, identity.firmware, identity.serial_number) == ("Voyager 1602g", "CW000082BBA", "SIM0001")


async def test_a_code_that_is_read_while_the_scanner_says_who_it_is_is_no_part_of_that() -> None:
    bench, line = await open_tampered(SCANNER)
    line.change = lambda sent, answers: [(answers[0][0] - 0.001, CODE.encode() + b"\r\n"), *answers]
    assert CODE not in repr(await bench.driver.identify())


async def test_a_code_held_in_front_is_read_and_the_light_goes_out() -> None:
    bench, line = await open_tampered(SCANNER)
    bench.press("present_code", CODE, at=bench.clock.monotonic() + 2)
    assert await scan(bench, pattern=r"28\d{16}") == CODE
    assert line.snapshot()["triggered"] is False
    assert line.count(OFF) == 1


async def test_the_scanner_is_triggered_again_when_it_stops_by_itself() -> None:
    bench, line = await open_tampered(SCANNER)
    bench.press("present_code", CODE, at=bench.clock.monotonic() + 40)
    assert await scan(bench, wait_s=60) == CODE
    assert line.count(ON) >= 10


async def test_a_citizen_who_shows_nothing_is_no_media() -> None:
    bench, line = await open_tampered(SCANNER)
    with pytest.raises(DeviceFault) as fault:
        await scan(bench, wait_s=12)
    assert (fault.value.code, fault.value.action) == ("no_media", Action.RESET)
    assert line.count(OFF) == 1


@pytest.mark.parametrize(
    ("data", "told"),
    [
        pytest.param(b"x" * 65 + b"\r\n", "at most 64 bytes", id="too long"),
        pytest.param(b"\xff\xfe12\r\n", "utf-8", id="not UTF-8"),
        pytest.param(CODE[:9].encode() + b"\x13" + CODE[9:].encode() + b"\r\n", "damaged", id="damaged"),
    ],
)
async def test_what_cannot_be_a_code_is_refused_without_repeating_it(data: bytes, told: str) -> None:
    bench, line = await open_tampered(SCANNER, options={"longest_code": 64})
    line.instead = lambda sent: data if sent == bytes.fromhex(ON) else None
    with pytest.raises(DeviceFault, match=told) as fault:
        await scan(bench)
    assert fault.value.code == "barcode_invalid"
    assert CODE[9:] not in str(fault.value)


async def test_a_code_that_was_read_before_anybody_asked_is_not_taken() -> None:
    bench, _ = await open_tampered(SCANNER)
    bench.press("show_setup_code")
    bench.press("present_code", "280000000000000099")
    await bench.clock.sleep(1)
    assert await scanner_status(bench) is Scanner.ON
    bench.press("present_code", CODE, at=bench.clock.monotonic() + 1)
    assert await scan(bench) == CODE


async def test_a_late_answer_to_another_command_is_not_taken_for_this_one() -> None:
    bench, line = await open_tampered(SCANNER)
    line.change = lambda sent, answers: [(answers[0][0] - 0.001, b"232BAD9\x15."), *answers]
    before = bench.driver.counters()["stale"]
    assert await scanner_status(bench) is Scanner.OFF
    assert bench.driver.counters()["stale"] == before + 1


async def test_a_lost_answer_is_asked_for_again() -> None:
    bench, line = await open_tampered(SCANNER)
    line.change = losing(MODE, part=0)
    bench.press("present_code", CODE, at=bench.clock.monotonic() + 1)
    assert await scan(bench) == CODE
    assert line.count(MODE) == 2


@pytest.mark.parametrize("answer", [b"REVINF\x05.", b"Hello\r\nREVINF\x06."])
async def test_another_device_on_the_line_is_told_apart(answer: bytes) -> None:
    bench, line = await open_tampered(SCANNER)
    line.instead = lambda data: answer
    with pytest.raises(PeerBrokeProtocol, match="Honeywell"):
        await bench.driver.identify()


async def test_a_model_without_the_mode_setting_is_on_line() -> None:
    bench, line = await open_tampered(SCANNER)
    line.instead = lambda data: b"TRGMOD?\x05."
    assert await scanner_status(bench) is None


async def test_a_scanner_that_does_not_answer_is_a_time_out_and_not_lit() -> None:
    bench, line = await open_tampered(SCANNER)
    line.instead = lambda data: b""
    with pytest.raises(LinkTimeout):
        await scan(bench, wait_s=60)
    assert line.count(ON) == 0


def replies_of(data: bytes) -> list[object]:
    codec = HoneywellCodec()
    codec.feed(data)
    found: list[object] = []
    while (reply := codec.next_reply()) is not None:
        found.append(reply)
    return found


def test_a_code_that_runs_into_an_answer_is_neither() -> None:
    (answer, code) = replies_of(b"2800" + b"\x13" + b"TRGMOD0\x06.A012\r\n")
    assert answer == MenuAnswer("TRGMOD0", Verdict.DONE)
    assert code == Scanned(b"A012")


def test_a_payment_code_stands_in_no_representation() -> None:
    (reply,) = replies_of(CODE.encode() + b"\r\n")
    assert CODE not in repr(reply)


async def test_the_trigger_goes_off_when_the_answer_came_at_once() -> None:
    bench, line = await open_tampered(SCANNER)

    def change(sent: bytes, answers: Output) -> Output:
        return [*answers, (bench.clock.monotonic(), CODE.encode() + b"\r\n")] if sent == bytes.fromhex(ON) else answers

    line.change = change
    assert await scan(bench) == CODE
    assert line.count(OFF) == 1
