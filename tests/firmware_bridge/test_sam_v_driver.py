import asyncio
import base64

import pytest

from device_profiles.capabilities.id_reader import IdDocument, IdReaderStatus
from device_profiles.capabilities.model import Action, DeviceState
from device_profiles.errors import ProfileError
from device_profiles.schema.peripheral import Line
from firmware_bridge.errors import DeviceFault, FrameError, LinkTimeout, PeerBrokeProtocol, UnsupportedCommand
from firmware_bridge.framing.checksums import xor8
from firmware_bridge.registry import load_driver
from simulators.faults import FaultyPeer, LineFault
from simulators.peripherals.peer import Output, Peer
from tests.builders.bench import Bench, open_bench

SIM = "sdt-sam-v"


class Answering:
    """A module that answers commands from a table of SW3, else as the simulated one does."""

    def __init__(self, peer: Peer, answers: dict[tuple[int, int], list[tuple[int, bytes]]]) -> None:
        self._peer = peer
        self._answers = answers
        self.buttons = peer.buttons
        self.heard: list[tuple[int, int]] = []

    def receive(self, data: bytes, now: float) -> Output:
        command = (data[7], data[8])
        self.heard.append(command)
        if planned := self._answers.get(command):
            sw3, body = planned.pop(0) if len(planned) > 1 else planned[0]
            return [(now + 0.01, frame(sw3, body))]
        return self._peer.receive(data, now)

    def advance(self, now: float) -> Output:
        return self._peer.advance(now)

    def snapshot(self) -> dict[str, object]:
        return self._peer.snapshot()


def frame(sw3: int, body: bytes = b"") -> bytes:
    inner = (len(body) + 4).to_bytes(2) + bytes((0, 0, sw3)) + body
    return bytes.fromhex("AAAAAA9669") + inner + bytes((xor8(inner),))


async def bench_answering(**answers: tuple[int, bytes] | list[tuple[int, bytes]]) -> Bench:
    """``find=(0x24, b"")``: the answer to that command, always, or a list of answers in turn."""
    commands = {
        "find": (0x20, 1),
        "select": (0x20, 2),
        "read": (0x30, 1),
        "appended": (0x30, 3),
        "status": (0x11, 0xFF),
    }
    commands["sam_id"] = (0x12, 0xFF)
    table = {commands[name]: answer if isinstance(answer, list) else [answer] for name, answer in answers.items()}
    return await open_bench(
        SIM, wrap=lambda peer: Answering(peer, table), options={"appended_address": "appended" in answers}
    )


async def read(bench: Bench, wait_s: float = 5.0) -> IdDocument:
    document = await bench.run("read", wait_s=wait_s)
    assert isinstance(document, IdDocument)
    return document


async def test_the_module_says_its_number() -> None:
    bench = await open_bench(SIM)
    identity = await bench.driver.identify()
    assert identity.model == "SAM_V"
    assert identity.serial_number.startswith("05.03-20260101-000123456-")


async def test_a_card_that_lies_there_is_read_at_once() -> None:
    bench = await open_bench(SIM)
    bench.press("insert_card", "p001")
    document = await read(bench)
    assert document.kind == "citizen"
    assert document.id_number.startswith("000000")
    assert bench.clock.monotonic() < 2


@pytest.mark.parametrize("kind", ["citizen", "hk_macao_taiwan", "foreigner_2017", "foreigner_2023"])
async def test_every_kind_of_document_is_told_apart(kind: str) -> None:
    bench = await open_bench(SIM)
    bench.press("insert_card", "p002", kind=kind)
    document = await read(bench)
    assert document.kind == kind
    assert document.name
    assert document.birth_date.isdigit()


async def test_a_card_laid_down_while_waiting_is_read() -> None:
    bench = await open_bench(SIM)
    bench.press("insert_card", "p001", at=3.0)
    await read(bench)
    assert 3.0 < bench.clock.monotonic() < 5.0


async def test_cards_are_looked_for_no_faster_than_every_300_ms() -> None:
    bench = await bench_answering(find=(0x80, b""))
    with pytest.raises(DeviceFault, match="no_media"):
        await read(bench, wait_s=3.0)
    peer = bench.transport._peer
    assert isinstance(peer, Answering)
    assert 9 <= peer.heard.count((0x20, 1)) <= 11


