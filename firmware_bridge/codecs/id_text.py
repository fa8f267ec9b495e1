"""The 256 bytes of text on an identity card's chip: UTF-16LE, space padded, kind of document at offset 248.

Layouts in bytes: citizen as in four public readers (ID2Txt, SAMSerial, PCSCGetData, readidentifiercardinfo); foreigner
2017 in two; HK/Macao/Taiwan permit and foreigner 2023 in one structure each, their kind character in four and one.
"""

from collections.abc import Callable

from device_profiles.capabilities.id_reader import IdDocument
from firmware_bridge.errors import FrameError

LENGTH = 256
_KIND_AT = 248


def parse_document(block: bytes) -> IdDocument:
    """The document in the text block of a card; raises FrameError without quoting any of it."""
    if len(block) != LENGTH:
        raise FrameError(f"card text: expected {LENGTH} bytes, got {len(block)}")
    kind = block[_KIND_AT : _KIND_AT + 2]
    parse = _KINDS.get(kind)
    if parse is None:
        known = ", ".join(repr(known.decode("utf-16-le")) for known in _KINDS)
        raise FrameError(f"card text: expected one of {known} at offset {_KIND_AT}, got {kind.hex()}")
    try:
        return parse(block)
    except UnicodeDecodeError as error:
        raise FrameError(f"card text: expected UTF-16LE, wrong at offset {error.start}: {error.reason}") from None


def address_text(block: bytes) -> str:
    """The appended address: 70 bytes in the same writing."""
    try:
        return _text(block, 0, len(block))
    except UnicodeDecodeError as error:
        raise FrameError(f"appended address: expected UTF-16LE, wrong at offset {error.start}") from None


def _raw(block: bytes, at: int, size: int) -> str:
    return block[at : at + size].decode("utf-16-le")


def _text(block: bytes, at: int, size: int) -> str:
    return _raw(block, at, size).strip(" \0")


def _citizen(block: bytes) -> IdDocument:
    return IdDocument(
        kind="citizen",
        name=_text(block, 0, 30),
        sex=_text(block, 30, 2),
        nation=_text(block, 32, 4),
        birth_date=_text(block, 36, 16),
        address=_text(block, 52, 70),
        id_number=_text(block, 122, 36),
        issuer=_text(block, 158, 30),
        valid_from=_text(block, 188, 16),
        valid_to=_text(block, 204, 16),
    )


def _hk_macao_taiwan(block: bytes) -> IdDocument:
    """The first 220 bytes are the citizen's, nation unused (from memory); then number and issue count of the permit."""
    own = {
        "kind": "hk_macao_taiwan",
        "nation": "",
        "pass_number": _text(block, 220, 18),
        "issue_count": _text(block, 238, 4),
    }
    return _citizen(block).model_copy(update=own)


def _foreigner_2017(block: bytes) -> IdDocument:
    """The English name is the holder's legal one here; the Chinese name may be blank. Issuer is an office's code."""
    english, nationality = _text(block, 0, 120), _text(block, 152, 6)
    return IdDocument(
        kind="foreigner_2017",
        name=english,
        english_name=english,
        sex=_text(block, 120, 2),
        id_number=_text(block, 122, 30),
        nation=nationality,
        nationality=nationality,
        chinese_name=_text(block, 158, 30),
        valid_from=_text(block, 188, 16),
        valid_to=_text(block, 204, 16),
        birth_date=_text(block, 220, 16),
        version=_text(block, 236, 4),
        issuer=_text(block, 240, 8),
    )


def _foreigner_2023(block: bytes) -> IdDocument:
    """The English name comes in two parts, characters 1-35 and 36-46; the Chinese one may be blank."""
    english, nationality = (_raw(block, 52, 70) + _raw(block, 220, 22)).strip(" \0"), _text(block, 242, 6)
    return IdDocument(
        kind="foreigner_2023",
        name=english,
        english_name=english,
        chinese_name=_text(block, 0, 30),
        sex=_text(block, 30, 2),
        reissue_count=_text(block, 32, 4),
        birth_date=_text(block, 36, 16),
        id_number=_text(block, 122, 36),
        valid_from=_text(block, 188, 16),
        valid_to=_text(block, 204, 16),
        nation=nationality,
        nationality=nationality,
        former_link=_text(block, 250, 6),
    )


_KINDS: dict[bytes, Callable[[bytes], IdDocument]] = {
    " ".encode("utf-16-le"): _citizen,
    "J".encode("utf-16-le"): _hk_macao_taiwan,
    "I".encode("utf-16-le"): _foreigner_2017,
    "Y".encode("utf-16-le"): _foreigner_2023,
}
