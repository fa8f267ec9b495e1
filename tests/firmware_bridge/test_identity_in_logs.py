"""No log, at any level, knows whose card was read: a real read of every kind of document over a real line."""

import asyncio
import base64
import io
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.id_reader import IdDocument
from device_profiles.capabilities.model import personal_fields
from device_profiles.catalog import load_catalog
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import SystemClock
from firmware_bridge.drivers.sam_v import Driver, open_driver
from firmware_bridge.errors import BridgeError, FrameError
from firmware_bridge.transports import Transport
from firmware_bridge.transports._usb_address import UsbAddress
from firmware_bridge.transports.serial import SerialTransport
from firmware_bridge.transports.usb import UsbTransport
from simulators.people import People, Person
from simulators.peripherals import build_peer
from simulators.peripherals.id_text import encode_text
from simulators.peripherals.peer import Peer
from simulators.pty_port import PtyPort
from tests.builders.identity_hunt import hunt
from tests.builders.tampered import Tampered
from tests.builders.usb_backend import Bus, Device

KINDS = ["citizen", "hk_macao_taiwan", "foreigner_2017", "foreigner_2023"]
READ = CAPABILITIES["id_reader"].commands["read"]
WHO = "p007"
ALL = {"fingerprints": True, "export_fingerprints": True, "appended_address": True}
NEW_ADDRESS = "样例省样市搬迁路七十七号"


@contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """What all loggers of this process write, at every level; the loop's own are made as talkative as they can be."""
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s %(exc_text)s"))
    root, loop = logging.getLogger(), asyncio.get_running_loop()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    loop.set_debug(True)
    loop.slow_callback_duration = 0  # every callback and every step of a task is logged, with its arguments
    try:
        yield heard
    finally:
        loop.set_debug(False)
        root.removeHandler(handler)
        root.setLevel(before)


def profile_of(name: str) -> PeripheralProfile:
    known = load_catalog().peripheral(name)
    return known.model_copy(update={"options": {**known.options, **ALL}})


@asynccontextmanager
async def over_a_pty(peer: Peer, folder: Path) -> AsyncIterator[Transport]:
    profile = profile_of("sdt-sam-v")
    port = PtyPort(peer, folder / "reader", profile.line.baud)
    port.plug()
    transport = SerialTransport(str(port.link), profile.line)
    await transport.open()
    try:
        yield transport
    finally:
        await transport.close()
        port.unplug()


@asynccontextmanager
async def over_usb(peer: Peer, folder: Path) -> AsyncIterator[Transport]:
    profile = profile_of("sdt-sam-v-usb")
    device = Device(peer, model=(0x0400, 0xC35A), place=(1, (1,)), header=profile.usb.header)
    transport = UsbTransport(UsbAddress("0400:c35a"), profile.usb, Bus(device))
    await transport.open()
    try:
        yield transport
    finally:
        await transport.close()


def reader() -> Peer:
    return build_peer(profile_of("sdt-sam-v"), seed=1, shared={}, speed=20)


def lay_card(peer: Peer, kind: str) -> Person:
    peer.buttons["insert_card"](person=WHO, kind=kind)
    peer.buttons["append_address"](NEW_ADDRESS)
    return People(seed=1).person(WHO)


async def read(transport: Transport) -> tuple[Driver, IdDocument]:
    driver = open_driver(profile_of("sdt-sam-v"), transport, SystemClock())
    await driver.identify()
    document = await asyncio.create_task(driver.execute(READ, READ.args.model_validate({"wait_s": 10})))
    assert isinstance(document, IdDocument)
    return driver, document


def words_of(document: IdDocument, person: Person) -> list[str]:
    told = [str(getattr(document, name)) for name in personal_fields(IdDocument)]
    fingerprints = base64.b64decode(document.fingerprints).decode()
    return [*told, fingerprints[:32], person.name, person.address, person.birth_date, person.english_name]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("line", [over_a_pty, over_usb])
async def test_reading_a_document_leaves_no_trace_of_it_in_any_log(line: object, kind: str, tmp_path: Path) -> None:
    peer = reader()
    person = lay_card(peer, kind)
    with everything_logged() as heard:
        async with asyncio.timeout(30), line(peer, tmp_path) as transport:  # type: ignore[operator]
            driver, document = await read(transport)
            logging.getLogger("anybody").debug("%r %s %r %s", document, document, driver, driver.counters())
    log = heard.getvalue()
    assert log.count("\n") > 20, "the loop has told what it did"
    assert (document.kind, document.address == NEW_ADDRESS) == (kind, True)
    assert hunt(log, words_of(document, person)) == []


