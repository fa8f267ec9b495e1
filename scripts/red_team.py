"""``docs/red-team.md``: what an attacker tried and what came of it.

``python -m scripts.red_team`` tries everything (it needs the servers that the tests need) and writes
``docs/red-team.json``; the document is made of that file, and a test fails when a fresh run says anything else.
"""

import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

DATA_FILE = Path(__file__).resolve().parent.parent / "docs" / "red-team.json"

_HEAD = """# Red team

Generated from `docs/red-team.json`, which `python -m scripts.red_team` writes after trying every row for real; the
tests try them again and compare. *Expected* may be the beginning of what was observed. To add a part: a module in
`tests/red_team/`.
"""


def red_team_table() -> str:
    """The document."""
    found: dict[str, Any] = json.loads(DATA_FILE.read_text("utf-8")) if DATA_FILE.exists() else {}
    return _HEAD + "".join(_part(part) for part in found.values())


def record(folder: Path, only: set[str]) -> dict[str, Any]:
    """Try the parts named in ``only`` (none: all) and return the new content of the file."""
    from tests.red_team import parts  # here: it loads the whole cloud and the agent

    known: dict[str, Any] = json.loads(DATA_FILE.read_text("utf-8")) if DATA_FILE.exists() else {}
    found: dict[str, Any] = {}
    for name, module in parts().items():
        if only and name not in only and name in known:
            found[name] = known[name]
            continue
        result = asyncio.run(module.rows(folder / name))
        figures = {what: round(value, 2) for what, value in result.figures.items()}
        found[name] = {"title": module.TITLE, "rows": [asdict(row) for row in result.rows], "figures": figures}
    return found


def _part(part: dict[str, Any]) -> str:
    lines = [f"\n## {part['title']}\n\n| attempt | expected | observed |\n|---|---|---|\n"]
    lines += [
        f"| {_cell(row['attempt'])} | {_cell(row['expected'])} | {_cell(row['observed'])} |\n" for row in part["rows"]
    ]
    if part["figures"]:
        lines.append("\n" + "".join(f"* {what}: {value:g}\n" for what, value in part["figures"].items()))
    return "".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main(argv: list[str]) -> int:
    """Record the parts named, or all; 1 when something got through."""
    with tempfile.TemporaryDirectory(prefix="hallfleet-red-team-") as folder:
        found = record(Path(folder), set(argv))
    DATA_FILE.write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n", "utf-8")
    through = [
        row for part in found.values() for row in part["rows"] if not row["observed"].startswith(row["expected"])
    ]
    for row in through:
        print(f"{row['attempt']}: expected {row['expected']!r}, observed {row['observed']!r}")
    print(f"{sum(len(part['rows']) for part in found.values())} attempts, {len(through)} not as expected")
    return 1 if through else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
