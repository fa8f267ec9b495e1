"""Files and functions stay small enough to read at one go."""

import ast
from pathlib import Path

import pytest

ROOMS = ("device_profiles", "firmware_bridge", "edge_agent", "cloud", "simulators", "scripts", "tests")
FILE_LIMIT, TEST_FILE_LIMIT, FUNCTION_LIMIT = 400, 500, 60


@pytest.mark.parametrize("room", ROOMS)
def test_files_and_functions_fit_the_budget(repo_root: Path, room: str) -> None:
    limit = TEST_FILE_LIMIT if room == "tests" else FILE_LIMIT
    too_big = []
    for path in (repo_root / room).rglob("*.py"):
        if path.parent.name == "versions":
            continue  # migrations list tables; a machine writes them
        text = path.read_text()
        lines = text.count("\n")
        if lines > limit:
            too_big.append(f"{path.relative_to(repo_root)}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > FUNCTION_LIMIT:
                    too_big.append(f"{path.relative_to(repo_root)}:{node.lineno} {node.name}: {length} lines")
    assert not too_big
