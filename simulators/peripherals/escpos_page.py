"""What ESC/POS commands do to the paper: text modes, sizes, QR codes, feeds and cuts."""

from collections.abc import Callable

from simulators.peripherals.escpos_stream import WITHOUT_MARKS, Token
from simulators.peripherals.paper_roll import DOTS_PER_LINE, PaperRoll

CODE_PAGES = {0: "cp437", 2: "cp850", 3: "cp860", 4: "cp863", 5: "cp865", 16: "cp1252", 17: "cp866", 18: "cp852"}
LEVELS = {0x30: "L", 0x31: "M", 0x32: "Q", 0x33: "H"}
LINE_FEED, CARRIAGE_RETURN, TAB, FORM_FEED, CANCEL = b"\n", b"\r", b"\t", b"\x0c", b"\x18"


class Page:
    """The modes that commands set, and the roll that they print on."""

    def __init__(self, roll: PaperRoll) -> None:
        self._roll = roll
        self.unknown = 0
        self._actions: dict[str, Callable[[bytes], None]] = {
            "ESC @": lambda _args: self.reset(),
            "ESC d": lambda args: self._roll.feed(args[0]),
            "ESC J": lambda args: self._roll.feed(-(-args[0] // DOTS_PER_LINE)),
            "ESC t": self._code_page, "ESC !": self._print_mode, "GS !": self._size,
            "FS &": lambda _args: self._kanji(True), "FS .": lambda _args: self._kanji(False),
            "FS W": self._double_kanji, "GS V": self._cut, "GS (": self._extended,
            "ESC i": lambda _args: self._roll.cut(), "ESC m": lambda _args: self._roll.cut(),
            "ESC *": lambda args: self._roll.picture(24 if args[0] in (32, 33) else 8),
            "GS v": lambda args: self._roll.picture(int.from_bytes(args[4:6], "little")),
            "GS k": lambda _args: self._roll.picture(162),  # the default height of a barcode
            "control": self._control,
        }  # fmt: skip
        self.reset()

    def reset(self) -> None:
        """The modes after power-on or ESC @: Kanji mode on, as all but Japanese models have it."""
        self._in_kanji, self._table = True, "cp437"
        self._width = self._height = 1
        self._kanji_double = False
        self._half = b""
        self._qr_data, self._qr_level, self._qr_module = b"", "L", 3
        self._roll.discard_line()

    def obey(self, token: Token) -> bytes:
        """Do one command; returns the text that no paper was left for."""
        if token.name == "text":
            rest = self._text(token.args)
            self._roll.record(token.raw[: len(token.raw) - len(rest)])
            return rest
        self._half = b""
        self._roll.record(token.raw)
        action = self._actions.get(token.name)
        if action is not None:
            action(token.args)
        elif token.name not in WITHOUT_MARKS:
            self.unknown += 1
        return b""

    def _text(self, raw: bytes) -> bytes:
        for at in range(len(raw)):
            if self._roll.out:
                return raw[at:]
            self._half += raw[at : at + 1]
            if len(self._half) >= self._character_length():
                self._put(self._half)
                self._half = b""
        return b""

    def _character_length(self) -> int:
        """GB18030: one byte below 81h, two, or four when the second is a digit; parts may come one by one."""
        if not self._in_kanji or self._half[0] < 0x81:
            return 1
        return 4 if len(self._half) > 1 and 0x30 <= self._half[1] <= 0x39 else 2

    def _put(self, raw: bytes) -> None:
        character = raw.decode("gb18030" if self._in_kanji else self._table, errors="replace")
        columns = 2 if len(raw) > 1 else 1
        factor = max(self._width, 2 if self._kanji_double and columns == 2 else 1)
        self._roll.put(character, columns * factor, max(self._height, factor if self._kanji_double else 1))

    def _control(self, raw: bytes) -> None:
        if raw == LINE_FEED:
            self._roll.end_line()
        elif raw == TAB:
            self._roll.put(" ", 1, 1)
        elif raw == CANCEL:
            self._roll.discard_line()
        elif raw not in (CARRIAGE_RETURN, FORM_FEED):
            self.unknown += 1

    def _kanji(self, on: bool) -> None:
        self._in_kanji = on

    def _code_page(self, args: bytes) -> None:
        self._table = CODE_PAGES.get(args[0], "cp437")

    def _print_mode(self, args: bytes) -> None:
        self._height, self._width = 1 + bool(args[0] & 0x10), 1 + bool(args[0] & 0x20)

    def _size(self, args: bytes) -> None:
        self._width, self._height = (args[0] >> 4 & 7) + 1, (args[0] & 7) + 1

    def _double_kanji(self, args: bytes) -> None:
        self._kanji_double = bool(args[0] & 1)

    def _cut(self, args: bytes) -> None:
        if len(args) > 1:  # functions B: feed to the cutter and n dots more, then cut
            self._roll.feed(-(-args[1] // DOTS_PER_LINE))
        self._roll.cut()

    def _extended(self, args: bytes) -> None:
        """GS ( k with cn 31h is a QR code; other symbols and functions are not built in."""
        if args[:1] != b"k" or args[3:4] != b"\x31":
            self.unknown += args[:1] == b"k"
            return
        function, value = args[4], args[5:]
        if function == 0x43 and value:
            self._qr_module = max(1, min(16, value[0]))
        elif function == 0x45 and value:
            self._qr_level = LEVELS.get(value[0], "L")
        elif function == 0x50:
            self._qr_data = value[1:]
        elif function == 0x51 and self._qr_data:
            self._roll.qr(self._qr_data, self._qr_level, self._qr_module)
