import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from device_profiles.capabilities.model import Action, DeviceState
from device_profiles.capabilities.printer import Cover, Cutter, Paper, PrinterStatus
from firmware_bridge.errors import DeviceFault, LinkTimeout, OutcomeUnknown, UnsupportedCommand
from simulators.faults import FaultyPeer, LineFault
from simulators.peripherals.peer import Output, Peer
from tests.builders.bench import Bench, open_bench

SIM = "epson-compatible-80"
TICKET = [
    {"kind": "text", "text": "办事大厅", "size": 2, "bold": True, "align": "center"},
    {"kind": "text", "text": "A012", "size": 4, "align": "center"},
    {"kind": "qr", "data": "https://hall.example/t/abc"},
    {"kind": "feed", "lines": 2},
]
LONG = [{"kind": "text", "text": f"第{n}行 " + "文字 " * 15} for n in range(80)]


class Tapped:
    """Passes everything on, counts what the host says, and does ``when_heard`` before some bytes reach the printer."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.buttons = peer.buttons
        self.heard: list[bytes] = []
        self.when_heard: tuple[bytes, Callable[[], object]] | None = None
        self.deaf_to = b""
        self.deaf = False

    def receive(self, data: bytes, now: float) -> Output:
        self.heard.append(data)
        if self.when_heard is not None and self.when_heard[0] in data:
            self.when_heard[1]()
        deaf = self.deaf or (self.deaf_to and self.deaf_to in data)
        return [] if deaf else self.peer.receive(data, now)

    def fall_deaf(self) -> None:
        self.deaf = True

    def advance(self, now: float) -> Output:
        return self.peer.advance(now)

    def snapshot(self) -> dict[str, Any]:
        return self.peer.snapshot()


async def tapped(**options: object) -> tuple[Bench, Tapped]:
    taps: list[Tapped] = []

    def wrap(peer: Peer) -> Peer:
        taps.append(Tapped(peer))
        return taps[0]

    bench = await open_bench(SIM, wrap=wrap, options=options)
    return bench, taps[0]


def papers(bench: Bench) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = bench.peer.snapshot()["papers"]
    return found


async def status(bench: Bench) -> PrinterStatus:
    found = await bench.driver.status()
    assert isinstance(found, PrinterStatus)
    return found


async def test_a_printer_tells_model_serial_number_and_firmware() -> None:
    bench = await open_bench(SIM)
    identity = await bench.driver.identify()
    assert (identity.model, identity.serial_number, identity.firmware) == ("COMPATIBLE-80", "00000001", "V1.00")


async def test_a_printer_without_paper_is_identified_by_its_real_time_answers() -> None:
    bench = await open_bench(SIM)
    bench.press("paper_out")
    assert (await bench.driver.identify()).model == ""
    assert (await status(bench)).paper is Paper.OUT


async def test_a_printer_that_does_not_know_the_question_is_still_a_printer() -> None:
    bench, tap = await tapped()
    tap.deaf_to = b"\x1dI"
    assert (await bench.driver.identify()).model == ""


async def test_a_healthy_printer() -> None:
    bench = await open_bench(SIM)
    assert await status(bench) == PrinterStatus(
        device=DeviceState.ONLINE, paper=Paper.FULL, cover=Cover.CLOSED, cutter=Cutter.OK
    )


@pytest.mark.parametrize(
    ("button", "field", "value"),
    [
        ("paper_low", "paper", Paper.LOW),
        ("paper_out", "paper", Paper.OUT),
        ("jam", "paper", Paper.JAMMED),
        ("open_cover", "cover", Cover.OPEN),
        ("cutter_fault", "cutter", Cutter.FAULT),
    ],
)
async def test_what_is_wrong_shows_in_the_status(button: str, field: str, value: str) -> None:
    bench = await open_bench(SIM)
    bench.press(button)
    assert getattr(await status(bench), field) == value


async def test_a_ticket_comes_out_as_it_was_asked_for() -> None:
    bench = await open_bench(SIM)
    await bench.run("print", blocks=TICKET)
    (paper,) = papers(bench)
    assert paper["lines"][:2] == ["办事大厅", "A012"]
    assert paper["qr"] == ["https://hall.example/t/abc"]
    assert paper["cut"] is True
    assert bench.peer.snapshot()["unknown_commands"] == 0


async def test_a_print_is_done_only_when_the_paper_is_cut() -> None:
    bench = await open_bench(SIM)
    await bench.run("print", blocks=TICKET)
    assert bench.peer.snapshot()["printed_total"] == 1
    assert bench.clock.monotonic() > 0.3  # the time the cutter takes


async def test_a_long_document_never_fills_the_printer_s_buffer() -> None:
    bench, tap = await tapped()
    await bench.run("print", blocks=LONG)
    assert len(papers(bench)[0]["lines"]) >= 80
    assert max(map(len, tap.heard)) < 4096
    assert bench.peer.snapshot()["overflow_bytes"] == 0


@pytest.mark.parametrize(
    ("button", "code", "action"),
    [
        ("paper_out", "paper_out", Action.CLEAR),
        ("jam", "paper_jammed", Action.CLEAR),
        ("open_cover", "cover_open", Action.CLEAR),
        ("cutter_fault", "cutter_fault", Action.MAINTENANCE),
    ],
)
async def test_a_printer_that_cannot_print_is_not_sent_a_byte(button: str, code: str, action: Action) -> None:
    bench, tap = await tapped()
    bench.press(button)
    with pytest.raises(DeviceFault, match="nothing was printed") as raised:
        await bench.run("print", blocks=TICKET)
    assert (raised.value.code, raised.value.action) == (code, action)
    assert not any(b"A012" in data for data in tap.heard)


async def test_little_paper_is_enough_to_print() -> None:
    bench = await open_bench(SIM)
    bench.press("paper_low")
    await bench.run("print", blocks=TICKET)
    assert papers(bench)[0]["cut"] is True


async def test_paper_that_ends_in_the_middle_is_told_as_such() -> None:
    bench = await open_bench(SIM, device={"roll_lines": 30})
    with pytest.raises(DeviceFault, match="printing stopped in part") as raised:
        await bench.run("print", blocks=LONG)
    assert raised.value.code == "paper_out"
    assert bench.clock.monotonic() < 5


async def test_the_rest_of_a_stopped_document_does_not_come_out_later() -> None:
    bench = await open_bench(SIM, device={"roll_lines": 30})
    with pytest.raises(DeviceFault):
        await bench.run("print", blocks=LONG)
    bench.press("load_paper")
    before = len(papers(bench))
    await bench.run("print", blocks=TICKET[:1])
    assert [paper["lines"] for paper in papers(bench)[before:]] == [["办事大厅"]]


async def test_a_cover_opened_in_the_middle_is_told_as_such() -> None:
    bench, tap = await tapped()
    tap.when_heard = (b"A012", bench.peer.buttons["open_cover"])
    with pytest.raises(DeviceFault, match="printing stopped") as raised:
        await bench.run("print", blocks=TICKET)
    assert raised.value.code == "cover_open"


async def test_a_printer_that_falls_silent_in_the_middle_leaves_the_outcome_unknown() -> None:
    bench, tap = await tapped()
    tap.when_heard = (b"A012", tap.fall_deaf)
    with pytest.raises(OutcomeUnknown, match="status cannot be read either"):
        await bench.run("print", blocks=TICKET)


async def test_a_lost_proof_without_a_fault_leaves_the_outcome_unknown() -> None:
    bench, tap = await tapped()
    tap.deaf_to = b"A012"
    with pytest.raises(OutcomeUnknown, match="no fault"):
        await bench.run("print", blocks=TICKET)
    assert sum(b"A012" in data for data in tap.heard) == 1


async def test_unplugging_in_the_middle_leaves_the_outcome_unknown() -> None:
    bench, tap = await tapped()
    tap.when_heard = (b"A012", lambda: bench.clock.at(bench.clock.monotonic() + 0.05, bench.transport.unplug))
    with pytest.raises(OutcomeUnknown):
        await bench.run("print", blocks=TICKET)


async def test_a_silent_printer_is_off_line_and_not_fine() -> None:
    bench = await open_bench(SIM, wrap=lambda peer: FaultyPeer(peer, 1, LineFault("mute")))
    with pytest.raises(LinkTimeout):
        await bench.driver.status()
    with pytest.raises(LinkTimeout):
        await bench.driver.identify()
    with pytest.raises(LinkTimeout):
        await bench.run("print", blocks=TICKET)
    assert papers(bench) == []


async def test_automatic_status_between_the_answers_does_not_confuse_them() -> None:
    bench = await open_bench(SIM)
    await bench.driver.identify()
    for button in ("paper_low", "open_cover", "close_cover", "load_paper") * 5:
        bench.press(button)
        found = await status(bench)
        assert found.device is DeviceState.ONLINE
        assert found.cover is (Cover.OPEN if button == "open_cover" else Cover.CLOSED)


async def test_a_reset_clears_what_waits() -> None:
    bench = await open_bench(SIM)
    await bench.run("reset")
    bench.press("open_cover")
    await bench.run("reset")
    bench.press("close_cover")
    await bench.run("print", blocks=TICKET)
    assert len(papers(bench)) == 1


async def test_a_cancelled_print_leaves_the_printer_usable() -> None:
    bench = await open_bench(SIM)
    await bench.driver.identify()
    await bench.run("print", blocks=TICKET)
    task = asyncio.ensure_future(bench.run("print", blocks=LONG))
    bench.clock.at(bench.clock.monotonic() + 0.1, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await status(bench)).paper is Paper.FULL


async def test_an_unknown_command_is_refused() -> None:
    from device_profiles.capabilities.model import Command, Effect, Nothing

    bench = await open_bench(SIM)
    with pytest.raises(UnsupportedCommand, match="dance"):
        await bench.driver.execute(Command("dance", Effect.READ), Nothing())
