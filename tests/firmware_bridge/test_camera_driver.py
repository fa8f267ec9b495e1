import base64
import logging

import pytest

from device_profiles.capabilities.camera import CameraStatus, LivenessOutput, PictureOutput
from firmware_bridge.codecs.camera import Picture, is_picture
from firmware_bridge.errors import DeviceFault, LinkTimeout, TransportLost
from simulators.faults import FaultyPeer, LineFault
from tests.builders.bench import Bench, open_bench
from tests.builders.tampered import open_tampered

CAMERA, FOLDER = "usb-camera", "picture-folder"


async def take(bench: Bench, **args: object) -> bytes:
    output = await bench.run("take_picture", **args)
    assert isinstance(output, PictureOutput)
    assert (output.width, output.height) == (16, 8)
    return base64.b64decode(output.image)


async def judged(bench: Bench) -> LivenessOutput:
    output = await bench.run("check_liveness")
    assert isinstance(output, LivenessOutput)
    return output


async def test_a_picture_is_one_whole_jpeg() -> None:
    bench = await open_bench(CAMERA)
    assert (await bench.driver.identify()).model == "Simulated camera"
    picture = await take(bench)
    assert is_picture(picture)
    assert bench.driver.counters()["picture_bytes_last"] == len(picture) == 2000


async def test_every_picture_is_a_new_one() -> None:
    bench = await open_bench(CAMERA)
    assert await take(bench) != await take(bench)


async def test_no_picture_is_taken_unasked() -> None:
    bench = await open_bench(CAMERA)
    await bench.driver.identify()
    for _ in range(3):
        await bench.driver.status()
    assert bench.peer.snapshot()["taken"] == 0


async def test_a_picture_that_a_message_cannot_carry_is_refused_with_words() -> None:
    bench = await open_bench(CAMERA)
    bench.press("set_picture_bytes", count=41_000)
    with pytest.raises(DeviceFault, match=r"at most 40000 bytes, this \(16 by 8\) has 41000"):
        await take(bench)
    assert len(await take(bench, longest=46_000)) == 41_000


async def test_a_frame_beyond_the_bound_is_passed_over() -> None:
    bench = await open_bench(CAMERA, options={"longest_frame": 50_000})
    bench.press("set_picture_bytes", count=400_000)
    with pytest.raises(LinkTimeout):
        await take(bench)
    assert bench.driver.counters()["discarded_bytes"] > 300_000
    bench.press("set_picture_bytes", count=3_000)
    assert len(await take(bench)) == 3_000


async def test_a_blind_camera_says_so() -> None:
    bench = await open_bench(CAMERA)
    bench.press("go_blind")
    status = await bench.driver.status()
    assert isinstance(status, CameraStatus)
    assert status.lens == "inoperative"
    with pytest.raises(DeviceFault, match="camera_inoperative: expected a picture, got: no frames come"):
        await take(bench)


async def test_a_late_picture_is_not_taken_for_the_next() -> None:
    """It shows the person who stood there before."""
    bench = await open_bench(CAMERA, wrap=lambda peer: FaultyPeer(peer, 1, LineFault("delay", delay_s=1.0, count=1)))
    with pytest.raises(LinkTimeout):
        await take(bench, wait_s=1.1)
    assert b"000002" in await take(bench)
    assert bench.driver.counters()["stale"] >= 1


async def test_a_picture_that_was_cut_does_not_swallow_the_next() -> None:
    bench, line = await open_tampered(CAMERA)
    line.change = lambda data, answers: [(at, answer[: len(answer) // 2]) for at, answer in answers]
    with pytest.raises(LinkTimeout):
        await take(bench, wait_s=1)
    line.change = None
    assert is_picture(await take(bench))


async def test_the_wait_for_a_picture_ends_in_time() -> None:
    bench = await open_bench(CAMERA, wrap=lambda peer: FaultyPeer(peer, 1, LineFault("mute")))
    with pytest.raises(LinkTimeout):
        await take(bench, wait_s=7)
    assert bench.clock.monotonic() == pytest.approx(7, abs=0.2)


async def test_a_cable_pulled_while_the_picture_comes_is_a_lost_line() -> None:
    bench = await open_bench(CAMERA)
    bench.clock.at(0.1, bench.transport.unplug)
    with pytest.raises(TransportLost):
        await take(bench)


async def test_a_picture_is_in_no_log_and_no_repr(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        picture = await take(await open_bench(CAMERA))
    assert base64.b64encode(picture)[:40].decode() not in caplog.text
    assert repr(Picture(picture, 16, 8)) == "Picture(width=16, height=8)"


# -------------------------------------------------------------------------------------------------------- liveness


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        pytest.param(("live", 0.97), (True, 0.97), id="live"),
        pytest.param(("spoof", 0.8), (False, 0.8), id="spoof"),
        pytest.param(("unknown", 0.0), (None, 0.0), id="undecided"),
    ],
)
async def test_the_verdict_beside_the_picture_is_told(
    verdict: tuple[str, float], told: tuple[bool | None, float]
) -> None:
    bench = await open_bench(FOLDER)
    bench.press("judge", verdict=verdict[0], score=verdict[1])
    found = await judged(bench)
    assert (found.live, found.score, found.method) == (*told, "file")
    assert bench.peer.snapshot()["taken"] == 1


async def test_without_a_check_a_person_decides_and_no_picture_is_taken() -> None:
    bench = await open_bench(CAMERA)
    assert await judged(bench) == LivenessOutput(live=None, method="none")
    assert bench.peer.snapshot()["taken"] == 0
