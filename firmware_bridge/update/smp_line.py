"""smpclient over our own line: its requests and its upload, our transport, framing and deadlines.

No second opener of the port, no polling. Importing it costs an agent 6 MiB, a small program 21 (smp, smpclient,
pydantic models): only an update does.
"""

import logging
from typing import Literal

from smpclient.transport import SMPTransport

from firmware_bridge.clock import Clock
from firmware_bridge.framing.smp_serial import CobsFrames, ConsoleFrames, encode_cobs, encode_console
from firmware_bridge.transports import Transport

FIRST_MESSAGE = 128 - 32  # bytes that fit one console line of 128: until the device has told its buffer
FRAME_OVERHEAD = 4  # length and checksum share the device's buffer with the message
HEADER, SEQUENCE = 8, 6  # its length, and the place of the sequence number in it
LARGEST_MESSAGE = 4096  # bytes; more gains nothing on a serial line

Framing = Literal["console", "cobs"]

# They write whole frames at DEBUG and ERROR; what a device answers does not belong in a log.
for _name in ("smp", "smpclient"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class SmpLine(SMPTransport):
    """An open ``Transport`` as smpclient wants it. ``patience_s`` is how long an answer may take."""

    def __init__(self, transport: Transport, clock: Clock, framing: Framing, patience_s: float) -> None:
        self._transport = transport
        self._clock = clock
        self._frames = ConsoleFrames() if framing == "console" else CobsFrames()
        self._encode = encode_console if framing == "console" else encode_cobs
        self.patience_s = patience_s

    async def connect(self, address: str, timeout_s: float) -> None:
        """The line is open already: forget what another client left on it."""
        self._transport.discard_input()
        self._frames.reset()

    async def disconnect(self) -> None:
        """The line stays open: it is not smpclient's."""
        self._frames.reset()

    async def send(self, data: bytes) -> None:
        self._transport.discard_input()
        self._frames.reset()
        await self._transport.write(self._encode(data))

    async def receive(self) -> bytes:
        while (message := self._frames.next()) is None:
            self._frames.feed(await self._transport.read())
        return message

    async def send_and_receive(self, data: bytes) -> bytes:
        """One exchange. Raises TimeoutError after ``patience_s``; an answer to another request is waited past."""
        await self.send(data)
        # smpclient's own deadline runs on the loop's clock; this one runs on ours, which a test may turn.
        async with self._clock.timeout(self.patience_s):
            while True:
                message = await self.receive()
                if len(message) >= HEADER and message[SEQUENCE] == data[SEQUENCE]:
                    return message

    def initialize(self, smp_server_transport_buffer_size: int) -> None:
        size = min(max(smp_server_transport_buffer_size, FIRST_MESSAGE), LARGEST_MESSAGE)
        self._smp_server_transport_buffer_size = size

    @property
    def mtu(self) -> int:
        return self.max_unencoded_size

    @property
    def max_unencoded_size(self) -> int:
        size = self._smp_server_transport_buffer_size
        return FIRST_MESSAGE if size is None else size - FRAME_OVERHEAD
