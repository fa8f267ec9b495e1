"""The window of a scanner: the code that somebody holds in front of it, until it is read or taken away."""

from simulators.errors import ButtonRefused

LONGEST_CODE = 1024


class ScanWindow:
    """What is in front; empty when nothing is."""

    def __init__(self) -> None:
        self._text = ""

    def __bool__(self) -> bool:
        return bool(self._text)

    def present(self, text: str) -> None:
        """Hold a code in front. Raises ButtonRefused."""
        if not 0 < len(text.encode()) <= LONGEST_CODE or not text.isprintable():
            raise ButtonRefused(f"present_code: expected 1 to {LONGEST_CODE} bytes of printable text")
        self._text = text

    def clear(self) -> None:
        """Take it away."""
        self._text = ""

    def take(self) -> str:
        """Read it: the text, once."""
        text, self._text = self._text, ""
        return text
