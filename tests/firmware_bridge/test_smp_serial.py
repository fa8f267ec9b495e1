"""Messages of SMP on a serial line; the ``smp`` package, which we did not write, is the oracle of console framing."""

import pytest
from cobs import cobs  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from smp import packet

from firmware_bridge.framing.checksums import crc16_xmodem
from firmware_bridge.framing.smp_serial import CobsFrames, ConsoleFrames, encode_cobs, encode_console

Frames = ConsoleFrames | CobsFrames
LOG = st.text(st.characters(codec="ascii", exclude_characters="\x00\x04\x06"), max_size=40).map(str.encode)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    body = draw(st.binary(max_size=600))
    return b"\x0a\x00" + len(body).to_bytes(2) + b"\x00\x40\x07\x01" + body


def received(frames: Frames, *chunks: bytes) -> list[bytes]:
    found = []
    for chunk in chunks:
        frames.feed(chunk)
        while (message := frames.next()) is not None:
            found.append(message)
    return found


@given(message=st.binary(max_size=1000), line_length=st.sampled_from([8, 32, 127, 512]))
def test_the_smp_package_makes_the_same_lines_and_reads_ours(message: bytes, line_length: int) -> None:
    lines = encode_console(message, line_length)
    assert lines == b"".join(packet.encode(message, line_length))
    *more, last = lines.splitlines(keepends=True)
    reader = packet.decode()
    next(reader)
    for line in more:
        reader.send(line)
    with pytest.raises(StopIteration) as end:
        reader.send(last)
    assert end.value.value == message
    assert received(ConsoleFrames(), lines) == [message]


@given(message=messages(), before=LOG, between=LOG, behind=LOG, size=st.integers(1, 200))
def test_a_log_on_the_same_uart_is_skipped(
    message: bytes, before: bytes, between: bytes, behind: bytes, size: int
) -> None:
    lines = encode_console(message).splitlines(keepends=True)
    stream = before + (between + b"\r\n").join(lines) + behind
    frames = ConsoleFrames()
    assert received(frames, *(stream[at : at + size] for at in range(0, len(stream), size))) == [message]
    frames.reset()
    assert frames.discarded == len(stream) - sum(map(len, lines))


def test_lines_that_end_with_carriage_return_and_line_feed_are_understood() -> None:
    lines = encode_console(bytes(300)).replace(b"\n", b"\r\n")
    assert received(ConsoleFrames(), lines) == [bytes(300)]


def test_a_message_that_starts_anew_replaces_the_half_one() -> None:
    first, second = encode_console(b"first" * 40), encode_console(b"second")
    half = first[: first.index(b"\n") + 1]
    frames = ConsoleFrames()
    assert received(frames, half + second) == [b"second"]
    assert frames.discarded == len(half)


@pytest.mark.parametrize("spoiled", ["length", "checksum", "base64", "too much"])
def test_a_console_message_that_does_not_add_up_is_dropped(spoiled: str) -> None:
    good = encode_console(b"\x0a\x00\x00\x01\x00\x00\x01\x05\xa0")
    bad = {
        "length": b"\x06\x09//8KAAABAAABBaA=\n",
        "checksum": good[:-4] + b"AA==\n"[-4:],
        "base64": good[:3] + b"=" + good[4:],
        "too much": good[:-1] + b"AAAA\n",
    }[spoiled]
    frames = ConsoleFrames()
    assert received(frames, bad + good) == [b"\x0a\x00\x00\x01\x00\x00\x01\x05\xa0"]
    assert frames.discarded == len(bad)


def test_a_message_longer_than_agreed_is_dropped_before_it_is_held() -> None:
    frames = ConsoleFrames(longest=100)
    assert received(frames, encode_console(bytes(101)) + encode_console(bytes(100))) == [bytes(100)]


@pytest.mark.parametrize("size", [7, 0, -3])
def test_a_line_too_short_for_anything_is_an_error(size: int) -> None:
    with pytest.raises(ValueError, match="line_length"):
        encode_console(b"x", size)


def test_the_published_cobs_frame() -> None:
    assert encode_cobs(bytes.fromhex("0A00000100010005")).hex(" ").upper() == "02 0A 01 02 01 02 01 04 05 5C B8 00"


@given(before=st.binary(max_size=60), message=messages(), size=st.integers(1, 200))
def test_a_cobs_message_is_found_behind_anything(before: bytes, message: bytes, size: int) -> None:
    stream = before + encode_cobs(message)
    chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert received(CobsFrames(), *chunks)[-1:] == [message]


def test_a_full_block_that_ends_with_01_as_mcuboot_writes_it_is_the_same_message() -> None:
    bodies = (bytes((n,)) * 498 for n in range(1, 256))  # with header and checksum two full blocks without a 00
    message, packed = next((message, packed) for message, packed in map(_packed, bodies) if 0 not in packed)
    ours = cobs.encode(packed)
    assert len(ours) == 2 * 255
    assert received(CobsFrames(), ours + b"\x00") == [message]
    assert received(CobsFrames(), ours + b"\x01\x00") == [message]


def _packed(body: bytes) -> tuple[bytes, bytes]:
    message = b"\x0a\x01" + len(body).to_bytes(2) + b"\x01\x40\x07\x01" + body
    return message, message + crc16_xmodem(message).to_bytes(2)


@given(noise=st.lists(st.binary(max_size=300), max_size=20))
def test_noise_is_counted_and_never_kept(noise: list[bytes]) -> None:
    for frames in (ConsoleFrames(longest=64), CobsFrames(longest=64)):
        found = received(frames, *noise)
        frames.reset()
        assert found == []
        assert frames.discarded == sum(map(len, noise))
