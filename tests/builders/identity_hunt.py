"""Looks for a person in text that must not know him: in the clear, as escapes, as hex and in base64."""

import base64
from collections.abc import Iterable, Iterator

SHORTEST = 6  # characters; a sex or a nation code stands in every text


def traces(words: Iterable[str]) -> dict[str, str]:
    """Everything that a word may look like in a log, and by word; those that stand in any text are left out."""
    found: dict[str, str] = {}
    for word in words:
        if len(word) >= SHORTEST or (len(word) >= 2 and not word.isascii()):
            found |= {shape.lower(): word for shape in _shapes(word)}
    return found


def hunt(text: str, words: Iterable[str]) -> list[str]:
    """The words of which a trace stands in ``text``."""
    heap = text.lower()
    return sorted({word for shape, word in traces(words).items() if shape in heap})


def _shapes(word: str) -> Iterator[str]:
    yield word
    yield word.encode("unicode_escape").decode()
    for encoding in ("utf-8", "utf-16-le", "utf-16-be", "gb18030"):
        raw = word.encode(encoding)
        yield raw.hex()
        yield raw.hex(" ")
        yield raw.hex(":")
        yield repr(raw)[2:-1]
        yield ", ".join(map(str, raw))  # a list of numbers
        yield from _base64(raw)


def _base64(raw: bytes) -> Iterator[str]:
    """What all bytes of ``raw`` certainly become, wherever in a longer text they begin."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + raw).decode()
        start = (8 * before + 5) // 6
        end = 8 * (before + len(raw)) // 6
        if end - start >= SHORTEST:
            yield text[start:end]
