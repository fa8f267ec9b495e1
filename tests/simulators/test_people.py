"""Invented people: recognisable as such, well formed, and the same for the same seed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.errors import UnknownName
from simulators.people import IMPOSSIBLE_REGION, People, check_character

WEIGHTS = [2 ** (17 - place) % 11 for place in range(17)]  # ISO 7064 MOD 11-2, not the table of the module


@given(seed=st.integers(0, 2**32))
def test_id_numbers_are_impossible_and_well_formed(seed: int) -> None:
    for person in People(seed, count=5):
        assert person.id_number.startswith(IMPOSSIBLE_REGION)
        assert len(person.id_number) == 18
        total = sum(weight * int(digit) for weight, digit in zip(WEIGHTS, person.id_number[:17], strict=True))
        check = (12 - total % 11) % 11
        assert person.id_number[17] == ("X" if check == 10 else str(check))
        assert person.id_number[6:14] == person.birth_date
        assert int(person.id_number[16]) % 2 == int(person.sex) % 2


@given(seed=st.integers(0, 2**32))
def test_permits_and_payment_codes_have_their_patterns(seed: int) -> None:
    people = People(seed, count=3)
    for person in people:
        assert re.fullmatch(r"C\d{8}", person.permit_number)
        assert re.fullmatch(r"28\d{16}", people.payment_code(person.key))


def test_the_same_seed_gives_the_same_people() -> None:
    assert list(People(3)) == list(People(3))
    assert list(People(3)) != list(People(4))


def test_numbers_and_codes_are_not_shared() -> None:
    people = People(1)
    assert len({person.id_number for person in people}) == len(people)
    assert len({people.payment_code(person.key) for person in people}) == len(people)


def test_payment_code_stays_until_a_new_one_is_asked_for() -> None:
    people = People(1)
    first = people.payment_code("p001")
    assert people.payment_code("p001") == first
    assert people.new_payment_code("p001") != first


def test_permit_remembers_what_was_printed_on_it() -> None:
    people = People(1)
    people.permit("p001").face.append("E2026")
    assert people.permit("p001").face == ["E2026"]


def test_unknown_person_is_named_with_who_there_is() -> None:
    with pytest.raises(UnknownName, match=r"p001 \.\. p400"):
        People(1).person("p999")


def test_check_character_of_the_standard() -> None:
    assert check_character("11010519491231002") == "X"  # the example printed in GB 11643-1999
