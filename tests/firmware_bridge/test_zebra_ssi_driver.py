import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.capabilities.barcode_reader import BarcodeReaderStatus, Scanner, ScanOutput
from device_profiles.capabilities.model import Action
from firmware_bridge.codecs.scanned_text import Scanned
from firmware_bridge.codecs.zebra_ssi import CodeInParts, Opcode, Packet, SsiCodec
from firmware_bridge.errors import DeviceFault, LinkTimeout, PeerBrokeProtocol
from simulators.peripherals.peer import Output
from simulators.peripherals.zebra_ssi import packet
from tests.builders.bench import Bench, open_bench
from tests.builders.tampered import losing, once, open_tampered

SCANNER = "zebra-ssi"
CODE = "280000000000000012"
LONG = "https://hall.example/" + "0123456789" * 70
START, STOP, FLUSH, ACK = "04 E4 04", "04 E5 04", "04 D2 04", "04 D0 04 00"
DAMAGED = packet(Opcode.NAK, b"\x01")


async def scan(bench: Bench, wait_s: float = 10.0, pattern: str = "") -> str:
    output = await bench.run("read", wait_s=wait_s, pattern=pattern)
    assert isinstance(output, ScanOutput)
    return output.text


async def test_the_scanner_says_what_it_is() -> None:
    identity = await (await open_bench(SCANNER)).driver.identify()
    assert (identity.model, identity.firmware) == ("SSI engine 004", "NBRAAB")


@pytest.mark.parametrize("text", [CODE, LONG, LONG[:250], LONG[:251], LONG[:252]], ids=len)
async def test_a_code_is_read_and_every_packet_acknowledged(text: str) -> None:
    bench, line = await open_tampered(SCANNER)
    bench.press("present_code", text, at=bench.clock.monotonic() + 2)
    assert await scan(bench) == text
    assert line.snapshot()["waiting_packets"] == 0
    assert line.count(ACK) == 1 + len(text) // 251
    assert line.snapshot()["triggered"] is False
    assert line.count(STOP) == 1


async def test_the_session_is_started_again_while_nobody_shows_anything() -> None:
    bench, line = await open_tampered(SCANNER)
    bench.press("present_code", CODE, at=bench.clock.monotonic() + 40)
    assert await scan(bench, wait_s=60) == CODE
    assert line.count(START) >= 10


async def test_a_citizen_who_shows_nothing_is_no_media() -> None:
    bench, line = await open_tampered(SCANNER)
    with pytest.raises(DeviceFault) as fault:
        await scan(bench, wait_s=12)
    assert (fault.value.code, fault.value.action) == ("no_media", Action.RESET)
    assert line.snapshot()["triggered"] is False


@pytest.mark.parametrize("pieces", [0, 1, 2])
async def test_a_packet_whose_ack_was_lost_counts_once(pieces: int) -> None:
    bench, line = await open_tampered(SCANNER)
    bench.press("present_code", LONG, at=bench.clock.monotonic() + 1)
    heard = itertools.count()

    def instead(data: bytes) -> bytes | None:
        """The ACK does not arrive at the scanner."""
        return b"" if data.startswith(bytes.fromhex(ACK)) and next(heard) == pieces else None

    line.instead = instead
    # Only the ACK to the last packet does not hold the code up: the session is stopped and the next read flushes.
    assert await scan(bench, wait_s=20) == LONG


async def test_a_damaged_packet_is_not_acknowledged_and_comes_again() -> None:
    bench, line = await open_tampered(SCANNER)
    bench.press("present_code", CODE)
    spoiled: list[bytes] = []

    def advance(output: Output) -> Output:
        if output and not spoiled and output[0][1][1] == Opcode.DECODED:
            spoiled.append(output[0][1])
            return [(output[0][0], output[0][1][:-1] + b"\x00")]
        return output

    original = line.peer.advance
    line.peer.advance = lambda now: advance(original(now))  # type: ignore[method-assign]
    line.change = lambda data, answers: advance(answers)
    assert await scan(bench) == CODE
    assert spoiled


async def test_a_command_that_the_scanner_calls_damaged_is_sent_again_and_marked() -> None:
    bench, line = await open_tampered(SCANNER)
    line.instead = once(lambda data: DAMAGED if data.startswith(bytes.fromhex(START)) else None)
    bench.press("present_code", CODE)
    assert await scan(bench) == CODE
    assert [data[3] for data in line.heard if data.startswith(bytes.fromhex(START))][:2] == [0, 1]


async def test_a_lost_answer_is_asked_for_again() -> None:
    bench, line = await open_tampered(SCANNER)
    line.change = losing(FLUSH, part=0)
    bench.press("present_code", CODE)
    assert await scan(bench) == CODE
    assert line.count(FLUSH) == 2
    assert bench.driver.counters()["retries"] == 1


