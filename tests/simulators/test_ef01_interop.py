"""A client that we did not write, pyfingerprint, on our fingerprint module over a pseudo-terminal."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from pyfingerprint.pyfingerprint import (
    FINGERPRINT_CHARBUFFER1,
    FINGERPRINT_CHARBUFFER2,
    PyFingerprint,
)

from device_profiles.catalog import load_catalog
from simulators.peripherals import build_peer
from simulators.pty_port import PtyPort

PROFILE = load_catalog().peripheral("zfm-fingerprint")
Result = TypeVar("Result")


class Module:
    """The simulated module, and the client that talks to it in a thread."""

    def __init__(self, port: PtyPort) -> None:
        self.port = port

    async def with_client(self, work: Callable[[Any], Result], password: int = 0) -> Result:
        def run() -> Result:
            client = PyFingerprint(str(self.port.link), 57600, 0xFFFFFFFF, password)
            return work(client)

        return await asyncio.to_thread(run)

    def wait_for_image(self, client: Any) -> None:
        """As the library's own examples do it, but not for ever."""
        give_up = time.monotonic() + 10
        while not client.readImage():
            assert time.monotonic() < give_up, "the client saw no finger"


@asynccontextmanager
async def module(tmp_path: Path, **options: int) -> AsyncIterator[Module]:
    profile = PROFILE.model_copy(update={"options": {**PROFILE.options, **options}})
    port = PtyPort(build_peer(profile, seed=1, shared={}, speed=20), tmp_path / "finger", profile.line.baud)
    port.plug()
    try:
        async with asyncio.timeout(40):
            yield Module(port)
    finally:
        port.unplug()


async def test_it_opens_the_module_with_its_password_and_reads_its_parameters(tmp_path: Path) -> None:
    async with module(tmp_path, password=7) as found:
        assert await found.with_client(lambda client: client.verifyPassword(), password=7) is True
        assert await found.with_client(lambda client: client.verifyPassword(), password=8) is False
        assert await found.with_client(lambda client: client.getStorageCapacity(), password=7) == 1000
        assert await found.with_client(lambda client: client.getMaxPacketSize(), password=7) == 128
        assert await found.with_client(lambda client: client.getBaudRate(), password=7) == 57600


async def test_it_enrols_a_finger_with_two_touches_and_identifies_it(tmp_path: Path) -> None:
    async with module(tmp_path) as found:

        def enrol(client: Any) -> tuple[int, int]:
            assert client.verifyPassword()
            before = client.getTemplateCount()
            found.wait_for_image(client)
            client.convertImage(FINGERPRINT_CHARBUFFER1)
            assert client.searchTemplate()[0] == -1  # nobody knows this finger yet
            assert not client.readImage()  # lifted
            found.wait_for_image(client)
            client.convertImage(FINGERPRINT_CHARBUFFER2)
            assert client.compareCharacteristics() > 0
            assert client.createTemplate()
            return before, client.storeTemplate()

        found.port.press("present_finger", person="p300")
        before, page = await found.with_client(enrol)
        assert (before, found.port.snapshot()["enrolled"]) == (199, 200)

        def identify(client: Any) -> tuple[int, int]:
            found.wait_for_image(client)
            client.convertImage(FINGERPRINT_CHARBUFFER1)
            return client.searchTemplate()

        assert await found.with_client(identify) == (page, 100)
        assert await found.with_client(lambda client: client.deleteTemplate(page)) is True
        assert (await found.with_client(identify))[0] == -1


async def test_it_takes_two_different_fingers_for_different_ones(tmp_path: Path) -> None:
    async with module(tmp_path) as found:

        def first(client: Any) -> None:
            found.wait_for_image(client)
            client.convertImage(FINGERPRINT_CHARBUFFER1)

        def second(client: Any) -> bool:
            found.wait_for_image(client)
            client.convertImage(FINGERPRINT_CHARBUFFER2)
            return bool(client.createTemplate())

        found.port.press("present_finger", person="p300")
        await found.with_client(first)
        found.port.press("lift_finger")
        found.port.press("present_finger", person="p301")
        assert await found.with_client(second) is False


async def test_it_reads_which_pages_are_taken_and_a_template(tmp_path: Path) -> None:
    async with module(tmp_path) as found:
        pages = await found.with_client(lambda client: client.getTemplateIndex(0))
        assert [number for number, taken in enumerate(pages) if taken] == list(range(1, 200))

        def template(client: Any) -> bytes:
            client.loadTemplate(7, FINGERPRINT_CHARBUFFER1)
            return bytes(client.downloadCharacteristics(FINGERPRINT_CHARBUFFER1))

        assert await found.with_client(template) == (b"p007 " * 103)[:512]
