import asyncio
import base64
from collections.abc import Callable

import pytest

from device_profiles.capabilities.fingerprint import EnrolOutput, FingerprintStatus, MatchOutput
from device_profiles.capabilities.model import Action, DeviceState
from firmware_bridge.codecs.ef01 import Confirmation, Instruction
from firmware_bridge.drivers._ef01_faults import FAULTS, fault_of
from firmware_bridge.errors import DeviceFault, FrameError, LinkTimeout, PeerBrokeProtocol, TransportLost
from tests.builders.bench import Bench, open_bench
from tests.builders.tampered import once, open_tampered

MODULE = "zfm-fingerprint"
HEAD = "EF 01 FF FF FF FF 01 00"
GET_IMAGE, FEATURES, STORE, UNLOCK = f"{HEAD} 03 01", f"{HEAD} 04 02", f"{HEAD} 06 06", f"{HEAD} 07 13"


def acknowledgement(payload: str) -> bytes:
    body = bytes.fromhex(payload)
    checked = b"\x07" + (len(body) + 2).to_bytes(2) + body
    return bytes.fromhex("EF 01 FF FF FF FF") + checked + sum(checked).to_bytes(2)


def answering(start: str, payload: str) -> Callable[[bytes], bytes | None]:
    return lambda data: acknowledgement(payload) if data.startswith(bytes.fromhex(start)) else None


async def enrolled(bench: Bench) -> int | None:
    status = await bench.driver.status()
    assert isinstance(status, FingerprintStatus)
    assert status.device is DeviceState.ONLINE
    return status.enrolled


async def test_the_module_says_what_it_is() -> None:
    identity = await (await open_bench(MODULE)).driver.identify()
    assert (identity.model, identity.serial_number) == ("EF01 system 0009", "")


async def test_the_status_counts_the_templates() -> None:
    bench, _ = await open_tampered(MODULE)
    assert await enrolled(bench) == 199


async def test_a_wrong_password_is_a_matter_of_configuration() -> None:
    bench, line = await open_tampered(MODULE)
    line.instead = answering(UNLOCK, "13")
    with pytest.raises(DeviceFault) as fault:
        await bench.driver.identify()
    assert (fault.value.code, fault.value.action) == ("not_authorised", Action.CONFIGURATION)


async def test_address_and_password_are_options() -> None:
    bench, line = await open_tampered(MODULE, options={"address": 0x11223344, "password": 7})
    assert await enrolled(bench) == 199
    assert line.heard[0][2:6].hex() == "11223344"


async def test_a_known_finger_is_found_with_page_and_score() -> None:
    bench, _ = await open_tampered(MODULE)
    bench.press("present_finger", "p007", at=bench.clock.monotonic() + 3)
    assert await bench.run("identify", wait_s=10) == MatchOutput(matched=True, page=7, score=100)


async def test_an_unknown_finger_is_not_found() -> None:
    bench, _ = await open_tampered(MODULE)
    bench.press("present_finger", "p300")
    assert await bench.run("identify", wait_s=10) == MatchOutput(matched=False)


@pytest.mark.parametrize(
    ("page", "output"),
    [(7, MatchOutput(matched=True, page=7, score=100)), (8, MatchOutput(matched=False))],
)
async def test_a_finger_is_compared_with_one_page_only(page: int, output: MatchOutput) -> None:
    bench, _ = await open_tampered(MODULE)
    bench.press("present_finger", "p007")
    assert await bench.run("verify", page=page, wait_s=10) == output


@pytest.mark.parametrize("page", [500, 60000])
async def test_a_page_without_a_template_is_an_invalid_identifier(page: int) -> None:
    bench, _ = await open_tampered(MODULE)
    bench.press("present_finger", "p007")
    with pytest.raises(DeviceFault) as fault:
        await bench.run("verify", page=page, wait_s=10)
    assert fault.value.code == "invalid_identifier"


async def test_a_citizen_who_gives_no_finger_is_no_capture_data() -> None:
    bench, _ = await open_tampered(MODULE)
    started = bench.clock.monotonic()
    with pytest.raises(DeviceFault) as fault:
        await bench.run("identify", wait_s=8)
    assert (fault.value.code, fault.value.action) == ("no_capture_data", Action.RESET)
    assert 8 <= bench.clock.monotonic() - started < 9