async def test_no_card_within_the_time_is_no_media() -> None:
    bench = await open_bench(SIM)
    with pytest.raises(DeviceFault) as raised:
        await read(bench, wait_s=2.0)
    assert raised.value.code == "no_media"
    assert bench.clock.monotonic() == pytest.approx(2.0, abs=0.2)


async def test_a_card_left_lying_is_not_read_twice_until_it_is_laid_again() -> None:
    bench = await open_bench(SIM)
    bench.press("insert_card", "p001")
    first = await read(bench)
    with pytest.raises(DeviceFault, match="no_media"):
        await read(bench, wait_s=1.0)
    now = bench.clock.monotonic()
    bench.press("remove_card", at=now + 0.5)
    bench.press("insert_card", "p001", at=now + 1.0)
    assert await read(bench) == first


async def test_a_failed_read_waits_for_the_card_to_be_laid_again() -> None:
    bench = await open_bench(SIM)
    bench.press("fail_read")
    bench.press("insert_card", "p001")
    bench.press("remove_card", at=2.0)
    bench.press("insert_card", "p001", at=2.5)
    await read(bench)
    assert bench.clock.monotonic() > 2.5


async def test_a_card_that_cannot_be_read_is_invalid_media_at_the_end() -> None:
    bench = await open_bench(SIM)
    bench.press("fail_read", 9)
    bench.press("insert_card", "p001")
    with pytest.raises(DeviceFault, match="laid again") as raised:
        await read(bench, wait_s=2.0)
    assert raised.value.code == "invalid_media"


async def test_a_card_taken_away_between_find_and_select_counts_as_none() -> None:
    bench = await bench_answering(find=(0x9F, bytes(4)), select=(0x81, b""))
    with pytest.raises(DeviceFault, match="no_media"):
        await read(bench, wait_s=1.0)


@pytest.mark.parametrize(
    ("sw3", "code", "action"),
    [
        (0x31, "invalid_media", Action.RESET),
        (0x32, "invalid_media", Action.RESET),
        (0x33, "invalid_media", Action.RESET),
        (0x40, "invalid_media", Action.RESET),
        (0x24, "hardware_error", Action.MAINTENANCE),
        (0x23, "hardware_error", Action.MAINTENANCE),
        (0x60, "hardware_error", Action.MAINTENANCE),
        (0x66, "not_authorised", Action.CONFIGURATION),
    ],
)
@pytest.mark.parametrize("step", ["find", "select", "read"])
async def test_a_refusal_is_named_and_says_who_must_act(step: str, sw3: int, code: str, action: Action) -> None:
    bench = await bench_answering(**{step: (sw3, b"")})
    bench.press("insert_card", "p001")
    with pytest.raises(DeviceFault, match=f"{sw3:02X}") as raised:
        await read(bench)
    assert (raised.value.code, raised.value.action) == (code, action)


async def test_a_module_without_a_command_makes_it_unsupported() -> None:
    bench = await bench_answering(find=(0x21, b""))
    with pytest.raises(UnsupportedCommand):
        await read(bench)


async def test_a_command_that_arrived_damaged_is_said_again() -> None:
    bench = await bench_answering(status=[(0x10, b""), (0x11, b""), (0x90, b"")])
    assert (await bench.driver.status()).device is DeviceState.ONLINE


async def test_a_line_that_damages_every_command_is_an_error() -> None:
    bench = await bench_answering(status=(0x10, b""))
    with pytest.raises(FrameError, match="cable"):
        await bench.driver.status()


@pytest.mark.parametrize("sw3", [0x60, 0x66, 0x24])
async def test_a_sick_module_is_a_hardware_error(sw3: int) -> None:
    bench = await bench_answering(status=(sw3, b""))
    assert await bench.driver.status() == IdReaderStatus(device=DeviceState.HARDWARE_ERROR)


async def test_another_device_with_the_same_frames_is_not_taken_for_a_reader() -> None:
    bench = await bench_answering(sam_id=(0x21, b""))
    with pytest.raises(PeerBrokeProtocol):
        await bench.driver.identify()


async def test_a_sick_module_says_so_when_it_is_asked_who_it_is() -> None:
    bench = await bench_answering(sam_id=(0x66, b""))
    with pytest.raises(DeviceFault, match="not_authorised"):
        await bench.driver.identify()


async def test_the_newest_address_is_used_when_the_profile_says_so() -> None:
    moved = "样例市新路9号".ljust(35).encode("utf-16-le")
    bench = await bench_answering(appended=(0x90, moved))
    bench.press("insert_card", "p001")
    assert (await read(bench)).address == "样例市新路9号"


