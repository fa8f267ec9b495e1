"""The line between a ZVT terminal and its host, as the terminal sees it: frames in, frames out, one at a time.

Written from the serial transport of the ECR interface: ``10 02`` APDU ``10 03`` CRC with doubled 10, CRC-16/KERMIT over
APDU and 03; 06 acknowledges a frame, 15 asks for it again.
"""

from collections.abc import Iterator

import fastcrc

from simulators.peripherals.peer import Inbox

ACK, NAK = b"\x06", b"\x15"


def framed(apdu: bytes) -> bytes:
    """The bytes of an APDU on the line."""
    check = fastcrc.crc16.kermit(apdu + b"\x03").to_bytes(2, "little")
    doubled = b"".join(b"\x10\x10" if byte == 0x10 else bytes((byte,)) for byte in apdu)
    return b"\x10\x02" + doubled + b"\x10\x03" + check


class Wire:
    """Cuts what arrives into acknowledgements (06, 15), APDUs, and ``b""`` for a damaged one."""

    def __init__(self) -> None:
        self._inbox = Inbox(gap_s=0.2)  # T1

    def received(self, data: bytes, now: float) -> Iterator[bytes]:
        """Everything that is whole by now."""
        self._inbox.add(data, now)
        while self._inbox.data:
            first = bytes(self._inbox.data[:1])
            if first in (ACK, NAK):
                yield self._inbox.take(1)
            elif first != b"\x10":
                self._inbox.drop(1)
            else:
                one = self._frame()
                if one is None:
                    return
                yield one

    def _frame(self) -> bytes | None:
        data = self._inbox.data
        apdu = bytearray()
        at = 2
        if len(data) < 2:
            return None
        if data[1] != 0x02:
            self._inbox.drop(1)
            return b""
        while at < len(data):
            if data[at] != 0x10:
                apdu.append(data[at])
                at += 1
                continue
            if at + 1 == len(data):
                return None
            if data[at + 1] == 0x03:
                return self._checked(bytes(apdu), at + 2)
            if data[at + 1] != 0x10:
                self._inbox.drop(at)
                return b""
            apdu.append(0x10)
            at += 2
        return None

    def _checked(self, apdu: bytes, end: int) -> bytes | None:
        if len(self._inbox.data) < end + 2:
            return None
        good = self._inbox.data[end : end + 2] == fastcrc.crc16.kermit(apdu + b"\x03").to_bytes(2, "little")
        self._inbox.take(end + 2)
        return apdu if good and len(apdu) >= 3 else b""
