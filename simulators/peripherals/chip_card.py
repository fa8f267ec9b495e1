"""The contact chip of a travel permit: one file, read with two APDUs of ISO 7816-4.

File 0001 holds UTF-8 values as tag, length, value: 01 permit number, 02 holder's name, 03 birth date YYYYMMDD.
"""

from simulators.people import Permit

ANSWER_TO_RESET = bytes.fromhex("3B65000020 63CB6800")  # T=0, five historical bytes
DONE, NO_FILE, NOT_ALLOWED = b"\x90\x00", b"\x6a\x82", b"\x69\x86"
WRONG_OFFSET, WRONG_INSTRUCTION, WRONG_CLASS, WRONG_LENGTH = b"\x6b\x00", b"\x6d\x00", b"\x6e\x00", b"\x67\x00"
FILE_ID = b"\x00\x01"


class Chip:
    """A powered chip: remembers which file is selected until power goes."""

    def __init__(self, card: Permit) -> None:
        self._content = file_content(card)
        self._selected = False

    def apdu(self, command: bytes) -> bytes:
        """The answer to one command APDU, status word last."""
        if len(command) < 4:
            return WRONG_LENGTH
        if command[0] != 0x00:
            return WRONG_CLASS
        if command[1] == 0xA4:
            return self._select(command)
        if command[1] == 0xB0:
            return self._read_binary(int.from_bytes(command[2:4], "big"), command[4] if len(command) > 4 else 0)
        return WRONG_INSTRUCTION

    def _select(self, command: bytes) -> bytes:
        if len(command) < 7 or command[4] != 2:
            return WRONG_LENGTH
        self._selected = command[5:7] == FILE_ID
        return DONE if self._selected else NO_FILE

    def _read_binary(self, offset: int, expected: int) -> bytes:
        if not self._selected:
            return NOT_ALLOWED
        if offset > len(self._content):
            return WRONG_OFFSET
        return self._content[offset : offset + (expected or 256)] + DONE  # Le 00 asks for up to 256 bytes


def file_content(card: Permit) -> bytes:
    """The bytes of file 0001."""
    fields = ((1, card.number), (2, card.holder_name), (3, card.birth_date))
    values = ((tag, text.encode()) for tag, text in fields)
    return b"".join(bytes((tag, len(value))) + value for tag, value in values)
