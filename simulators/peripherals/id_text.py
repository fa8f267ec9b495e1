"""The 256 bytes of text on an identity card's chip: UTF-16LE, space padded, kind at offset 248.

Layouts: citizen as in four public readers, the others as in the structures that vendors' web demos show.
"""

from collections.abc import Callable

from simulators.people import Person

Field = tuple[str, int]
"""(text, length in bytes)."""


def encode_text(person: Person, kind: str = "citizen") -> bytes:
    """The text block of that person's document; ``kind`` is one of ``KINDS``. Text that is too long is cut."""
    block = b"".join(_padded(text, size) for text, size in KINDS[kind](person))
    if len(block) != 256:
        raise ValueError(f"{kind}: expected 256 bytes, got {len(block)}")
    return block


def _padded(text: str, size: int) -> bytes:
    return text[: size // 2].ljust(size // 2).encode("utf-16-le")


def _first_220(person: Person, id_number: str) -> list[Field]:
    return [
        (person.name, 30), (person.sex, 2), (person.nation, 4), (person.birth_date, 16), (person.address, 70),
        (id_number, 36), (person.issuer, 30), (person.valid_from, 16), (person.valid_to, 16),
    ]  # fmt: skip


def _citizen(person: Person) -> list[Field]:
    return [*_first_220(person, person.id_number), ("", 36)]


def _hk_macao_taiwan(person: Person) -> list[Field]:
    # Numbers of this permit start 810000, 820000 or 830000; 8xxxxx keeps the rest of the invented number.
    number = "810000" + person.id_number[6:17] + "0"
    return [*_first_220(person, number), (person.permit_number, 18), ("01", 4), ("", 6), ("J", 2), ("", 6)]


def _foreigner_2017(person: Person) -> list[Field]:
    return [
        (person.english_name, 120), (person.sex, 2), ("XXX" + person.id_number[2:14], 30), ("XXX", 6),
        (person.name, 30), (person.valid_from, 16), (person.valid_to, 16), (person.birth_date, 16), ("01", 4),
        ("0000", 8), ("I", 2), ("", 6),
    ]  # fmt: skip


def _foreigner_2023(person: Person) -> list[Field]:
    return [
        (person.name, 30), (person.sex, 2), ("01", 4), (person.birth_date, 16), (person.english_name[:35], 70),
        ("9" + person.id_number[1:], 36), ("", 30), (person.valid_from, 16), (person.valid_to, 16),
        (person.english_name[35:], 22), ("XXX", 6), ("Y", 2), ("000", 6),
    ]  # fmt: skip


KINDS: dict[str, Callable[[Person], list[Field]]] = {
    "citizen": _citizen,
    "hk_macao_taiwan": _hk_macao_taiwan,
    "foreigner_2017": _foreigner_2017,
    "foreigner_2023": _foreigner_2023,
}
