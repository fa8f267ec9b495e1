"""The file of anchors: one line for each head that was seen, only ever appended to.

It stands beside the database at first. Who wants to prove something to others copies it to where the cloud's operators
cannot write.
"""

import json
import os
from pathlib import Path

from cloud.audit.model import Anchor
from cloud.core.errors import Invalid

FILE_NAME = "audit-anchors.jsonl"


class AnchorFile:
    """Anchors in ``file``, which need not exist yet."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def read(self) -> list[Anchor]:
        """All anchors in order. Raises Invalid when a line is none: a damaged file proves nothing."""
        if not self.file.is_file():
            return []
        lines = self.file.read_text("utf-8").splitlines()
        return [self._read(number, line) for number, line in enumerate(lines, 1) if line.strip()]

    def add(self, anchor: Anchor) -> None:
        """Append one, durable when this returns."""
        line = json.dumps({"at_ms": anchor.at_ms, "sequence": anchor.sequence, "hash": anchor.hash})
        descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "w") as written:
            written.write(line + "\n")
            written.flush()
            os.fsync(written.fileno())

    def _read(self, number: int, line: str) -> Anchor:
        try:
            found = json.loads(line)
            return Anchor(int(found["at_ms"]), int(found["sequence"]), str(found["hash"]))
        except (ValueError, TypeError, KeyError):
            raise Invalid(
                f"{self.file}, line {number}: expected an anchor with at_ms, sequence and hash; restore the file from "
                "its copy"
            ) from None
