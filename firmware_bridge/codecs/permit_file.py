"""The file on hallfleet's open test permit: an ISO 7816 transparent file with three fields.

THIS IS OUR OWN TEST CARD. The chip of a real exit-entry permit is read under the authority's access protocol, with
keys that are not public; a real unit needs the authority's reader module in the place of this file. The test card
lets a journey be tried from the gate to the printed face without personal data of anybody.

Content of file 0001, UTF-8: fields of tag (1 byte), length (1 byte), value. Tag 01 document number, 02 holder's name,
03 birth date as YYYYMMDD. Unknown tags are skipped; 00 or FF where a tag is expected ends the file (unused memory).
"""

from collections.abc import Iterator
from dataclasses import dataclass

SELECT_FILE = bytes.fromhex("00A4000C020001")  # ISO 7816-4 SELECT by file id, no answer data wanted
READ_FILE = bytes.fromhex("00B0000000")  # ISO 7816-4 READ BINARY from offset 0, all that fits
DONE = b"\x90\x00"  # ISO 7816-4 status word: completed

_DOCUMENT_NUMBER, _HOLDER_NAME, _BIRTH_DATE = 0x01, 0x02, 0x03
_UNUSED = (0x00, 0xFF)


@dataclass(frozen=True, slots=True)
class PermitFile:
    """What the test card says about its holder; its ``repr`` keeps it to itself."""

    document_number: str
    holder_name: str
    birth_date: str

    def __repr__(self) -> str:
        return "PermitFile(...)"


def parse_permit_file(data: bytes) -> PermitFile:
    """Read the content of file 0001. Raises ValueError without repeating what stood there: it is personal."""
    fields = dict(_fields(data))
    missing = [tag for tag in (_DOCUMENT_NUMBER, _HOLDER_NAME, _BIRTH_DATE) if tag not in fields]
    if missing:
        raise ValueError(
            f"permit file: expected tags 01, 02 and 03, missing {', '.join(f'{tag:02X}' for tag in missing)}"
        )
    birth_date = _text(fields[_BIRTH_DATE])
    if len(birth_date) != 8 or not birth_date.isdecimal() or not birth_date.isascii():
        raise ValueError(
            f"permit file: expected a birth date of 8 digits, got {len(birth_date)} characters of another kind"
        )
    return PermitFile(_text(fields[_DOCUMENT_NUMBER]), _text(fields[_HOLDER_NAME]), birth_date)


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data) and data[at] not in _UNUSED:
        if at + 2 > len(data) or at + 2 + data[at + 1] > len(data):
            raise ValueError(f"permit file: field at {at} is longer than the file of {len(data)} bytes")
        end = at + 2 + data[at + 1]
        yield data[at], data[at + 2 : end]
        at = end


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"permit file: expected UTF-8, byte {error.start} is not") from None
