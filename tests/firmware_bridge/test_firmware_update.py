"""An update from the first look to its end, on a simulated device whose power may fail."""

import asyncio
from functools import partial

import pytest

from firmware_bridge.update.manifest import read_firmware
from firmware_bridge.update.ports import Record
from firmware_bridge.update.states import ENDS, TRANSITIONS, UpdateState
from simulators.loaders.modem_device import loader_image
from tests.builders.firmware import (
    NOW,
    Updating,
    approval_of,
    manifest_of,
    mcuboot_image,
    modem_printer,
    smp_pad,
    trusted,
)

NEW = mcuboot_image("2.0.0")


def states(bench: Updating) -> list[str]:
    return [record.state for record in bench.memory.saved]


async def test_an_mcuboot_device_is_updated_and_keeps_it() -> None:
    bench = Updating(smp_pad())
    record = await bench.run(NEW)
    assert record.state is UpdateState.DONE, record.note
    assert (record.from_version, record.to_version) == ("1.0.0", "2.0.0")
    assert states(bench) == [
        "looking", "entering", "transferring", "marking", "rebooting", "testing", "confirming", "done",
    ]  # fmt: skip
    shown = bench.peer.snapshot()
    assert (shown["running"], shown["slots"], shown["on_trial"]) == ("2.0.0", ["2.0.0", "1.0.0"], False)
    assert bench.memory.told[-1] == (len(NEW), len(NEW))
    assert [sent for sent, _ in bench.memory.told] == sorted(sent for sent, _ in bench.memory.told)


async def test_a_device_that_has_it_already_is_left_alone() -> None:
    bench = Updating(smp_pad())
    await bench.run(NEW)
    bench.memory.saved.clear()
    assert (await bench.run(NEW)).state is UpdateState.DONE
    assert states(bench) == ["looking", "done"]


async def test_cobs_framing_carries_an_update_as_well() -> None:
    pad = smp_pad()
    assert pad.update is not None
    cobs = pad.model_copy(
        update={
            "update": pad.update.model_copy(update={"framing": "cobs"}),
            "options": {**pad.options, "framing": "cobs"},
        }
    )
    assert (await Updating(cobs).run(NEW)).state is UpdateState.DONE


@pytest.mark.parametrize(
    "image",
    [
        NEW[:-1],
        NEW[:100] + b"\x00" + NEW[101:],
        mcuboot_image(device_type="another"),
        mcuboot_image(hardware="C"),
        mcuboot_image("0.9.0"),
    ],
)
async def test_a_refused_image_sends_nothing_of_itself(image: bytes) -> None:
    bench = Updating(smp_pad())
    before = bench.peer.flash.slots[1].data.copy(), bench.peer.power.steps
    record = await bench.run(image)
    assert record.state is UpdateState.REFUSED
    assert record.note
    assert (bench.peer.flash.slots[1].data, bench.peer.power.steps) == before
    assert not bench.memory.told


async def test_an_image_that_nobody_vouches_for_is_not_even_a_reason_to_talk_to_the_device() -> None:
    bench = Updating(smp_pad())
    for at in range(0, len(NEW), 29):
        changed = bytearray(NEW)
        changed[at] ^= 1
        assert (await bench.run(bytes(changed))).state is UpdateState.REFUSED
    assert bench.transport.written == 0


async def test_a_downgrade_happens_with_a_second_person_only() -> None:
    bench = Updating(smp_pad())
    await bench.run(NEW)
    old = mcuboot_image("1.5.0")
    assert (await bench.run(old)).state is UpdateState.REFUSED
    approval = approval_of(read_firmware(old, None, trusted()), "2.0.0")
    assert (await bench.run(old, approval=approval)).state is UpdateState.DONE
    assert bench.peer.snapshot()["running"] == "1.5.0"


@pytest.mark.parametrize("wrong", ["hang_next_firmware", "spoil_next_firmware"])
async def test_a_firmware_that_fails_its_self_test_is_left_again(wrong: str) -> None:
    bench = Updating(smp_pad())
    bench.peer.buttons[wrong]()
    record = await bench.run(NEW)
    assert record.state is UpdateState.ROLLED_BACK
    assert record.note
    assert bench.peer.snapshot()["running"] == "1.0.0"
    assert (await bench.run(NEW)).state is UpdateState.DONE


