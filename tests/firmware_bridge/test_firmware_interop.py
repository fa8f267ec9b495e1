"""Firmware against what we did not write: smpclient, smpmgr, the smp and xmodem packages, lrzsz, imgtool."""

import asyncio
import contextlib
import io
import os
import random
import select
import subprocess
import sys
import threading
import time
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from smpclient import SMPClient
from smpclient.generics import success
from smpclient.requests.image_management import ImageStatesRead
from smpclient.transport.serial import SMPSerialTransport

from device_profiles.schema.peripheral import Line
from firmware_bridge.clock import SystemClock
from firmware_bridge.transports.serial import SerialTransport
from firmware_bridge.update.errors import FirmwareRefused, TransferFailed
from firmware_bridge.update.firmware import Firmware
from firmware_bridge.update.keys import load_keys, load_private, make_key
from firmware_bridge.update.manifest import read_firmware
from firmware_bridge.update.smp import SmpMethod
from firmware_bridge.update.smp_line import SmpLine
from firmware_bridge.update.xymodem import Flavour, Sender
from simulators.loaders.modem_receiver import Receiver
from simulators.peripherals import Peer, build_peer
from simulators.pty_port import PtyPort
from tests.builders.firmware import mcuboot_image, smp_pad, trusted, version
from tests.edge_agent.fakes import eventually
from tests.firmware_bridge.smp_server import SmpServer
from tests.servers.parts import find_program, skipped_parts

BIG = mcuboot_image("2.0.0", program=random.Random(7).randbytes(100 * 1024))
ROOMY = {"slot_bytes": 128 * 1024, "page_bytes": 4096}


@asynccontextmanager
async def simulated(folder: Path, **device: int) -> AsyncIterator[Any]:
    peer: Peer = build_peer(smp_pad(**{**ROOMY, **device}), seed=1, shared={})
    port = PtyPort(peer, folder / "pad")
    port.plug()
    try:
        yield peer
    finally:
        port.unplug()


# --- SMP ------------------------------------------------------------------------------------------------------------


async def test_smpclient_uploads_100_kb_to_the_simulated_device(tmp_path: Path) -> None:
    async with simulated(tmp_path, smp_buffer=2048) as device:
        async with SMPClient(SMPSerialTransport(), str(tmp_path / "pad")) as client:
            offsets = [offset async for offset in client.upload(BIG)]
            states = await client.request(ImageStatesRead())
        assert offsets[-1] == len(BIG)
        assert bytes(device.flash.slots[1].data[: len(BIG)]) == BIG
        assert success(states)
        assert [(image.slot, image.version, image.active) for image in states.images] == [
            (0, "1.0.0", True),
            (1, "2.0.0", False),
        ]


@pytest.mark.slow
async def test_smpmgr_upgrades_the_simulated_device(tmp_path: Path) -> None:
    (tmp_path / "new.bin").write_bytes(BIG)
    tool = Path(sys.executable).with_name("smpmgr")
    async with simulated(tmp_path, smp_buffer=1024) as device:
        words = [str(tool), "--port", str(tmp_path / "pad"), "--timeout", "5", "upgrade", str(tmp_path / "new.bin")]
        words += ["--slot", "1"]  # it marks nothing in slot 0
        process = await asyncio.create_subprocess_exec(
            *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()
        await eventually(lambda: device.snapshot()["running"] == "2.0.0")
        assert bytes(device.flash.slots[0].data[: len(BIG)]) == BIG
        assert device.flash.on_trial, "unconfirmed: the next start reverts it"


@pytest.mark.parametrize("buffer", [256, 1024, 4096])
async def test_we_upload_100_kb_to_a_server_around_the_smp_package(
    buffer: int, record_property: Callable[[str, object], None]
) -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    server = SmpServer(master, buffer)
    loop = asyncio.get_running_loop()
    loop.add_reader(master, server.readable)
    transport, clock = SerialTransport(os.ttyname(slave), Line(baud=115200)), SystemClock()
    await transport.open()
    try:
        method = SmpMethod(transport, SmpLine(transport, clock, "console", 2.5), clock, erase_s=5, boot_s=5)
        firmware = Firmware(version("2.0.0"), BIG, b"\2" * 32, "", mcuboot=True)
        assert await method.installed() == version("1.0.0")
        await method.enter()
        told: list[int] = []
        begun = time.perf_counter()
        await method.transfer(firmware, lambda sent, total: told.append(sent))
        rate = len(BIG) / 1024 / (time.perf_counter() - begun)
        assert bytes(server.image) == BIG
        assert told[-1] == len(BIG)
        record_property("KiB/s", round(rate))
        print(f"buffer {buffer}: {rate:.0f} KiB/s, {server.requests} requests")
    finally:
        loop.remove_reader(master)
        await transport.close()
        os.close(master)
        os.close(slave)


# --- X- and YMODEM ----------------------------------------------------------------------------------------------------

PROGRAM = random.Random(8).randbytes(20_000)


@contextmanager
def line_to(*words: str, folder: Path) -> Iterator[int]:
    """A program on a pseudo-terminal; our end of it."""
    master, slave = os.openpty()
    tty.setraw(slave)
    with open(folder / "said", "wb") as said:
        process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=said, cwd=folder)
        try:
            yield master
            assert ended(process, master) == 0, (folder / "said").read_text()
        finally:
            process.kill()
            process.wait()
            os.close(master)
            os.close(slave)


