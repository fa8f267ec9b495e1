"""A document as ESC/POS bytes: text modes, QR codes, feeds and cuts.

Source: Epson's command reference (GS !, ESC E, ESC a, ESC d, GS V, GS ( k). python-escpos makes the same bytes, which
the tests show; it is not used here, since it brings an image library along (docs/decisions/0013).
"""

import unicodedata
from typing import Literal

from device_profiles.capabilities.printer import Block, FeedBlock, PrintArgs, QrBlock, TextBlock
from firmware_bridge.codecs.escpos import INITIALISE, WATCH_ALL

Charset = Literal["gb18030", "gbk", "utf-8"]

_ENTER_KANJI = b"\x1c&"  # FS &: two-byte characters; on by default on most Chinese models, but not on all
_ALIGN = {"left": 0, "center": 1, "right": 2}  # ESC a n
_LEVELS = {"L": 0x30, "M": 0x31, "Q": 0x32, "H": 0x33}  # error correction, GS ( k function 45h
_QR = 0x31  # cn of GS ( k
_MODEL_2 = bytes((0x32, 0))
_LINES_TO_CUTTER = 6  # between print head and knife; Epson's models have 5 or less
_WIDE = ("W", "F")


def render(args: PrintArgs, charset: Charset, columns: int, *, cutter: bool = True) -> list[bytes]:
    """The document in pieces, none of which ends inside a command: how it begins, each block, the cut.

    Without a ``cutter`` the paper is fed to the edge where it is torn off.
    """
    start = INITIALISE + WATCH_ALL + (b"" if charset == "utf-8" else _ENTER_KANJI)
    end = [_cut(cutter)] if args.cut else []
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
    lines = wrap(_printable(block.text), max(columns // block.size, 2))
    modes = _size(block.size) + b"\x1bE" + bytes((block.bold,)) + _align(block.align)
    return modes + b"".join(line.encode(charset, errors="replace") + b"\n" for line in lines)


def _size(times: int) -> bytes:
    """GS ! n: width in the upper half, height in the lower one, both counted from 0."""
    return b"\x1d!" + bytes(((times - 1) << 4 | (times - 1),))


def _align(where: str) -> bytes:
    return b"\x1ba" + bytes((_ALIGN[where],))


def _printable(text: str) -> str:
    """Without control characters: text must not be able to give the printer commands."""
    return "".join(" " if unicodedata.category(c) == "Cc" and c != "\n" else c for c in text)


def _qr(block: QrBlock) -> bytes:
    return b"".join(
        (
            _align("center"),
            _symbol(0x41, _MODEL_2),
            _symbol(0x43, bytes((block.module,))),
            _symbol(0x45, bytes((_LEVELS[block.level],))),
            _symbol(0x50, b"0" + block.data.encode()),
            _symbol(0x51, b"0"),
        )
    )


def _symbol(function: int, parameters: bytes) -> bytes:
    """GS ( k pL pH cn fn parameters; the length counts from cn, little-endian."""
    body = bytes((_QR, function)) + parameters
    return b"\x1d(k" + len(body).to_bytes(2, "little") + body


def _feed(block: FeedBlock) -> bytes:
    return b"\x1bd" + bytes((block.lines,))


def _cut(cutter: bool) -> bytes:
    """Feed the last line past the knife, then GS V 1: partial cut."""
    return b"\x1bd" + bytes((_LINES_TO_CUTTER,)) + (b"\x1dV\x01" if cutter else b"")
