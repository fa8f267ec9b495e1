import pytest

from device_profiles.capabilities.barcode_reader import BarcodeReaderStatus, Scanner, ScanOutput
from device_profiles.capabilities.model import Action
from firmware_bridge.codecs.newland_nls import NewlandCodec, encode
from firmware_bridge.codecs.scanned_text import Scanned
from firmware_bridge.errors import DeviceFault, PeerBrokeProtocol
from simulators.peripherals.peer import Output
from tests.builders.bench import Bench, open_bench
from tests.builders.tampered import losing, once, open_tampered

SCANNER = "newland-nls"
CODE = "280000000000000012"
ON, OFF, MODE = (encode(command).hex() for command in ("SCNTRG1", "SCNTRG0", "SCNMOD0"))
UNKNOWN = b"\x02\x010000@QRYSYS\x05;\x03"


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
    assert (identity.model, identity.firmware, identity.serial_number) == ("FM430", "1.01.001", "SIM0001")


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
    assert line.snapshot()["triggered"] is False


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

    def change(sent: bytes, answers: Output) -> Output:
        return [*answers, (answers[-1][0] + 0.1, data)] if sent.hex().startswith(ON) else answers

    line.change = change
    with pytest.raises(DeviceFault, match=told) as fault:
        await scan(bench)
    assert fault.value.code == "barcode_invalid"
    assert CODE[9:] not in str(fault.value)


async def test_a_code_that_was_read_before_anybody_asked_is_not_taken() -> None:
    bench, line = await open_tampered(SCANNER)
    bench.press("show_setup_code")
    bench.press("present_code", "280000000000000099")
    await bench.clock.sleep(1)
    await bench.driver.status()
    await bench.driver.identify()  # back to reading on command
    assert line.snapshot()["mode"] == "0"
    bench.press("present_code", CODE, at=bench.clock.monotonic() + 1)
    assert await scan(bench) == CODE


async def test_a_code_that_overtakes_the_answer_to_the_trigger_is_read() -> None:
    bench, line = await open_tampered(SCANNER)
    line.change = lambda sent, answers: [(answers[0][0] - 0.001, CODE.encode() + b"\r\n"), *answers]
    assert await scan(bench) == CODE


async def test_a_late_answer_to_another_command_is_not_taken_for_this_one() -> None:
    bench, line = await open_tampered(SCANNER)
    stale = b"\x02\x010000@DEVQRY1\x06;\x03"
    line.change = lambda sent, answers: [(answers[0][0] - 0.001, stale), *answers] if b"TRG" in sent else answers
    bench.press("present_code", CODE)
    assert await scan(bench) == CODE
    assert bench.driver.counters()["stale"] >= 1


async def test_a_lost_answer_is_asked_for_again() -> None:
    bench, line = await open_tampered(SCANNER)
    line.change = losing(ON, part=0)
    bench.press("present_code", CODE, at=bench.clock.monotonic() + 1)
    assert await scan(bench) == CODE
    assert line.count(ON) == 2


async def test_another_device_on_the_line_is_told_apart() -> None:
    bench, line = await open_tampered(SCANNER)
    line.instead = lambda data: UNKNOWN
    with pytest.raises(PeerBrokeProtocol, match="Newland"):
        await bench.driver.identify()


async def test_a_scanner_that_refuses_to_read_on_command_is_said_with_the_way_out() -> None:
    bench, line = await open_tampered(SCANNER)
    line.instead = once(lambda data: b"\x02\x010000#SCNMOD0\x05;\x03" if data.hex().startswith(MODE) else None)
    with pytest.raises(DeviceFault, match="set_trigger_mode = false"):
        await bench.driver.identify()


async def test_the_way_of_reading_is_left_alone_when_the_profile_says_so() -> None:
    bench, line = await open_tampered(SCANNER, options={"set_trigger_mode": False})
    await bench.driver.identify()
    assert line.count(MODE) == 0


async def test_a_model_without_the_health_question_is_on_line() -> None:
    bench, line = await open_tampered(SCANNER)
    line.instead = lambda data: b"\x02\x010000@DEVQRY*\x05;\x03"
    assert await scanner_status(bench) is None


async def test_a_dead_imager_is_told() -> None:
    bench, _ = await open_tampered(SCANNER)
    assert await scanner_status(bench) is Scanner.OFF
    bench.press("break_scanner")
    assert await scanner_status(bench) is Scanner.INOPERATIVE


async def test_a_scanner_that_refuses_the_trigger_is_inoperative() -> None:
    bench, line = await open_tampered(SCANNER)
    line.instead = lambda data: b"\x02\x010000#SCNTRG1\x15;\x03" if b"TRG1" in data else None
    with pytest.raises(DeviceFault, match="scanner_inoperative"):
        await scan(bench)


def test_a_payment_code_stands_in_no_representation() -> None:
    codec = NewlandCodec()
    codec.feed(CODE.encode() + b"\r\n")
    reply = codec.next_reply()
    assert reply == Scanned(CODE.encode())
    assert CODE not in repr(reply)


@pytest.mark.parametrize("command", ["", "SCN\x03", "扫", "x" * 513])
def test_what_is_no_command_is_not_sent(command: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        encode(command)