async def test_an_unclear_image_is_taken_again() -> None:
    bench, _ = await open_tampered(MODULE)
    bench.press("present_finger", "p007", 0)
    now = bench.clock.monotonic()
    bench.press("lift_finger", at=now + 2)
    bench.press("present_finger", "p007", at=now + 3)
    assert await bench.run("identify", wait_s=10) == MatchOutput(matched=True, page=7, score=100)


async def test_images_that_stay_unclear_end_with_the_time() -> None:
    bench, _ = await open_tampered(MODULE)
    bench.press("present_finger", "p007", 0)
    started = bench.clock.monotonic()
    with pytest.raises(DeviceFault, match="clear"):
        await bench.run("identify", wait_s=8)
    assert bench.clock.monotonic() - started < 10


async def test_an_enrolled_finger_is_found_and_a_deleted_one_is_not() -> None:
    bench, _ = await open_tampered(MODULE)
    bench.press("present_finger", "p300", at=bench.clock.monotonic() + 1)
    await bench.run("enrol", page=500, wait_s=20)
    assert await enrolled(bench) == 200
    assert await bench.run("identify") == MatchOutput(matched=True, page=500, score=100)
    await bench.run("delete", page=500)
    assert await enrolled(bench) == 199
    assert await bench.run("identify") == MatchOutput(matched=False)


async def test_enrolling_wants_the_finger_lifted_in_between() -> None:
    bench, line = await open_tampered(MODULE)
    bench.press("present_finger", "p300")
    taken = acknowledgement("00")  # a finger that stays on the sensor
    line.change = lambda sent, answers: [(answers[0][0], taken)] if sent[9] == 0x01 else answers
    with pytest.raises(DeviceFault, match="lifted"):
        await bench.run("enrol", page=500, wait_s=8)
    assert line.count(STORE) == 0


async def test_two_different_fingers_make_no_template() -> None:
    bench, line = await open_tampered(MODULE)
    now = bench.clock.monotonic()
    bench.press("present_finger", "p300")
    bench.press("lift_finger", at=now + 0.6)
    bench.press("present_finger", "p301", at=now + 2)
    with pytest.raises(DeviceFault, match="differ"):
        await bench.run("enrol", page=500, wait_s=20)
    assert line.count(STORE) == 0


async def test_no_template_and_no_image_is_ever_asked_for() -> None:
    bench, line = await open_tampered(MODULE)
    bench.press("present_finger", "p007")
    await bench.run("identify")
    await bench.run("verify", page=7)
    uploads = {0x08, 0x0A}
    assert not uploads & {data[9] for data in line.heard}


async def test_a_module_that_restarted_is_unlocked_again() -> None:
    bench, line = await open_tampered(MODULE)
    line.instead = once(answering(GET_IMAGE, "21"))
    bench.press("present_finger", "p007")
    assert await bench.run("identify") == MatchOutput(matched=True, page=7, score=100)
    assert line.count(UNLOCK) == 1


async def test_the_greeting_of_a_module_after_power_on_is_passed_over() -> None:
    bench, _ = await open_tampered(MODULE)
    bench.press("power_cycle")
    assert await enrolled(bench) == 199
    await bench.clock.sleep(1)
    assert await enrolled(bench) == 199
    assert bench.driver.counters()["discarded_bytes"] == 1


async def test_a_packet_damaged_on_the_way_is_sent_again() -> None:
    bench, line = await open_tampered(MODULE)
    line.instead = once(answering(GET_IMAGE, "01"))
    bench.press("present_finger", "p007")
    assert await bench.run("identify") == MatchOutput(matched=True, page=7, score=100)


async def test_a_module_that_receives_only_damaged_packets_says_so() -> None:
    bench, line = await open_tampered(MODULE)
    line.instead = answering(GET_IMAGE, "01")
    with pytest.raises(FrameError, match="damaged"):
        await bench.run("identify")


async def test_a_late_answer_to_another_command_is_not_taken_for_a_match() -> None:
    bench, line = await open_tampered(MODULE)
    late = acknowledgement("00")
    line.change = lambda sent, answers: [(answers[0][0] - 0.001, late), *answers] if sent[9] == 0x04 else answers
    bench.press("present_finger", "p300")
    assert await bench.run("identify") == MatchOutput(matched=False)
    assert bench.driver.counters()["stale"] == 1


