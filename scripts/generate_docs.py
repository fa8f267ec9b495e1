"""Write the documents that follow from the code: AsyncAPI, OpenAPI, and the tables: access, capabilities, devices.

``python -m scripts.generate_docs`` writes ``docs/``; with ``--check`` it writes nothing and fails when a file is stale.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.access_table import access_table
from scripts.asyncapi import asyncapi_document
from scripts.capability_table import capability_table
from scripts.peripheral_table import peripheral_table
from scripts.personal_table import personal_table
from scripts.protocol_table import protocol_table
from scripts.red_team import red_team_table

DOCS = Path(__file__).resolve().parent.parent / "docs"


def openapi() -> dict[str, Any]:
    """The HTTP interface as the cloud's application describes it."""
    from cloud.app import openapi_document  # here: it loads the whole web server

    document: dict[str, Any] = openapi_document()
    return document


def as_json(document: dict[str, Any]) -> str:
    """Readable and stable: the same document gives the same text."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def documents() -> dict[str, Callable[[], str]]:
    """File name in docs/ -> what makes its text."""
    return {
        "access.md": access_table,
        "asyncapi.json": lambda: as_json(asyncapi_document()),
        "capabilities.md": capability_table,
        "openapi.json": lambda: as_json(openapi()),
        "peripherals/README.md": peripheral_table,
        "personal-data.md": personal_table,
        "protocols.md": protocol_table,
        "red-team.md": red_team_table,
    }


def stale(folder: Path, name: str, text: str) -> str | None:
    """What is wrong with the file in ``folder``, or None when it says what the code says."""
    file = folder / name
    if not file.is_file():
        return f"docs/{name} is missing: run python -m scripts.generate_docs"
    if file.read_text("utf-8") != text:
        return f"docs/{name} is stale: run python -m scripts.generate_docs"
    return None


def main(argv: list[str], folder: Path = DOCS) -> int:
    """Write or check all documents; 1 when a check failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a file is stale")
    parser.add_argument("--only", choices=sorted(documents()), action="append", help="this file only")
    options = parser.parse_args(argv)
    texts = {name: make() for name, make in documents().items() if not options.only or name in options.only}
    if options.check:
        problems = [problem for name, text in texts.items() if (problem := stale(folder, name, text))]
        print("\n".join(problems) or "generated documents are current", file=sys.stderr if problems else sys.stdout)
        return 1 if problems else 0
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
        print(f"docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
