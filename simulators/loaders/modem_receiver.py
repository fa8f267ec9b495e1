"""The receiving side of XMODEM-CRC, XMODEM-1K and YMODEM, as a boot loader has it.

Written from Forsberg's protocol reference: asks with C every second, answers each block with ACK or NAK, takes a
repeated block once. YMODEM's first end is refused once, as the reference advises against a line that invents one.
"""

from collections.abc import Callable

from simulators.peripherals.peer import Output

SOH, STX, EOT, ACK, NAK, CAN, ASK = 0x01, 0x02, 0x04, 0x06, 0x15, 0x18, 0x43
ASK_EVERY_S, GAP_S, REPLY_S = 1.0, 1.0, 0.001
POLYNOMIAL = 0x1021


class Receiver:
    """``store(offset, data)`` takes the image; ``finished`` once all of it has come, or the sender gave up."""

    def __init__(self, ymodem: bool, store: Callable[[int, bytes], bool], now: float) -> None:
        self._ymodem = ymodem
        self._store = store
        self._expected = 0 if ymodem else 1
        self._offset = 0
        self._size: int | None = None  # YMODEM tells it
        self._pending = bytearray()
        self._asked_at = float("-inf")
        self._asking = True
        self._ends = 0
        self._cancels = 0
        self.heard_at = now
        self.finished = False

    def advance(self, now: float) -> Output:
        """Ask for the image, or for a block whose rest does not come."""
        if self.finished:
            return []
        if self._pending and now - self.heard_at > GAP_S:
            self._pending.clear()
            return [(now, bytes([NAK]))]
        if self._asking and now - self._asked_at >= ASK_EVERY_S:
            self._asked_at = now
            return [(now, bytes([ASK]))]
        return []

    def receive(self, data: bytes, now: float) -> Output:
        """Bytes from the sender."""
        self.heard_at = now
        self._pending += data
        said = bytearray()
        while self._pending and not self.finished:
            if (taken := self._one(said)) == 0:
                break
            del self._pending[:taken]
        return [(now + REPLY_S, bytes(said))] if said else []

    def _one(self, said: bytearray) -> int:
        """Bytes used up; 0: more are needed."""
        first = self._pending[0]
        if first == EOT:
            if self._offset:  # before the first block it ends nothing: noise
                self._end(said)
            return 1
        if first == CAN:
            self._cancels += 1
            self.finished = self._cancels >= 2
            return 1
        self._cancels = 0
        if first not in (SOH, STX):
            return 1
        size = 128 if first == SOH else 1024
        if len(self._pending) < size + 5:
            return 0
        frame = bytes(self._pending[: size + 5])
        if frame[1] ^ frame[2] != 0xFF or crc(frame[3:]) != 0:
            said.append(NAK)
            return len(self._pending)  # what follows a broken block is its rest
        self._block(frame[1], frame[3:-2], said)
        return size + 5

    def _block(self, number: int, data: bytes, said: bytearray) -> None:
        self._asking = False
        if number == (self._expected - 1) % 256 and self._offset:
            said.append(ACK)  # our answer was lost: the same block again
        elif self._ymodem and number == 0 and (self._ends or not self._offset):
            self._header(data, said)
        elif number == self._expected:
            self._data(data, said)
        else:
            said += bytes([CAN, CAN])
            self.finished = True

    def _header(self, data: bytes, said: bytearray) -> None:
        said.append(ACK)
        if data[0] == 0:  # the empty name ends the batch
            self.finished = True
            return
        self._size = int(data.split(b"\0")[1].split(b" ")[0])
        self._expected = 1
        said.append(ASK)

    def _data(self, data: bytes, said: bytearray) -> None:
        if self._size is not None:
            data = data[: self._size - self._offset]
        if not self._store(self._offset, data):
            said += bytes([CAN, CAN])
            self.finished = True
            return
        self._offset += len(data)
        self._expected = (self._expected + 1) % 256
        said.append(ACK)

    def _end(self, said: bytearray) -> None:
        self._ends += 1
        if not self._ymodem:
            said.append(ACK)
            self.finished = True
        elif self._ends == 1:
            said.append(NAK)
        else:
            said += bytes([ACK, ASK])


def crc(data: bytes) -> int:
    """CRC-16 of XMODEM; 0 over data that ends with its own."""
    value = 0
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ POLYNOMIAL if value & 0x8000 else value << 1) & 0xFFFF
    return value
