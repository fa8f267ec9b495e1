"""Every normative sentence of the messages README has a test, and every such test has a sentence."""

import re
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent


def _ids_in_readme(repo_root: Path) -> list[str]:
    text = (repo_root / "device_profiles/messages/README.md").read_text("utf-8")
    return re.findall(r"^\* \*\*MSG-(\d\d)\*\* ", text, re.MULTILINE)


def _ids_in_tests() -> set[str]:
    texts = [file.read_text("utf-8") for file in HERE.glob("test_*.py")]
    return {number for text in texts for number in re.findall(r"^def test_msg_(\d\d)_", text, re.MULTILINE)}


def test_every_sentence_has_a_test_and_every_test_a_sentence(repo_root: Path) -> None:
    assert set(_ids_in_readme(repo_root)) == _ids_in_tests()


def test_ids_count_up_without_gap_or_double(repo_root: Path) -> None:
    ids = _ids_in_readme(repo_root)
    assert max(Counter(ids).values()) == 1
    assert ids == [f"{number:02}" for number in range(1, len(ids) + 1)]
