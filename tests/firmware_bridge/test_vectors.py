"""Runs every file in tests/vectors against its codec; see the README there."""

from typing import Any

import pytest

from device_profiles.catalog import load_catalog
from firmware_bridge.framing import checksums
from tests.firmware_bridge import vector_checks
from tests.firmware_bridge.vector_checks import CHECKSUMS, FILES, octets

REPLIES = [
    pytest.param(name, vector, id=f"{name}: {vector['name']}")
    for name, file in FILES.items()
    for vector in file.get("reply", [])
]
REQUESTS = [
    pytest.param(name, vector, id=f"{name}: {vector['name']}")
    for name, file in FILES.items()
    for vector in file.get("request", [])
]


@pytest.mark.parametrize(("name", "vector"), REPLIES)
def test_a_reply_is_understood_whole(name: str, vector: dict[str, Any]) -> None:
    vector_checks.whole(name, vector)


@pytest.mark.parametrize(("name", "vector"), REPLIES)
def test_a_reply_is_understood_when_it_comes_in_two_parts_or_byte_by_byte(name: str, vector: dict[str, Any]) -> None:
    vector_checks.split(name, vector)


@pytest.mark.parametrize(("name", "vector"), REPLIES)
def test_a_reply_is_found_behind_junk(name: str, vector: dict[str, Any]) -> None:
    vector_checks.behind_junk(name, vector)


@pytest.mark.parametrize(("name", "vector"), REPLIES)
def test_a_reply_is_found_behind_every_other_reply(name: str, vector: dict[str, Any]) -> None:
    vector_checks.behind_others(name, vector)


@pytest.mark.parametrize(("name", "vector"), REPLIES)
def test_a_reply_is_found_behind_a_damaged_copy_of_itself(name: str, vector: dict[str, Any]) -> None:
    vector_checks.behind_damaged(name, vector)


@pytest.mark.parametrize(("name", "vector"), REQUESTS)
def test_a_request_is_made_byte_for_byte(name: str, vector: dict[str, Any]) -> None:
    vector_checks.request(name, vector)


@pytest.mark.parametrize("vector", [pytest.param(vector, id=vector["name"]) for vector in CHECKSUMS["checksum"]])
def test_a_checksum_has_its_published_value(vector: dict[str, Any]) -> None:
    compute = getattr(checksums, vector["function"])
    assert compute(octets(vector["bytes"])) == vector["value"]


def test_every_vector_names_its_source() -> None:
    for name, file in {**FILES, "checksums": CHECKSUMS}.items():
        for vector in [*file.get("reply", []), *file.get("request", []), *file.get("checksum", [])]:
            assert vector.get("source"), f"{name}.toml: {vector['name']}: expected a source"


def test_every_protocol_in_the_catalogue_has_vectors() -> None:
    for profile in load_catalog().peripherals.values():
        families = (profile.driver, profile.driver.partition("_")[0])
        assert set(families) & set(FILES), f"{profile.id}: expected tests/vectors/{profile.driver}.toml"