def ended(process: subprocess.Popen[bytes], line: int) -> int | None:
    """Its exit code; it waits itself until its last words are read."""
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        if select.select([line], [], [], 0.1)[0]:
            os.read(line, 4096)
    return process.poll()


def send_on(descriptor: int, sender: Sender) -> None:
    deadline = time.monotonic() + 40
    while not sender.done:
        assert time.monotonic() < deadline
        ready, _, _ = select.select([descriptor], [], [], 5)  # a loaded machine is slow, which is not yet silence
        answer = sender.receive(os.read(descriptor, 4096)) if ready else sender.silence()
        while answer:
            answer = answer[os.write(descriptor, answer) :]


def lrzsz(name: str) -> str:
    if "lrzsz" in skipped_parts():
        pytest.skip("lrzsz is left out by HALLFLEET_SKIP")
    return str(find_program("lrzsz", name, f"l{name}"))


@pytest.mark.parametrize(
    ("flavour", "words"),
    [("ymodem", ["rb", "--overwrite"]), ("xmodem", ["rx", "-c", "got"]), ("xmodem-1k", ["rx", "-c", "got"])],
)
def test_lrzsz_receives_what_we_send(tmp_path: Path, flavour: Flavour, words: list[str]) -> None:
    with line_to(lrzsz(words[0]), *words[1:], folder=tmp_path) as line:
        send_on(line, Sender(PROGRAM, flavour, "got"))
    got = (tmp_path / "got").read_bytes()
    assert got[: len(PROGRAM)] == PROGRAM
    padding = got[len(PROGRAM) :]
    assert padding == (b"" if flavour == "ymodem" else b"\x1a" * len(padding))


@pytest.mark.parametrize("words", [["sb"], ["sb", "-k"], ["sx"], ["sx", "-k"]], ids=" ".join)
def test_the_simulated_loader_receives_what_lrzsz_sends(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "image").write_bytes(PROGRAM)
    got = bytearray()

    def store(offset: int, data: bytes) -> bool:
        assert offset == len(got)
        got.extend(data)
        return True

    with line_to(lrzsz(words[0]), *words[1:], "image", folder=tmp_path) as line:
        receiver = Receiver(words[0] == "sb", store, time.monotonic())
        while not receiver.finished:
            ready, _, _ = select.select([line], [], [], 0.1)
            said = receiver.receive(os.read(line, 4096), time.monotonic()) if ready else []
            for _, data in [*said, *receiver.advance(time.monotonic())]:
                os.write(line, data)
    assert bytes(got[: len(PROGRAM)]) == PROGRAM
    assert len(got) - len(PROGRAM) < (1 if words[0] == "sb" else 1024)


@contextmanager
def blocking_ends() -> Iterator[tuple[int, Callable[..., bytes | None], Callable[..., int]]]:
    """Our end of a line, and blocking ``getc`` and ``putc`` for a package at the other."""
    ours, theirs = os.openpty()
    tty.setraw(ours)
    tty.setraw(theirs)

    def getc(size: int, timeout: float | None = 1) -> bytes | None:
        got, ends_at = b"", time.monotonic() + (timeout or 1)
        while len(got) < size and (left := ends_at - time.monotonic()) > 0:
            if select.select([theirs], [], [], left)[0]:
                got += os.read(theirs, size - len(got))
        return got or None

    def putc(data: bytes, timeout: float | None = 1) -> int:
        return os.write(theirs, data)

    try:
        yield ours, getc, putc
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize(("flavour", "crc_mode"), [("xmodem", 1), ("xmodem", 0), ("xmodem-1k", 1)])
def test_the_xmodem_package_receives_what_we_send(flavour: Flavour, crc_mode: int) -> None:
    from xmodem import XMODEM  # type: ignore[import-untyped]

    stream = io.BytesIO()
    with blocking_ends() as (ours, getc, putc):
        thread = threading.Thread(target=lambda: XMODEM(getc, putc).recv(stream, crc_mode=crc_mode, delay=0.1, quiet=1))
        thread.start()
        send_on(ours, Sender(PROGRAM, flavour))
        thread.join(timeout=20)
    assert stream.getvalue()[: len(PROGRAM)] == PROGRAM


