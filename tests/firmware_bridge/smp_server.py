"""An SMP server in a few lines around the smp package: not the simulator's code, not ours. Serves a descriptor."""

import os
from typing import Any

import cbor2
from smp import header as smp_header
from smp import packet

ACTIVE = {"slot": 0, "version": "1.0.0", "hash": b"\1" * 32, "bootable": True, "confirmed": True, "active": True}


class SmpServer:
    """Takes one image. ``serve_once`` answers what has come in; ``image`` is what was uploaded."""

    def __init__(self, descriptor: int, buffer: int) -> None:
        self._fd = descriptor
        self._buffer = buffer
        self._lines = b""
        self._decoder: Any = None
        self.image = bytearray()
        self.length = -1
        self.requests = 0

    def readable(self) -> None:
        """Read what is there and answer whole requests."""
        self._lines += os.read(self._fd, 65536)
        *lines, self._lines = self._lines.split(b"\n")
        for line in lines:
            if line.startswith(packet.START_DELIMITER):
                self._decoder = packet.decode()
                next(self._decoder)
            try:
                self._decoder.send(line + b"\n")
            except StopIteration as whole:
                self._answer(whole.value)

    def _answer(self, frame: bytes) -> None:
        self.requests += 1
        assert len(frame) <= self._buffer - 4, "the client sent more than the server's buffer holds"
        head = smp_header.Header.loads(frame[:8])
        body = cbor2.dumps(self._do(head.group_id, head.command_id, cbor2.loads(frame[8:])))
        told = smp_header.Header(
            op=smp_header.OP(head.op + 1),
            version=head.version,
            flags=head.flags,
            length=len(body),
            group_id=head.group_id,
            sequence=head.sequence,
            command_id=head.command_id,
        )
        for line in packet.encode(told.BYTES + body):
            os.write(self._fd, line)

    def _do(self, group: int, command: int, asked: dict[str, Any]) -> dict[str, Any]:
        if (group, command) == (0, 6):
            return {"buf_size": self._buffer, "buf_count": 1}
        if (group, command) == (1, 0):
            return {"images": [ACTIVE]}
        if (group, command) == (1, 1):
            if asked["off"] == 0:
                self.image.clear()
                self.length = asked["len"]
            if asked["off"] == len(self.image):
                self.image += asked["data"]
            return {"off": len(self.image)}
        return {"r": asked.get("d", "")}