async def test_an_upload_goes_on_where_the_device_says() -> None:
    image = mcuboot_image(program=bytes(1000))
    bench = Updating(smp_pad())
    task = asyncio.create_task(bench.run(image))
    bench.memory.on_tell = lambda sent: task.cancel() if sent > len(image) // 2 else None
    with pytest.raises(asyncio.CancelledError):
        await task
    reached = bench.memory.told[-1][0]
    bench.memory.told.clear()
    bench.memory.on_tell = lambda sent: None
    assert (await bench.run(image)).state is UpdateState.DONE
    assert bench.memory.told[0][0] >= reached > len(image) // 2


async def test_a_device_that_says_nothing_ends_the_update_with_words() -> None:
    bench = Updating(smp_pad())
    bench.peer.buttons["cut_power"](off_s=10_000)
    record = await bench.run(NEW)
    assert record.state is UpdateState.FAILED
    assert "expected an answer" in record.note


# --- the power ------------------------------------------------------------------------------------------------------


async def power_settled(bench: Updating) -> None:
    """Off by now if it was switched off, and on again."""
    for _ in range(2):
        bench.peer.advance(bench.clock.monotonic())
        await bench.clock.sleep(10)
    bench.peer.advance(bench.clock.monotonic())


async def cut_and_run_again(bench: Updating, step: int, image: bytes, manifest: bytes | None = None) -> bool:
    """Whether the cut happened; whatever it hit, the device runs one of both and the second run succeeds."""
    bench.peer.buttons["cut_power"](steps=step)
    first: Record = await bench.run(image, manifest)
    happened = bench.peer.snapshot()["power_cuts"] == 1
    bench.peer.power.stays()
    await power_settled(bench)
    running = bench.peer.snapshot()["running"]
    assert running in ("1.0.0", "2.0.0"), f"step {step}: bricked"
    if first.state is UpdateState.DONE:
        assert running == "2.0.0"
    second = await bench.run(image, manifest)
    assert second.state is UpdateState.DONE, f"step {step}: {first.state} then {second.state}: {second.note}"
    assert bench.peer.snapshot()["running"] == "2.0.0"
    bench.peer.buttons["power_cycle"]()
    await power_settled(bench)
    assert bench.peer.snapshot()["running"] == "2.0.0"
    return happened


async def cut_at_byte(bench: Updating, byte: int, image: bytes, manifest: bytes | None = None) -> None:
    """The power fails when that many bytes have gone to the device; the second run succeeds."""
    bench.transport.cut_at, bench.transport.cut = byte, lambda: bench.peer.buttons["cut_power"](off_s=3)
    await bench.run(image, manifest)
    await power_settled(bench)
    assert bench.peer.snapshot()["running"] in ("1.0.0", "2.0.0"), f"byte {byte}: bricked"
    second = await bench.run(image, manifest)
    assert second.state is UpdateState.DONE, f"byte {byte}: {second.state}: {second.note}"
    assert bench.peer.snapshot()["running"] == "2.0.0"


async def bytes_of(bench: Updating, image: bytes, manifest: bytes | None = None) -> int:
    assert (await bench.run(image, manifest)).state is UpdateState.DONE
    return bench.transport.written


async def steps_of(bench: Updating, image: bytes, manifest: bytes | None = None) -> int:
    assert (await bench.run(image, manifest)).state is UpdateState.DONE
    return int(bench.peer.power.steps)


async def test_the_power_may_fail_at_any_step_of_an_mcuboot_update() -> None:
    total = await steps_of(Updating(smp_pad()), NEW)
    assert total > 25
    for step in range(total):
        assert await cut_and_run_again(Updating(smp_pad()), step, NEW)


PLAIN = loader_image("2.0.0", b"program " * 300)
PLAIN_MANIFEST = manifest_of(PLAIN)
FACTORY = loader_image("1.0.0", b"factory")
KEPT = read_firmware(FACTORY, manifest_of(FACTORY, "1.0.0"), trusted())


@pytest.mark.parametrize("method", ["xmodem", "xmodem-1k", "ymodem"])
async def test_a_loader_takes_an_image(method: str) -> None:
    bench = Updating(modem_printer(method), KEPT)
    record = await bench.run(PLAIN, PLAIN_MANIFEST)
    assert record.state is UpdateState.DONE, record.note
    assert bench.peer.snapshot()["running"] == "2.0.0"
    assert bench.kept is not None
    assert bench.kept.content == PLAIN