async def test_a_card_without_a_newer_address_keeps_its_own() -> None:
    bench = await open_bench(SIM, options={"appended_address": True})
    bench.press("insert_card", "p001")
    assert (await read(bench)).address.startswith("样例省")


async def test_an_answer_in_single_bytes_is_read() -> None:
    bench = await open_bench(SIM, wrap=lambda peer: FaultyPeer(peer, 1, LineFault("split", delay_s=0.0001)))
    bench.press("insert_card", "p001")
    assert (await read(bench)).kind == "citizen"


async def test_a_silent_module_times_out_while_waiting_for_a_card() -> None:
    bench = await open_bench(SIM, wrap=lambda peer: FaultyPeer(peer, 1, LineFault("mute")))
    with pytest.raises(LinkTimeout):
        await read(bench)


async def test_a_wait_for_a_card_can_be_cancelled_and_the_next_read_works() -> None:
    bench = await open_bench(SIM)
    task = asyncio.ensure_future(bench.run("read", wait_s=60))
    bench.clock.at(1.0, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task
    bench.press("insert_card", "p001")
    assert (await read(bench)).kind == "citizen"


async def test_nothing_that_is_shown_of_a_reply_holds_what_the_card_says() -> None:
    from firmware_bridge.codecs.sam_v import SamReply

    assert "data" not in repr(SamReply(0, 0, 0x90, b"personal"))


@pytest.mark.parametrize(("fingers", "told"), [(2, True), (1, True), (0, False)])
async def test_whether_a_chip_holds_fingerprints_is_told_and_they_stay_inside(fingers: int, told: bool) -> None:
    bench = await open_bench(SIM, options={"fingerprints": True})
    bench.press("insert_card", "p001", fingers=fingers)
    document = await read(bench)
    assert (document.has_fingerprints, document.fingerprints) == (told, "")


async def test_without_the_option_nobody_asks_for_fingerprints() -> None:
    bench = await open_bench(SIM)
    bench.press("insert_card", "p001")
    assert (await read(bench)).has_fingerprints is None


async def test_fingerprints_leave_the_driver_only_when_it_is_told_so() -> None:
    bench = await open_bench(SIM, options={"fingerprints": True, "export_fingerprints": True})
    bench.press("insert_card", "p001", fingers=1)
    assert base64.b64decode((await read(bench)).fingerprints) == b"nobody's finger " * 32


async def test_exporting_what_is_not_read_is_a_wrong_profile() -> None:
    with pytest.raises(ProfileError, match="fingerprints = true"):
        await open_bench(SIM, options={"export_fingerprints": True})


async def test_a_module_that_cannot_read_fingerprints_reads_the_rest() -> None:
    table = {(0x30, 0x10): [(0x21, b"")]}
    bench = await open_bench(SIM, wrap=lambda peer: Answering(peer, table), options={"fingerprints": True})
    bench.press("insert_card", "p001")
    document = await read(bench)
    assert document.id_number
    assert document.has_fingerprints is None


async def test_an_address_that_was_appended_to_the_chip_is_the_one_used() -> None:
    bench = await open_bench(SIM, options={"appended_address": True})
    bench.press("insert_card", "p001")
    bench.press("append_address", "样例市新路9号")
    assert (await read(bench)).address == "样例市新路9号"


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("citizen", {"nation", "address", "issuer"}),
        ("hk_macao_taiwan", {"address", "issuer", "pass_number", "issue_count"}),
        ("foreigner_2017", {"nation", "english_name", "chinese_name", "nationality", "issuer", "version"}),
        ("foreigner_2023", {"nation", "english_name", "chinese_name", "nationality", "reissue_count", "former_link"}),
    ],
)
async def test_every_field_of_every_kind_of_document_is_read(kind: str, fields: set[str]) -> None:
    bench = await open_bench(SIM)
    bench.press("insert_card", "p002", kind=kind)
    read_fields = {name for name, value in (await read(bench)).model_dump(exclude={"kind"}).items() if value}
    assert read_fields == fields | {"name", "sex", "birth_date", "id_number", "valid_from", "valid_to"}


async def test_a_speed_that_the_module_does_not_have_is_a_wrong_profile() -> None:
    bench = await open_bench(SIM)
    odd = bench.profile.model_copy(update={"line": Line(baud=4800)})
    with pytest.raises(ProfileError, match="115200"):
        load_driver(odd, bench.transport, bench.clock)