@pytest.mark.parametrize(
    ("code", "word", "action"),
    [("18", "hardware_error", Action.MAINTENANCE), ("0B", "invalid_identifier", Action.SOFTWARE_ERROR)],
)
async def test_a_template_that_cannot_be_stored_is_a_fault(code: str, word: str, action: Action) -> None:
    bench, line = await open_tampered(MODULE)
    line.instead = answering(STORE, code)
    bench.press("present_finger", "p300")
    with pytest.raises(DeviceFault) as fault:
        await bench.run("enrol", page=500, wait_s=20)
    assert (fault.value.code, fault.value.action) == (word, action)


async def test_parameters_of_another_length_come_from_another_device() -> None:
    bench, line = await open_tampered(MODULE)
    line.instead = answering(f"{HEAD} 03 0F", "00 00 00")
    with pytest.raises((PeerBrokeProtocol, LinkTimeout)):
        await bench.driver.identify()


async def test_a_cancelled_wait_for_a_finger_leaves_the_module_usable() -> None:
    bench, _ = await open_tampered(MODULE)
    waiting = asyncio.create_task(bench.run("identify", wait_s=60))
    bench.clock.at(bench.clock.monotonic() + 5, waiting.cancel)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await enrolled(bench) == 199


async def test_a_cable_pulled_while_waiting_for_a_finger_is_a_lost_transport() -> None:
    bench, _ = await open_tampered(MODULE)
    bench.clock.at(bench.clock.monotonic() + 5, bench.transport.unplug)
    with pytest.raises(TransportLost):
        await bench.run("identify", wait_s=60)


async def test_enrolling_keeps_the_template_inside() -> None:
    bench, line = await open_tampered(MODULE)
    bench.press("present_finger", "p300")
    assert await bench.run("enrol", page=500, wait_s=20) == EnrolOutput()
    assert line.count(f"{HEAD} 04 08") == 0


async def test_a_module_that_is_told_so_hands_the_template_of_an_enrolment_out() -> None:
    bench, _ = await open_tampered(MODULE, options={"export_templates": True})
    bench.press("present_finger", "p300")
    output = await bench.run("enrol", page=500, wait_s=20)
    assert isinstance(output, EnrolOutput)
    assert base64.b64decode(output.template) == (b"p300 " * 103)[:512]
    assert "template" not in repr(output)
    assert await enrolled(bench) == 200


async def test_a_template_that_stops_half_way_is_a_time_out_and_the_module_works_on() -> None:
    bench, line = await open_tampered(MODULE, options={"export_templates": True})
    bench.press("present_finger", "p300")
    line.change = lambda sent, answers: answers[:3] if sent[9] == 0x08 else answers
    with pytest.raises(LinkTimeout):
        await bench.run("enrol", page=500, wait_s=20)
    assert await enrolled(bench) == 200


async def test_a_module_that_cannot_send_a_template_says_so() -> None:
    bench, line = await open_tampered(MODULE, options={"export_templates": True})
    line.instead = answering(f"{HEAD} 04 08", "0D")
    bench.press("present_finger", "p300")
    with pytest.raises(DeviceFault, match="could not be sent"):
        await bench.run("enrol", page=500, wait_s=20)


async def test_a_template_without_an_end_is_another_device() -> None:
    bench, line = await open_tampered(MODULE, options={"export_templates": True})
    bench.press("present_finger", "p300")
    line.change = lambda sent, answers: answers[:2] * 200 if sent[9] == 0x08 else answers
    with pytest.raises(PeerBrokeProtocol, match="16384"):
        await bench.run("enrol", page=500, wait_s=20)


async def test_a_module_whose_memory_is_broken_is_a_hardware_error() -> None:
    bench, _ = await open_tampered(MODULE)
    bench.press("break_flash")
    assert await bench.driver.status() == FingerprintStatus(device=DeviceState.HARDWARE_ERROR)


async def test_a_password_that_changed_is_no_hardware_error() -> None:
    bench, line = await open_tampered(MODULE)
    line.instead = lambda data: answering(UNLOCK, "13")(data) or answering(f"{HEAD} 03 1D", "21")(data)
    with pytest.raises(DeviceFault, match="wrong password"):
        await bench.driver.status()


@pytest.mark.parametrize("code", [code for code in Confirmation if code is not Confirmation.OK])
def test_every_confirmation_of_the_manual_is_a_fault_with_words_and_somebody_who_acts(code: Confirmation) -> None:
    fault = fault_of(code, Instruction.STORE)
    assert code in FAULTS
    assert f"confirmation {code:02X} of store" in str(fault)


def test_a_confirmation_that_no_manual_lists_is_a_fault_too() -> None:
    assert fault_of(0x77, Instruction.STORE).code == "hardware_error"