async def test_a_scanner_that_calls_everything_damaged_is_a_time_out() -> None:
    bench, line = await open_tampered(SCANNER)
    line.instead = lambda data: DAMAGED
    with pytest.raises(LinkTimeout, match="3 tries"):
        await bench.driver.status()
    assert len(line.heard) == 3


async def test_a_code_that_was_read_before_anybody_asked_is_not_taken() -> None:
    bench, _ = await open_tampered(SCANNER)
    bench.press("present_code", "280000000000000099")
    bench.press("pull_trigger")
    await bench.clock.sleep(3)
    await bench.driver.status()
    bench.press("present_code", CODE, at=bench.clock.monotonic() + 1)
    assert await scan(bench) == CODE


async def test_a_code_that_overtakes_the_answer_to_the_session_is_read() -> None:
    bench, line = await open_tampered(SCANNER)

    def change(sent: bytes, answers: Output) -> Output:
        if not sent.startswith(bytes.fromhex(START)):
            return answers
        return [(answers[0][0] - 0.001, packet(Opcode.DECODED, b"\x03" + CODE.encode())), *answers]

    line.change = change
    assert await scan(bench) == CODE


async def test_a_suffix_that_the_scanner_adds_is_no_part_of_the_code() -> None:
    bench, line = await open_tampered(SCANNER)
    decoded = packet(Opcode.DECODED, b"\x03" + CODE.encode() + b"\r\n")
    line.change = lambda sent, answers: [*answers, (answers[-1][0], decoded)] if sent[1] == 0xE4 else answers
    assert await scan(bench) == CODE


@pytest.mark.parametrize("data", [b"\x1bA012", b"A\x00", b"\xff\xfe"])
async def test_what_is_no_printable_text_is_refused(data: bytes) -> None:
    bench, line = await open_tampered(SCANNER)
    decoded = packet(Opcode.DECODED, b"\x03" + data)
    line.change = lambda sent, answers: [*answers, (answers[-1][0], decoded)] if sent[1] == 0xE4 else answers
    with pytest.raises(DeviceFault, match="barcode_invalid"):
        await scan(bench)


async def test_a_code_that_is_longer_than_allowed_is_refused_without_repeating_it() -> None:
    bench, _ = await open_tampered(SCANNER, options={"longest_code": 300})
    bench.press("present_code", LONG)
    with pytest.raises(DeviceFault, match="at most 300 bytes") as fault:
        await scan(bench)
    assert LONG[:30] not in str(fault.value)


async def test_another_device_on_the_line_is_told_apart() -> None:
    bench, line = await open_tampered(SCANNER)
    line.instead = lambda data: packet(Opcode.NAK, b"\x02")
    with pytest.raises(PeerBrokeProtocol, match="SSI"):
        await bench.driver.identify()


async def test_a_dead_scanner_is_inoperative() -> None:
    bench, _ = await open_tampered(SCANNER)
    bench.press("break_scanner")
    status = await bench.driver.status()
    assert isinstance(status, BarcodeReaderStatus)
    assert status.scanner is Scanner.INOPERATIVE
    with pytest.raises(DeviceFault, match="scanner_inoperative"):
        await scan(bench)


async def test_a_sleeping_scanner_is_woken_when_the_profile_says_so() -> None:
    options, device = {"wake_after_s": 1.0}, {"sleeps_after_s": 1}
    bench = await open_bench(SCANNER, options=options, device=device)
    await bench.driver.identify()
    await bench.clock.sleep(5)
    await bench.driver.status()
    assert bench.driver.counters()["retries"] == 0


async def test_packets_can_be_demanded_at_the_start() -> None:
    bench, line = await open_tampered(SCANNER, options={"set_packeted": True})
    await bench.driver.identify()
    assert line.count("07 C6 04 00 FF EE 01") == 1


async def test_a_cancelled_read_stops_the_session() -> None:
    bench, line = await open_tampered(SCANNER)
    reading = asyncio.create_task(scan(bench, wait_s=60))
    bench.clock.at(bench.clock.monotonic() + 5, reading.cancel)
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert line.snapshot()["triggered"] is False


parts = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=8)


@given(parts, st.data())
def test_a_code_in_parts_is_whole_however_often_its_packets_come(texts: list[bytes], data: st.DataObject) -> None:
    code = CodeInParts()
    found: list[Scanned] = []
    for number, text in enumerate(texts):
        content = text if number else b"\x1c" + text
        more = 2 if number < len(texts) - 1 else 0
        for again in range(data.draw(st.integers(1, 3)) if more else 1):
            if (scanned := code.add(Packet(Opcode.DECODED, more | bool(again), content))) is not None:
                found.append(scanned)
    assert found == [Scanned(b"".join(texts).rstrip(b"\r\n"))]


def test_a_payment_code_stands_in_no_representation() -> None:
    codec = SsiCodec()
    codec.feed(packet(Opcode.DECODED, b"\x03" + CODE.encode()))
    assert CODE not in repr(codec.next_reply())
