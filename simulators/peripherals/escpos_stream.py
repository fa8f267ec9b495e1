"""ESC/POS bytes cut into commands and text, as a printer's receive interrupt does it (Epson command reference).

Only lengths are known here; what a command does is in ``escpos``. Nothing is lost when a command arrives in parts.
"""

from dataclasses import dataclass

DLE, ESC, FS, GS = 0x10, 0x1B, 0x1C, 0x1D
LONGEST_TOKEN = 1 << 20  # a raster image of a whole page; more is a broken length field

# Bytes after the two of the command itself.
_ESC_ARGS = {
    "@": 0, "a": 1, "E": 1, "G": 1, "M": 1, "!": 1, "-": 1, "t": 1, "R": 1, "2": 0, "3": 1, "d": 1, "J": 1, "{": 1,
    " ": 1, "p": 3, "c": 2, "$": 2, "\\": 2, "V": 1, "r": 1, "%": 1, "=": 1, "?": 1, "i": 0, "m": 0, "e": 1, "K": 1,
    "S": 0, "L": 0, "u": 1, "v": 0, "T": 1, "U": 1, "W": 8, "B": 2,
}  # fmt: skip
_GS_ARGS = {
    "!": 1, "B": 1, "a": 1, "r": 1, "I": 1, "L": 2, "W": 2, "h": 1, "w": 1, "H": 1, "f": 1, "b": 1, "$": 2, "\\": 2,
    "P": 2, "T": 1, "/": 1, ":": 0, "^": 3, "c": 0, "g": 4,
}  # fmt: skip
_REAL_TIME = {"\x04": "EOT", "\x05": "ENQ", "\x14": "DC4"}
_FS_ARGS = {"&": 0, ".": 0, "!": 1, "-": 1, "S": 2, "W": 1, "C": 1, "p": 2}
WITHOUT_MARKS = frozenset(
    [f"ESC {letter}" for letter in [*_ESC_ARGS, "D"]]
    + [f"GS {letter}" for letter in [*_GS_ARGS, "8", "*"]]
    + [f"FS {letter}" for letter in _FS_ARGS]
)
"""Commands whose length is known; those that ``escpos_page`` does not carry out leave no marks on the paper."""


@dataclass(frozen=True, slots=True)
class Token:
    """One command with its arguments, or one piece of text. ``name`` is like ``GS V`` or ``text``."""

    name: str
    args: bytes
    raw: bytes


class EscPosStream:
    """Feed bytes, get whole tokens. Text comes out byte by byte as it arrives, so no line waits for its end."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[Token]:
        """The tokens that are complete now, in order."""
        self._data += data
        tokens: list[Token] = []
        while self._data and (token := self._next()) is not None:
            tokens.append(token)
            del self._data[: len(token.raw)]
        return tokens

    def clear(self) -> None:
        """Forget the beginning of a command that is not complete."""
        self._data.clear()

    def _next(self) -> Token | None:
        first = self._data[0]
        if first in (ESC, FS, GS, DLE):
            return self._command()
        if first < 0x20:
            raw = bytes(self._data[:1])
            return Token("control", raw, raw)
        end = next((at for at, byte in enumerate(self._data) if byte < 0x20), len(self._data))
        raw = bytes(self._data[:end])
        return Token("text", raw, raw)

    def _command(self) -> Token | None:
        if len(self._data) < 2:
            return None
        prefix = {ESC: "ESC", FS: "FS", GS: "GS", DLE: "DLE"}[self._data[0]]
        letter = chr(self._data[1])
        length = self._length(prefix, letter)
        if length is None or len(self._data) < length:
            return None
        if not 2 <= length <= LONGEST_TOKEN:
            length = 2
        raw = bytes(self._data[:length])
        word = _REAL_TIME.get(letter, letter) if prefix == "DLE" else letter
        return Token(f"{prefix} {word}", raw[2:], raw)

    def _length(self, prefix: str, letter: str) -> int | None:
        """Bytes of the whole command; None when its length field has not come yet; 2 when it is unknown."""
        if prefix == "DLE":
            return self._real_time_length(letter)
        if letter == "(" and prefix in ("GS", "FS", "ESC"):
            return self._counted(3, 2, 5)
        if prefix == "ESC":
            return self._escape_length(letter)
        if prefix == "GS":
            return self._group_length(letter)
        return 2 + _FS_ARGS.get(letter, 0)

    def _real_time_length(self, letter: str) -> int | None:
        if len(self._data) < 3:
            return None
        if letter == "\x04":
            return 4 if self._data[2] in (7, 8, 18) else 3
        if letter == "\x14":
            return {1: 5, 2: 5, 8: 10}.get(self._data[2], 5)
        return 3 if letter == "\x05" else 2

    def _escape_length(self, letter: str) -> int | None:
        if letter == "*":  # bit image: mode, columns; three bytes a column in the 24-dot modes
            if len(self._data) < 5:
                return None
            columns = int.from_bytes(self._data[3:5], "little")
            return 5 + columns * (3 if self._data[2] in (32, 33) else 1)
        if letter == "D":  # tab stops up to NUL
            end = self._data.find(0, 2)
            return end + 1 if end >= 0 else None if len(self._data) < 35 else 2
        return 2 + _ESC_ARGS.get(letter, 0)

    def _group_length(self, letter: str) -> int | None:
        if letter == "V":
            if len(self._data) < 3:
                return None
            return 4 if self._data[2] in (65, 66, 97, 98, 103, 104) else 3
        if letter == "v":
            if len(self._data) < 8:
                return None
            return 8 + int.from_bytes(self._data[4:6], "little") * int.from_bytes(self._data[6:8], "little")
        if letter == "k":
            return self._barcode_length()
        if letter == "8":
            return self._counted(3, 4, 7)
        if letter == "*":
            return 4 + self._data[2] * self._data[3] * 8 if len(self._data) >= 4 else None
        return 2 + _GS_ARGS.get(letter, 0)

    def _barcode_length(self) -> int | None:
        if len(self._data) < 4:
            return None
        if self._data[2] >= 65:
            return 4 + self._data[3]
        end = self._data.find(0, 3)
        return end + 1 if end >= 0 else None if len(self._data) < 300 else 2

    def _counted(self, at: int, width: int, start: int) -> int | None:
        if len(self._data) < start:
            return None
        return start + int.from_bytes(self._data[at : at + width], "little")
