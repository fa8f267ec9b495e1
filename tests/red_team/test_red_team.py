"""Every attempt again: what comes of it is what has to, and what the document says."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from scripts.red_team import DATA_FILE, red_team_table
from tests.conftest import require
from tests.red_team import parts

PARTS = parts()


@pytest.mark.mosquitto
@pytest.mark.slow
@pytest.mark.timeout(180)
# paho leaves the socket of a handshake that it refused to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize("name", PARTS)
async def test_every_attempt_ends_as_it_must(name: str, tmp_path: Path) -> None:
    require("mosquitto")
    result = await PARTS[name].rows(tmp_path)
    assert [row for row in result.rows if not row.held] == []
    recorded = json.loads(DATA_FILE.read_text("utf-8")).get(name, {})
    again = "the document is stale: run python -m scripts.red_team, then python -m scripts.generate_docs"
    assert recorded.get("rows") == [asdict(row) for row in result.rows], again
    assert set(recorded["figures"]) == set(result.figures), again


def test_the_document_has_every_part() -> None:
    table = red_team_table()
    assert all(f"## {module.TITLE}\n" in table for module in PARTS.values())
