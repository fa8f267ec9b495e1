"""A device with MCUboot and an SMP server, around an application that may speak SMP itself.

Written from Zephyr's description of the SMP groups: group 0 echo (0), reset (5) and parameters (6); group 1 state (0),
upload (1) and erase (5). Everything else on the line belongs to the application. An upload is remembered by the SHA-256
of its file while the power stays on; after a cut it begins at 0.
"""

import struct
from collections.abc import Callable
from typing import Any

import cbor2

from firmware_bridge.framing.smp_serial import CobsFrames, ConsoleFrames, encode_cobs, encode_console
from simulators.loaders import Application
from simulators.loaders.boot import Found, Mark, TwoSlots, factory_image
from simulators.loaders.powered import PoweredDevice
from simulators.peripherals.peer import Output, Surroundings

READ, WRITE = 0, 2
OS, IMAGE = 0, 1
ECHO, RESET, PARAMETERS = 0, 5, 6
STATE, UPLOAD, ERASE = 0, 1, 5
INVALID, NO_ENTRY, BAD_STATE, NOT_SUPPORTED = 3, 5, 6, 8  # enum mcumgr_err_t
REPLY_S = 0.004

Body = dict[str, Any]


class Refusal(Exception):
    """An answer with an error code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"rc {code}")
        self.code = code


class SmpDevice(PoweredDevice):
    """See ``simulators.loaders`` for its options."""

    def __init__(self, around: Surroundings, application: Application) -> None:
        super().__init__()
        self._start_application = application
        factory = factory_image(around.word("firmware", "1.0.0"))
        self.flash = TwoSlots(
            self.power, around.number("slot_bytes", 256 * 1024), around.number("page_bytes", 4096), factory
        )
        self._buffer = around.number("smp_buffer", 384)
        self._watchdog_s = float(around.number("watchdog_s", 5))
        update = around.profile.update
        console = around.word("framing", "console" if update is None else update.framing) == "console"
        self._frames = ConsoleFrames() if console else CobsFrames()
        self._wrap = encode_console if console else encode_cobs
        self._upload: tuple[bytes, int] | None = None  # SHA-256 of the file, its length
        self._offset = 0
        self._running: Found | None = None
        self._hangs_until: float | None = None
        self._deaf = False
        self.boot(0.0)

    def boot(self, now: float) -> None:
        self._frames.reset()
        self._upload, self._offset = None, 0
        before = self._running
        self._running = self.flash.start()
        fresh = self.flash.on_trial and (before is None or self._running is None or before != self._running)
        wrong = self.take_wrong() if fresh else ""
        self._hangs_until = now + self._watchdog_s if wrong == "hang" else None
        self._deaf = wrong == "spoil"
        if self._running is not None:
            self.application = self._start_application(self._running.version)

    def hear(self, data: bytes, now: float) -> Output:
        if self._running is None or self._hangs_until is not None:
            return []
        self._frames.feed(data)
        sent: Output = []
        while (message := self._frames.next()) is not None:
            sent += self._message(message, now)
        return sent

    def tick(self, now: float) -> Output:
        if self._hangs_until is not None:
            if now >= self._hangs_until:
                self._hangs_until = None
                self.restart(now)
            return []
        if self.application is None or self._deaf:
            return []
        return self.application.advance(now)

    def snapshot(self) -> Body:
        slots = [self.flash.image(slot) for slot in (0, 1)]
        return {
            **super().snapshot(),
            "running": None if self._running is None or self.application is None else self._running.version,
            "slots": [None if found is None else found.version for found in slots],
            "on_trial": self.flash.on_trial,
            "marked": self.flash.mark.name.lower(),
        }

    def _message(self, message: bytes, now: float) -> Output:
        if len(message) < 8:
            return []
        first, _, length, group, sequence, command = struct.unpack(">BBHHBB", message[:8])
        ours = group == IMAGE or (group == OS and command in (ECHO, RESET, PARAMETERS))
        if not ours:
            if self.application is None or self._deaf:
                return []
            return self.application.receive(self._wrap(message), now)
        if length != len(message) - 8 or first & 7 not in (READ, WRITE):
            return []
        body = cbor2.dumps(self._answer(group, command, first & 7 == WRITE, message[8:], now))
        head = struct.pack(">BBHHBB", first + 1, 0, len(body), group, sequence, command)
        return [(now + REPLY_S, self._wrap(head + body))]

    def _answer(self, group: int, command: int, writes: bool, raw: bytes, now: float) -> Body:
        try:
            asked = cbor2.loads(raw)
            if not isinstance(asked, dict):
                raise Refusal(INVALID)
            return self._known(now).get((group, command, writes), _unknown)(asked)
        except cbor2.CBORDecodeError:
            return {"rc": INVALID}
        except Refusal as refusal:
            return {"rc": refusal.code}

    def _known(self, now: float) -> dict[tuple[int, int, bool], Callable[[Body], Body]]:
        return {
            (OS, ECHO, True): lambda asked: {"r": asked.get("d", "")},
            (OS, PARAMETERS, False): lambda asked: {"buf_size": self._buffer, "buf_count": 2},
            (OS, RESET, True): lambda asked: self._reset(now),
            (IMAGE, STATE, False): lambda asked: self._states(),
            (IMAGE, STATE, True): self._mark,
            (IMAGE, UPLOAD, True): self._take,
            (IMAGE, ERASE, True): self._erase,
        }

    def _reset(self, now: float) -> Body:
        self.restart(now)
        return {}

    def _states(self) -> Body:
        images = []
        for slot in (0, 1):
            if (found := self.flash.image(slot)) is None:
                continue
            trial = self.flash.on_trial
            images.append({
                "slot": slot, "version": found.version, "hash": found.digest, "bootable": True,
                "pending": slot == 1 and self.flash.mark is not Mark.NONE, "active": slot == 0,
                "confirmed": trial if slot else not trial,
                "permanent": slot == 1 and self.flash.mark is Mark.PERMANENT,
            })  # fmt: skip
        return {"images": images, "splitStatus": 0}

    def _mark(self, asked: Body) -> Body:
        digest, confirm = asked.get("hash"), bool(asked.get("confirm", False))
        running = self.flash.image(0)
        if digest is None or (running is not None and digest == running.digest):
            if not confirm:
                raise Refusal(INVALID)
            if self.flash.on_trial:
                self.flash.confirm()
            return self._states()
        other = self.flash.image(1)
        if other is None or other.digest != digest:
            raise Refusal(NO_ENTRY)
        if self.flash.on_trial:
            raise Refusal(BAD_STATE)
        self.flash.request(Mark.PERMANENT if confirm else Mark.TEST)
        return self._states()

    def _take(self, asked: Body) -> Body:
        offset, data = asked.get("off"), asked.get("data")
        if not isinstance(offset, int) or not isinstance(data, bytes):
            raise Refusal(INVALID)
        if offset == 0:
            self._begin(asked)
        if self._upload is None or (offset == 0 and self._offset):
            return {"off": self._offset}
        if offset == self._offset:
            if offset + len(data) > self._upload[1]:
                raise Refusal(INVALID)
            self.flash.slots[1].put(offset, data)
            self._offset += len(data)
        return {"off": self._offset}

    def _begin(self, asked: Body) -> None:
        length, sha = asked.get("len"), asked.get("sha", b"")
        if not isinstance(length, int) or not 0 < length <= len(self.flash.slots[1].data):
            raise Refusal(INVALID)
        if self._upload == (sha, length) and sha:
            return  # the same file again: it goes on
        if self.flash.on_trial or self.flash.mark is not Mark.NONE:
            raise Refusal(BAD_STATE)  # slot 1 holds the way back, or what the next start wants
        self.flash.erase()
        self._upload, self._offset = (sha, length), 0

    def _erase(self, asked: Body) -> Body:
        if self.flash.on_trial or self.flash.mark is not Mark.NONE:
            raise Refusal(BAD_STATE)
        self.flash.erase()
        self._upload, self._offset = None, 0
        return {}


def _unknown(asked: Body) -> Body:
    raise Refusal(NOT_SUPPORTED)
