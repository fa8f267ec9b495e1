"""The cut of pictures out of a stream, against pictures that Pillow made."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from firmware_bridge.codecs.camera import CameraCodec, Note, Picture, encode_note, is_picture
from simulators.peripherals.camera import GREY_PATCH


def made(width: int, height: int, seed: int, **save: object) -> bytes:
    image = Image.effect_noise((width, height), 20 + seed % 80).convert("RGB")
    out = io.BytesIO()
    image.save(out, "JPEG", **save)
    return out.getvalue()


@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    seed=st.integers(0, 1000),
    progressive=st.booleans(),
    restarts=st.integers(0, 3),
    comment=st.binary(max_size=40),
)
@settings(max_examples=40, deadline=None)
def test_a_picture_of_pillow_is_cut_out_whole(
    width: int, height: int, seed: int, progressive: bool, restarts: int, comment: bytes
) -> None:
    data = made(
        width, height, seed, quality=60, progressive=progressive, restart_marker_blocks=restarts, comment=comment
    )
    codec = CameraCodec()
    codec.feed(encode_note("picture", 7) + data + encode_note("ready", 8, "cam"))
    assert codec.next_reply() == Note("picture", 7, "")
    assert codec.next_reply() == Picture(data, width, height)
    assert codec.next_reply() == Note("ready", 8, "cam")
    assert codec.discarded == 0


def test_pillow_opens_the_picture_of_the_simulator() -> None:
    with Image.open(io.BytesIO(GREY_PATCH)) as image:
        image.load()
        assert image.size == (16, 8)


def test_a_picture_that_was_cut_does_not_swallow_the_one_behind() -> None:
    first, second = made(64, 64, 1, quality=80), made(32, 32, 2, quality=80)
    for kept in range(2, len(first), 97):
        codec = CameraCodec()
        codec.feed(first[:kept] + encode_note("picture", 9) + second)
        seen = [codec.next_reply(), codec.next_reply()]
        assert seen == [Note("picture", 9, ""), Picture(second, 32, 32)], f"cut after {kept}"


@pytest.mark.parametrize(
    "data",
    [b"", GREY_PATCH[:-1], GREY_PATCH + b"\0", GREY_PATCH[:2] + GREY_PATCH[-2:], b"\xff\xd8\xff\xda\x00\x02\xff\xd9"],
)
def test_what_is_not_one_whole_picture_is_none(data: bytes) -> None:
    assert not is_picture(data)
    assert is_picture(GREY_PATCH)


def test_a_note_is_printable_and_short() -> None:
    note = encode_note("blind", 1, "電\n" + "x" * 200)
    assert note.startswith(b"#blind 01 ??xxx")
    assert len(note) < 120