def test_the_ymodem_package_receives_what_we_send(tmp_path: Path) -> None:
    from ymodem.Socket import ModemSocket  # type: ignore[import-untyped]

    with blocking_ends() as (ours, getc, putc):
        thread = threading.Thread(target=lambda: ModemSocket(getc, putc).recv(str(tmp_path)))
        thread.start()
        send_on(ours, Sender(PROGRAM, "ymodem", "got.bin"))
        thread.join(timeout=20)
    assert (tmp_path / "got.bin").read_bytes() == PROGRAM


def test_a_device_that_never_asks_or_always_refuses_ends_the_transfer() -> None:
    silent, refusing = Sender(PROGRAM, "ymodem"), Sender(PROGRAM, "xmodem")
    assert silent.silence() + silent.silence() == b""
    with pytest.raises(TransferFailed, match="loader"):
        silent.silence()
    with pytest.raises(TransferFailed, match="did not take byte 0"):
        refusing.receive(b"\x15" * 20)
    with pytest.raises(TransferFailed, match="cancelled"):
        Sender(PROGRAM, "xmodem").receive(b"C\x18\x18")


def test_the_published_block_of_xmodem() -> None:
    payload = b"hall" + bytes(range(16))
    sender = Sender(payload, "xmodem")
    block = sender.receive(b"C")
    assert block[:3] == bytes.fromhex("0101FE")
    assert block[3:131] == payload.ljust(128, b"\x1a")
    assert block[131:].hex() == "25e3"
    plain = Sender(payload, "xmodem").receive(b"\x15")
    assert (plain[:131], plain[131:].hex()) == (block[:131], "11")


# --- imgtool ----------------------------------------------------------------------------------------------------------


def imgtool(*words: object) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name("imgtool")
    return subprocess.run([str(tool), *map(str, words)], capture_output=True, text=True, check=False)


def signed(folder: Path, key: Path, *more: object) -> Path:
    (folder / "app.bin").write_bytes(random.Random(9).randbytes(3000))
    words = ("--header-size", 512, "--pad-header", "--slot-size", 65536, "--align", 4, "-v", "1.2.3+4")
    about = ("--custom-tlv", "0x00a0", "test-pad", "--custom-tlv", "0x00a1", "A,B", "-s", "7")
    done = imgtool("sign", "-k", key, *words, *about, *more, folder / "app.bin", folder / "signed.bin")
    assert done.returncode == 0, done.stderr
    return folder / "signed.bin"


@pytest.fixture(params=["ed25519", "ecdsa-p256"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path, Path]:
    """An image that imgtool made, its key, and the public half."""
    key, public = tmp_path / "key.pem", tmp_path / "key.pub"
    assert imgtool("keygen", "-k", key, "-t", request.param).returncode == 0
    assert imgtool("getpub", "-k", key, "-e", "pem", "-o", public).returncode == 0
    return signed(tmp_path, key), key, public


def test_an_image_of_imgtool_is_accepted(made: tuple[Path, Path, Path]) -> None:
    image, _, public = made
    found = read_firmware(image.read_bytes(), None, load_keys([public]))
    assert (str(found.version), found.device_type, found.hardware) == ("1.2.3+4", "test-pad", ("A", "B"))
    assert found.security_counter == 7
    with pytest.raises(FirmwareRefused, match="trusted key"):
        read_firmware(image.read_bytes(), None, trusted())


def test_what_imgtool_refuses_we_refuse(made: tuple[Path, Path, Path]) -> None:
    from imgtool import keys  # type: ignore[import-untyped]
    from imgtool.image import Image, VerifyResult  # type: ignore[import-untyped]

    image, private, public = made
    content, trusted_keys, key = image.read_bytes(), load_keys([public]), keys.load(str(private))
    assert Image.verify(str(image), key)[0] is VerifyResult.OK
    dice, refused = random.Random(5), 0
    for _ in range(60):
        changed = bytearray(content)
        changed[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        image.write_bytes(changed)
        with contextlib.suppress(Exception):  # imgtool's parser may stumble: that is a no as well
            refused += Image.verify(str(image), key)[0] is not VerifyResult.OK
        with pytest.raises(FirmwareRefused):
            read_firmware(bytes(changed), None, trusted_keys)
    assert refused > 40


@pytest.mark.parametrize("more", [("--pad",), ("--non-bootable",)], ids=["padded", "not bootable"])
def test_images_that_are_not_for_an_upload_are_refused(
    made: tuple[Path, Path, Path], more: tuple[str, ...], tmp_path: Path
) -> None:
    _, key, public = made
    with pytest.raises(FirmwareRefused, match="image"):
        read_firmware(signed(tmp_path, key, *more).read_bytes(), None, load_keys([public]))


def test_imgtool_signs_with_a_key_of_ours(tmp_path: Path) -> None:
    make_key(tmp_path / "maker", tmp_path / "maker.pub")
    load_private(tmp_path / "maker")
    found = read_firmware(signed(tmp_path, tmp_path / "maker").read_bytes(), None, load_keys([tmp_path / "maker.pub"]))
    assert found.device_type == "test-pad"