async def test_what_cannot_be_read_is_told_without_quoting_it(tmp_path: Path) -> None:
    line = Tampered(reader())
    person = lay_card(line, "citizen")
    spoiled = bytearray(encode_text(person))
    spoiled[248:250] = b"\x51\x00"
    body = (256).to_bytes(2) + (0).to_bytes(2) + (0).to_bytes(2) + spoiled
    inner = (len(body) + 4).to_bytes(2) + b"\x00\x00\x90" + body
    xor = 0
    for byte in inner:
        xor ^= byte
    answer = bytes.fromhex("AAAAAA9669") + inner + bytes((xor,))
    line.instead = lambda data: answer if data[7:9] == b"\x30\x10" else None
    with everything_logged() as heard:
        async with over_a_pty(line, tmp_path) as transport:
            with pytest.raises(FrameError, match="offset 248") as caught:
                await read(transport)
            logging.getLogger("anybody").debug("refused", exc_info=caught.value)
    assert hunt(heard.getvalue() + repr(caught.value), [person.name, person.id_number, person.address]) == []


@pytest.mark.parametrize("command", [b"\x30\x10", b"\x30\x03"])
async def test_a_line_that_breaks_in_a_read_tells_nothing_either(command: bytes, tmp_path: Path) -> None:
    line = Tampered(reader())
    person = lay_card(line, "citizen")
    line.change = lambda sent, answers: (
        [(at, data[: len(data) // 2]) for at, data in answers] if sent[7:9] == command else answers
    )
    with everything_logged() as heard:
        async with over_a_pty(line, tmp_path) as transport:
            with pytest.raises(BridgeError) as caught:
                await read(transport)
            logging.getLogger("anybody").debug("refused", exc_info=caught.value)
    words = [person.name, person.id_number, person.address, person.birth_date, NEW_ADDRESS]
    assert hunt(heard.getvalue() + repr(caught.value), words) == []


def test_not_even_pyusb_s_own_trace_of_every_call_knows_the_person(repo_root: Path, tmp_path: Path) -> None:
    """PYUSB_DEBUG makes pyusb log the arguments and buffers of every call, from the moment it is imported."""
    script = f"""
import asyncio, logging, sys
sys.path.insert(0, {str(repo_root)!r})
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
from pathlib import Path
from tests.firmware_bridge import test_identity_in_logs as tests
async def main():
    peer = tests.reader()
    tests.lay_card(peer, "citizen")
    async with tests.over_usb(peer, Path(".")) as transport:
        driver, document = await tests.read(transport)
        print("read", document.kind)
asyncio.run(main(), debug=True)
"""
    told = tmp_path / "pyusb.log"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYUSB_DEBUG": "debug", "PYUSB_LOG_FILENAME": str(told)},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert "read citizen" in done.stdout, done.stderr
    person = People(seed=1).person(WHO)
    words = [person.name, person.id_number, person.address, person.birth_date, NEW_ADDRESS, "nobody's finger "]
    log = done.stdout + done.stderr + (told.read_text() if told.exists() else "")
    assert hunt(log, words) == []
    assert "bulk_write" not in log


@pytest.mark.parametrize(
    "leak",
    [
        lambda card: card,
        lambda card: encode_text(card).hex(),
        lambda card: encode_text(card).hex(" ").upper(),
        lambda card: repr(encode_text(card)),
        lambda card: str(list(encode_text(card))),
        lambda card: base64.b64encode(encode_text(card)),
        lambda card: base64.b64encode(b"?" + encode_text(card)),
        lambda card: base64.b64encode(b"??" + encode_text(card)),
        lambda card: ascii(card.name) + ascii(card.address) + card.birth_date + card.id_number,
    ],
)
async def test_the_hunt_finds_a_leak_in_every_shape(leak: object) -> None:
    card = People(seed=1).person(WHO)
    words = [card.name, card.id_number, card.address, card.birth_date]
    with everything_logged() as heard:
        logging.getLogger("leak").debug("got %s", leak(card))  # type: ignore[operator]
    assert hunt(heard.getvalue(), words) == sorted(words)
