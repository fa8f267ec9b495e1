import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs import sam_v
from firmware_bridge.codecs.sam_v import SamCodec, SamReply
from firmware_bridge.errors import FrameError
from firmware_bridge.framing.checksums import xor8

REQUESTS = [sam_v.STATUS, sam_v.SAM_ID, sam_v.FIND, sam_v.SELECT, sam_v.READ, sam_v.READ_APPENDED]


def frame(reply: SamReply) -> bytes:
    body = (len(reply.data) + 4).to_bytes(2) + bytes((reply.sw1, reply.sw2, reply.sw3)) + reply.data
    return sam_v.PREAMBLE + body + bytes((xor8(body),))


octet = st.integers(0, 255)
replies = st.builds(SamReply, octet, octet, octet, st.binary(max_size=2310))


@given(st.lists(replies, min_size=1, max_size=4))
def test_what_a_module_sends_comes_out_as_it_was(sent: list[SamReply]) -> None:
    codec = SamCodec()
    codec.feed(b"".join(map(frame, sent)))
    assert [codec.next_reply() for _ in sent] == sent
    assert codec.next_reply() is None
    assert codec.discarded == 0


@given(replies, st.integers(5, 2320), st.integers(1, 255))
def test_a_changed_byte_never_makes_another_reply(reply: SamReply, at: int, change: int) -> None:
    data = bytearray(frame(SamReply(reply.sw1, reply.sw2, reply.sw3, reply.data.replace(b"\xaa", b"\xab"))))
    data[5 + at % (len(data) - 5)] ^= change
    codec = SamCodec()
    codec.feed(bytes(data))
    assert codec.next_reply() is None


@pytest.mark.parametrize("length", [0, 3, 4096 - 6, 0xFFFF])
def test_a_frame_behind_an_impossible_length_is_found(length: int) -> None:
    codec = SamCodec()
    found = SamReply(0, 0, 0x80)
    codec.feed(sam_v.PREAMBLE + length.to_bytes(2) + frame(found))
    assert codec.next_reply() == found


def test_an_answer_is_taken_only_by_the_command_that_it_can_belong_to() -> None:
    answers = {
        "no card": SamReply(0, 0, 0x80),
        "found": SamReply(0, 0, 0x9F, bytes(4)),
        "selected": SamReply(0, 0, 0x90, bytes(8)),
        "read": SamReply(0, 0, 0x90, bytes(4 + 256 + 1024)),
        "status": SamReply(0, 0, 0x90),
        "not authorised": SamReply(0, 0, 0x66),
    }
    takes = {
        name: [request for request in REQUESTS if request.is_answered_by(reply)] for name, reply in answers.items()
    }
    assert takes == {
        "no card": [sam_v.FIND],
        "found": [sam_v.FIND],
        "selected": [sam_v.SELECT],
        "read": [sam_v.READ],
        "status": [sam_v.STATUS],
        "not authorised": REQUESTS,
    }


def test_the_number_of_a_module_is_shown_as_it_is_printed() -> None:
    data = bytes.fromhex("0500 0300 C5263501 40E20100 15CD5B07")
    assert sam_v.sam_id_text(data) == "05.03-20260549-000123456-123456789"
    with pytest.raises(FrameError, match="16"):
        sam_v.sam_id_text(data[:-1])


def test_an_impossible_speed_is_refused() -> None:
    with pytest.raises(FrameError, match="115200"):
        sam_v.set_baud(12345)


@pytest.mark.parametrize("fingerprints", [0, 512, 1024])
def test_text_and_fingerprints_are_taken_out_of_an_answer_with_both(fingerprints: int) -> None:
    text = bytes(range(256))
    head = (256).to_bytes(2) + (1024).to_bytes(2) + fingerprints.to_bytes(2)
    features = b"F" * fingerprints
    assert sam_v.card_data(head + text + bytes(1024) + features, fingerprints=True) == sam_v.CardData(text, features)


def test_an_answer_without_fingerprints_has_text_only_and_shows_none_of_it() -> None:
    found = sam_v.card_data(bytes.fromhex("01000400") + b"T" * 256 + bytes(1024))
    assert found == sam_v.CardData(b"T" * 256)
    assert "T" * 4 not in repr(found)


@given(st.binary(max_size=2000), st.booleans())
def test_a_read_answer_of_another_shape_is_a_frame_error(data: bytes, fingerprints: bool) -> None:
    if data[:4] == bytes.fromhex("01000400"):
        return
    with pytest.raises(FrameError):
        sam_v.card_data(data, fingerprints=fingerprints)
