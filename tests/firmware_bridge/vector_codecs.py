"""The codec of every vector file: ``tests/vectors/<protocol>.py`` beside the file holds its ``ENTRY``."""

from importlib import import_module
from pathlib import Path

from tests.builders.vector_entry import Entry

_FOLDER = Path(__file__).resolve().parent.parent / "vectors"

ENTRIES: dict[str, Entry] = {
    file.stem: import_module(f"tests.vectors.{file.stem}").ENTRY for file in sorted(_FOLDER.glob("[!_]*.py"))
}
