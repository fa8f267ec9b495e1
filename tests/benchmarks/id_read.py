"""An ID card read through the driver over a pty whose device sends at the pace of a line with 115200 baud.

Goal: the driver adds under 5 % to the time that the bytes need on the wire, for an answer of 4 KiB. The largest answer
that real modules give, text, photo and two fingerprints, has 2321 bytes.
"""

import asyncio
import os
import statistics
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from device_profiles.capabilities import CAPABILITIES
from device_profiles.catalog import load_catalog
from device_profiles.schema.peripheral import Line
from firmware_bridge.clock import SystemClock
from firmware_bridge.drivers.sam_v import open_driver
from firmware_bridge.framing.checksums import xor8
from firmware_bridge.transports.serial import SerialTransport
from simulators.people import People
from simulators.peripherals.id_text import encode_text

BAUD, ROUNDS, PIECE = 115200, 7, 64
BYTE_S = 10 / BAUD  # start, eight data bits, stop
SIZES = (2321, 4096)
_READ = CAPABILITIES["id_reader"].commands["read"]
_PREAMBLE, _REQUEST_SIZE = bytes.fromhex("AAAAAA9669"), 10


def _frame(sw3: int, data: bytes) -> bytes:
    body = (len(data) + 4).to_bytes(2, "big") + bytes((0, 0, sw3)) + data
    return _PREAMBLE + body + bytes((xor8(body),))


def _read_answer(size: int) -> bytes:
    text, photo = encode_text(next(iter(People(seed=1)))), bytes(1024)
    fingerprints = bytes(size - len(_frame(0x90, bytes(6) + text + photo)))
    lengths = b"".join(len(part).to_bytes(2, "big") for part in (text, photo, fingerprints))
    return _frame(0x90, lengths + text + photo + fingerprints)


def _answers(size: int) -> dict[bytes, bytes]:
    """By command and parameter."""
    return {b"\x20\x01": _frame(0x9F, bytes(4)), b"\x20\x02": _frame(0x90, bytes(8)), b"\x30\x10": _read_answer(size)}


def _serve(master: int, answers: dict[bytes, bytes]) -> None:
    """Answer each request; every piece leaves when its last byte would have come over the wire."""
    while request := os.read(master, _REQUEST_SIZE):
        answer, began = answers[request[7:9]], time.monotonic()
        for at in range(0, len(answer), PIECE):
            piece = answer[at : at + PIECE]
            time.sleep(max(0.0, began + (at + len(piece)) * BYTE_S - time.monotonic()))
            os.write(master, piece)


@contextmanager
def _device(answers: dict[bytes, bytes]) -> Iterator[str]:
    """The path of a serial port behind which a process plays the module."""
    master, slave = os.openpty()
    tty.setraw(slave)
    module = os.fork()
    if module == 0:
        try:
            _serve(master, answers)
        finally:
            os._exit(0)
    try:
        yield os.ttyname(slave)
    finally:
        os.kill(module, 9)
        os.waitpid(module, 0)
        os.close(master)
        os.close(slave)


async def _seconds(path: str) -> list[float]:
    profile = load_catalog().peripheral("sdt-sam-v")
    told = profile.model_copy(update={"options": {"fingerprints": True}})
    transport = SerialTransport(path, Line(baud=BAUD))
    await transport.open()
    driver = open_driver(told, transport, SystemClock())
    args = _READ.args.model_validate({"wait_s": 5})
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await driver.execute(_READ, args)
        taken.append(time.perf_counter() - began)
    await transport.close()
    return taken


def measure() -> dict[str, object]:
    """Per size of the answer: time on the wire of all answers of one read, time of the read, and what was added."""
    figures: dict[str, object] = {}
    for size in SIZES:
        answers = _answers(size)
        wire_s = sum(map(len, answers.values())) * BYTE_S
        with _device(answers) as path:
            taken = asyncio.run(_seconds(path))
        figures[f"{size} bytes: on the wire ms"] = round(wire_s * 1000, 1)
        figures[f"{size} bytes: read ms, median of {ROUNDS}"] = round(statistics.median(taken) * 1000, 1)
        figures[f"{size} bytes: added % (goal 5)"] = round(100 * (statistics.median(taken) / wire_s - 1), 2)
    return figures
