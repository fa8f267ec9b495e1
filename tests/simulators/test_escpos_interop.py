"""A host that we did not write, python-escpos, drives our printer over a pseudo-terminal and reads its status."""

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from device_profiles.catalog import load_catalog
from simulators.peripherals import build_peer
from simulators.pty_port import PtyPort
from tests.simulators.waiting import eventually

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from escpos.printer import Serial

PROFILE = load_catalog().peripheral("epson-compatible-80")
Result = TypeVar("Result")


class Host:
    """The library's serial printer, in a thread since it blocks; each status query takes its whole read time-out."""

    def __init__(self, port: PtyPort) -> None:
        self.port = port

    async def does(self, work: Callable[[Any], Result]) -> Result:
        def run() -> Result:
            printer = Serial(devfile=str(self.port.link), baudrate=PROFILE.line.baud, timeout=0.3, dsrdtr=False)
            printer.open()
            try:
                return work(printer)
            finally:
                printer.close()

        return await asyncio.to_thread(run)


@asynccontextmanager
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    port = PtyPort(build_peer(PROFILE, seed=1, shared={}, speed=10), tmp_path / "printer", PROFILE.line.baud)
    port.plug()
    try:
        async with asyncio.timeout(30):
            yield Host(port)
    finally:
        port.unplug()


async def test_it_prints_text_a_qr_code_and_cuts(tmp_path: Path) -> None:
    async with host(tmp_path) as found:

        def work(printer: Any) -> None:
            printer.hw("INIT")
            printer.set(align="center", bold=True, custom_size=True, width=2, height=2)
            printer.textln("A012")
            printer.text("办事大厅\n")
            printer.qr("https://hall.example/t/abc", native=True, size=6)
            printer.cut()

        await found.does(work)
        await eventually(lambda: found.port.snapshot()["printed_total"] == 1)
        (paper,) = found.port.snapshot()["papers"]
        assert [line for line in paper["lines"] if line] == ["A012", "办事大厅"]
        assert (paper["qr"], paper["cut"]) == (["https://hall.example/t/abc"], True)
        assert found.port.snapshot()["unknown_commands"] == 0


@pytest.mark.parametrize(
    ("buttons", "online", "paper"),
    [([], True, 2), (["paper_low"], True, 1), (["paper_out"], False, 0), (["open_cover"], False, 2)],
)
async def test_it_reads_whether_the_printer_is_on_line_and_has_paper(
    tmp_path: Path, buttons: list[str], online: bool, paper: int
) -> None:
    async with host(tmp_path) as found:
        for button in buttons:
            found.port.press(button)
        assert await found.does(lambda printer: printer.is_online()) is online
        assert await found.does(lambda printer: printer.paper_status()) == paper


async def test_it_prints_pictures_and_barcodes_that_our_documents_do_not_use(tmp_path: Path) -> None:
    async with host(tmp_path) as found:

        def work(printer: Any) -> None:
            printer.barcode("4006381333931", "EAN13")
            printer.qr("A012", native=False)  # as a picture
            printer.cut(mode="PART")

        before = found.port.snapshot()["lines_left"]
        await found.does(work)
        await eventually(lambda: found.port.snapshot()["waiting_bytes"] == 0)
        assert found.port.snapshot()["lines_left"] < before
        assert found.port.snapshot()["unknown_commands"] == 0
