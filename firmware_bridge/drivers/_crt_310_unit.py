"""The exchange with a CREATOR CRT-310: questions, settings, movements, and what its refusals mean in XFS4IoT's words.

Errors and results: CardReader_CRT310 (C#), one source, and the error table published with CREATOR's own library.
"""

from device_profiles.capabilities.model import Action, Effect
from firmware_bridge.codecs.crt_310 import (
    ENQUIRY,
    READER_STATUS,
    Answer,
    Cm,
    Negative,
    Place,
    Positive,
    Reply,
    Reset,
    Result,
    encode,
)
from firmware_bridge.drivers._handshake import Handshaker
from firmware_bridge.errors import DeviceFault, PeerBrokeProtocol
from firmware_bridge.link import Link

# XFS word, who must act, what it means.
ERRORS: dict[int, tuple[str, Action, str]] = {
    0x00: ("command_unsupported", Action.SOFTWARE_ERROR, "undefined command"),
    0x01: ("invalid_data", Action.SOFTWARE_ERROR, "undefined parameter"),
    0x02: ("command_sequence", Action.RESET, "not possible in this state"),
    0x04: ("invalid_data", Action.SOFTWARE_ERROR, "wrong data"),
    0x05: ("hardware_error", Action.MAINTENANCE, "the supply voltage is out of range"),
    0x06: ("media_jam", Action.MAINTENANCE, "a card of the wrong length is inside"),
    0x07: ("hardware_error", Action.MAINTENANCE, "the power has failed, the reader runs from its reserve"),
}
RESULTS: dict[int, tuple[str, Action, str]] = {
    Result.FAILED: ("media_jam", Action.MAINTENANCE, "the card cannot be moved"),
    Result.NO_CARD: ("no_media", Action.RESET, "no card to move"),
    Result.WRONG_PLACE: ("media_moved", Action.RESET, "the card is not where it should be"),
}
_UNLISTED = ("hardware_error", Action.MAINTENANCE, "an error that the protocol does not list")


class CardUnit:
    """One reader on its line. ``stuck_at`` is the place at which a movement failed, until a card moves again."""

    def __init__(self, link: Link[Reply], *, attempts: int, ack_s: float) -> None:
        self.link = link
        self.stuck_at: int | None = None
        self._line = Handshaker[Answer](link, attempts=attempts, ack_s=ack_s, enquiry=ENQUIRY)

    async def reset(self, how: Reset) -> bytes:
        """Initialise; the data of the answer. A reset undoes the settings of the entry."""
        answer = await self._ask(Cm.RESET, how, effect=Effect.IDEMPOTENT)
        self.stuck_at = None
        return answer.data

    async def serial_number(self) -> bytes:
        """Empty when the reader has none or does not know the command (it comes from a neighbouring model)."""
        try:
            data = (await self._ask(Cm.RESET, Reset.SERIAL_NUMBER)).data
        except DeviceFault:
            return b""
        return data[2 : 2 + data[1]] if len(data) >= 2 and data[0] == Result.DONE else b""

    async def look(self) -> tuple[int, int]:
        """Where the card is (see ``Place``) and what opens the shutter."""
        data = (await self._ask(Cm.STATUS, READER_STATUS)).data
        if len(data) != 3 or data[0] not in list(Place):
            raise PeerBrokeProtocol(
                f"status: expected a place 46 to 4E and two settings, got {data[:16].hex(' ') or 'nothing'}: "
                "is this a CRT-310?"
            )
        if self.stuck_at is not None and data[0] != self.stuck_at:
            self.stuck_at = None  # somebody or something has moved the card
        return data[0], data[1]

    async def place(self) -> int:
        """Where the card is."""
        return (await self.look())[0]

    async def set_entry(self, front: int, rear: int) -> None:
        """What may come in, at the front and at the rear."""
        data = (await self._ask(Cm.ENTRY, front, bytes((rear,)), effect=Effect.IDEMPOTENT)).data
        _succeeded(data, f"entry {front:02X} {rear:02X}")

    async def move(self, parameter: int) -> None:
        """One movement, never repeated: raises OutcomeUnknown when its answer is lost."""
        data = (await self._ask(Cm.MOVE, parameter, effect=Effect.ONCE)).data
        if data[:1] == bytes((Result.FAILED,)):
            self.stuck_at = await self.place()
        _succeeded(data, f"move {parameter:02X}")
        self.stuck_at = None

    async def _ask(self, command: int, parameter: int, data: bytes = b"", *, effect: Effect = Effect.READ) -> Positive:
        def accept(answer: Answer) -> bool:
            if isinstance(answer, Negative):
                return answer.command == command
            return (answer.command, answer.parameter) == (command, parameter)

        answer = await self._line.ask(encode(command, parameter, data), effect=effect, accept=accept)
        if isinstance(answer, Negative):
            code, action, words = ERRORS.get(answer.error, _UNLISTED)
            told = f"error {answer.error:02X} to command {command:02X} {parameter:02X}"
            raise DeviceFault(code, action, f"{words} ({told})")
        return answer


def _succeeded(data: bytes, asked: str) -> None:
    result = data[0] if data else Result.DONE
    if result != Result.DONE:
        code, action, words = RESULTS.get(result, _UNLISTED)
        raise DeviceFault(code, action, f"{words} (result {result:02X} of {asked})")