@pytest.mark.parametrize("wrong", ["hang_next_firmware", "spoil_next_firmware"])
async def test_the_previous_image_is_sent_again_when_the_new_one_fails(wrong: str) -> None:
    bench = Updating(modem_printer(), KEPT)
    bench.peer.buttons[wrong]()
    record = await bench.run(PLAIN, PLAIN_MANIFEST)
    assert record.state is UpdateState.ROLLED_BACK, record.note
    assert bench.peer.snapshot()["running"] == "1.0.0"


async def test_without_a_previous_image_nothing_is_begun_until_one_is_brought() -> None:
    bench = Updating(modem_printer())
    record = await bench.run(PLAIN, PLAIN_MANIFEST)
    assert record.state is UpdateState.FAILED
    assert "1.0.0" in record.note
    assert bench.peer.power.steps == 0
    adopted = await bench.run(FACTORY, manifest_of(FACTORY, "1.0.0"))
    assert adopted.state is UpdateState.DONE
    assert bench.peer.power.steps == 0
    assert (await bench.run(PLAIN, PLAIN_MANIFEST)).state is UpdateState.DONE


@pytest.mark.parametrize("method", ["xmodem", "ymodem"])
async def test_the_power_may_fail_at_any_step_of_a_loader_s_update(method: str) -> None:
    total = await steps_of(Updating(modem_printer(method), KEPT), PLAIN, PLAIN_MANIFEST)
    assert total > 15
    for step in range(total):
        assert await cut_and_run_again(Updating(modem_printer(method), KEPT), step, PLAIN, PLAIN_MANIFEST)


KINDS = {
    "smp": (smp_pad, None, NEW, None),
    "ymodem": (modem_printer, KEPT, PLAIN, PLAIN_MANIFEST),
    "xmodem": (lambda: modem_printer("xmodem"), KEPT, PLAIN, PLAIN_MANIFEST),
}


async def cut_at_bytes(kind: str, stride: int) -> None:
    profile, kept, image, manifest = KINDS[kind]
    total = await bytes_of(Updating(profile(), kept), image, manifest)
    assert total > len(image)
    for byte in range(1, total + 1, stride):
        await cut_at_byte(Updating(profile(), kept), byte, image, manifest)


@pytest.mark.parametrize("kind", KINDS)
async def test_the_power_may_fail_at_any_byte_of_the_line(kind: str) -> None:
    await cut_at_bytes(kind, 211)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", KINDS)
async def test_the_power_may_fail_at_every_byte_of_the_line(kind: str) -> None:
    await cut_at_bytes(kind, 1)


def die_at(state: UpdateState, task: asyncio.Task[Record], record: Record) -> None:
    if record.state == state:
        task.cancel()


@pytest.mark.parametrize("kind", KINDS)
async def test_an_agent_may_die_at_any_step_of_the_table(kind: str) -> None:
    profile, kept, image, manifest = KINDS[kind]
    whole = Updating(profile(), kept)
    await whole.run(image, manifest)
    for died in whole.memory.saved[:-1]:
        bench = Updating(profile(), kept)
        task = asyncio.create_task(bench.run(image, manifest))
        bench.memory.on_save = partial(die_at, died.state, task)
        with pytest.raises(asyncio.CancelledError):
            await task
        bench.memory.on_save = lambda record: None
        assert (await bench.run(image, manifest)).state is UpdateState.DONE, died.state
        assert bench.peer.snapshot()["running"] == "2.0.0"


async def test_a_firmware_left_on_trial_gives_way_to_another() -> None:
    bench = Updating(smp_pad())
    task = asyncio.create_task(bench.run(mcuboot_image("3.0.0")))
    bench.memory.on_save = partial(die_at, UpdateState.TESTING, task)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.peer.snapshot()["running"] == "3.0.0"
    bench.memory.on_save = lambda record: None
    record = await bench.run(NEW)
    assert (record.state, record.from_version) == (UpdateState.DONE, "1.0.0")
    assert bench.peer.snapshot()["slots"] == ["2.0.0", "1.0.0"]


def test_every_state_of_the_table_is_reached_and_left() -> None:
    reached = {state for steps in TRANSITIONS.values() for state in steps.values()} | {UpdateState.VERIFYING}
    assert reached == set(UpdateState)
    assert TRANSITIONS.keys() == set(UpdateState) - ENDS
    assert NOW.tzinfo is not None
