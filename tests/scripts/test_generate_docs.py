"""The generated documents: current, sound, and a stale one is found."""

from pathlib import Path
from typing import Any

import pytest

from device_profiles.capabilities import CAPABILITIES
from device_profiles.messages.topics import Down, Up
from scripts import generate_docs
from scripts.asyncapi import MESSAGES, asyncapi_document

ONLY = ["--only", "asyncapi.json", "--only", "capabilities.md"]


def references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [reference for part in value.values() for reference in references(part)]
    return [reference for part in value for reference in references(part)] if isinstance(value, list) else []


def resolve(document: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        document = document[part.replace("~1", "/")]
    return document


def test_the_documents_in_the_repository_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate_docs.main(["--check", *ONLY]) == 0, capsys.readouterr().err


def test_a_stale_and_a_missing_document_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate_docs.main(ONLY, tmp_path) == 0
    assert generate_docs.main(["--check", *ONLY], tmp_path) == 0
    (tmp_path / "capabilities.md").write_text("old", "utf-8")
    (tmp_path / "asyncapi.json").unlink()
    capsys.readouterr()
    assert generate_docs.main(["--check", *ONLY], tmp_path) == 1
    assert capsys.readouterr().err.splitlines() == [
        "docs/asyncapi.json is missing: run python -m scripts.generate_docs",
        "docs/capabilities.md is stale: run python -m scripts.generate_docs",
    ]


def test_every_verb_is_in_the_asyncapi_document() -> None:
    assert set(MESSAGES) == {*Up, *Down}
    document = asyncapi_document()
    assert document["asyncapi"] == "3.0.0"
    assert set(document["channels"]) == {*map(str, MESSAGES), "cloudPresence"}
    assert len(document["operations"]) == len(document["channels"])


def test_every_reference_leads_somewhere() -> None:
    document = asyncapi_document()
    found = references(document)
    assert found
    for reference in found:
        assert resolve(document, reference)


def test_every_fact_of_every_capability_has_a_shape() -> None:
    facts = asyncapi_document()["components"]["schemas"]["FactData"]["properties"]
    for capability in CAPABILITIES.values():
        assert set(capability.facts()) <= set(facts)
    assert {"ticket.issued", "session.started", "command.finished", "agent.dropped", "agent.sampled"} <= set(facts)


def test_the_capability_table_marks_what_is_personal() -> None:
    table = generate_docs.documents()["capabilities.md"]()
    assert "`id_number`*" in table
    assert "| `paper` = out | `paper_out` | clear | hall staff |" in table
    assert "| `print` | once |" in table


def test_the_table_of_protocols_counts_what_was_tried() -> None:
    table = generate_docs.documents()["protocols.md"]()
    assert table == generate_docs.documents()["protocols.md"]()
    (row,) = (line for line in table.splitlines() if line.startswith("| gm65 |"))
    replies, requests, splits, junk, stale, damaged = row.split(" | ")[1:7]
    assert int(replies) == int(junk) >= 5
    assert int(stale) == int(replies) ** 2
    assert int(splits) > int(replies)
    assert int(requests) >= 5
    assert 0 < int(damaged) <= int(replies)
