"""A document as ESC/POS bytes: python-escpos renders modes, QR codes, feeds and cuts; the text bytes are ours.

Its own text output guesses a code page per string and never enters Kanji mode, so Chinese models print it wrong.
Importing this module imports python-escpos, and with it an image library: about 20 MiB and 0.4 s.
"""

import unicodedata
from typing import Literal

from escpos.printer import Dummy

from device_profiles.capabilities.printer import Block, FeedBlock, PrintArgs, QrBlock, TextBlock
from firmware_bridge.codecs.escpos import INITIALISE, WATCH_ALL

Charset = Literal["gb18030", "gbk", "utf-8"]

_ENTER_KANJI = b"\x1c&"  # FS &: two-byte characters; on by default on most Chinese models, but not on all
_LEVELS = {"L": 0, "M": 1, "Q": 2, "H": 3}
_WIDE = ("W", "F")


def render(args: PrintArgs, charset: Charset, columns: int) -> list[bytes]:
    """The document in pieces, none of which ends inside a command: how it begins, each block, the cut."""
    start = INITIALISE + WATCH_ALL + (b"" if charset == "utf-8" else _ENTER_KANJI)
    end = [_cut()] if args.cut else []
    return [start, *(_block(block, charset, columns) for block in args.blocks), *end]


def wrap(text: str, columns: int) -> list[str]:
    """Lines of at most ``columns`` narrow characters, a wide one counting two; words are kept whole where they fit."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        rest = paragraph.rstrip(" ")
        while (fits := _fitting(rest, columns)) < len(rest):
            space = rest.rfind(" ", 0, fits + 1)
            at = space if space > fits // 2 else fits
            lines.append(rest[:at].rstrip(" "))
            rest = rest[at:].lstrip(" ")
        lines.append(rest)
    return lines


def _fitting(text: str, columns: int) -> int:
    used = 0
    for at, character in enumerate(text):
        used += 2 if unicodedata.east_asian_width(character) in _WIDE else 1
        if used > columns:
            return max(at, 1)
    return len(text)


def _block(block: Block, charset: Charset, columns: int) -> bytes:
    if isinstance(block, TextBlock):
        return _text(block, charset, columns)
    if isinstance(block, QrBlock):
        return _qr(block)
    return _feed(block)


def _text(block: TextBlock, charset: Charset, columns: int) -> bytes:
    printer = Dummy()
    printer.set(align=block.align, bold=block.bold, custom_size=True, width=block.size, height=block.size)
    modes: bytes = printer.output
    lines = wrap(_printable(block.text), max(columns // block.size, 2))
    return modes + b"".join(line.encode(charset, errors="replace") + b"\n" for line in lines)


def _printable(text: str) -> str:
    """Without control characters: text must not be able to give the printer commands."""
    return "".join(" " if unicodedata.category(c) == "Cc" and c != "\n" else c for c in text)


def _qr(block: QrBlock) -> bytes:
    printer = Dummy()
    printer.set(align="center")
    printer.qr(block.data, ec=_LEVELS[block.level], size=block.module, model=2, native=True)
    output: bytes = printer.output
    return output


def _feed(block: FeedBlock) -> bytes:
    printer = Dummy()
    printer.print_and_feed(block.lines)
    output: bytes = printer.output
    return output


def _cut() -> bytes:
    printer = Dummy()
    printer.cut(mode="PART")
    output: bytes = printer.output
    return output
