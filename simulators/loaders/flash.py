"""Flash memory in pages, and the power behind it: a write can be the last thing that happens, half done."""

from collections.abc import Callable


class PowerCut(Exception):
    """The power failed; nothing after this line happens."""


class Power:
    """Counts what flash is asked to do. ``cut_at`` steps from now it fails, in the middle of that step."""

    def __init__(self) -> None:
        self.steps = 0
        self._left: int | None = None

    def cut_at(self, steps: int) -> None:
        """Fail at that step from now; 0 is the next one."""
        self._left = steps

    def stays(self) -> None:
        """No failure is planned any more."""
        self._left = None

    def spend(self, partly: Callable[[], None]) -> None:
        """One step. ``partly`` leaves behind what a step that is cut leaves behind."""
        self.steps += 1
        if self._left is None:
            return
        if self._left == 0:
            self._left = None
            partly()
            raise PowerCut
        self._left -= 1


class Area:
    """A part of the flash. Writes go page by page; erased bytes read as FF."""

    def __init__(self, power: Power, size: int, page: int) -> None:
        self._power = power
        self.page = page
        self.data = bytearray(b"\xff" * size)

    @property
    def pages(self) -> int:
        """How many pages it has."""
        return len(self.data) // self.page

    def read(self, page: int) -> bytes:
        """One page."""
        return bytes(self.data[page * self.page : (page + 1) * self.page])

    def write(self, page: int, content: bytes) -> None:
        """Replace one page; cut short, the first half of it is new and the rest erased."""
        at, half = page * self.page, self.page // 2

        def torn() -> None:
            self.data[at : at + self.page] = content[:half].ljust(self.page, b"\xff")

        self._power.spend(torn)
        self.data[at : at + self.page] = content.ljust(self.page, b"\xff")

    def erase(self) -> None:
        """Page by page."""
        for page in range(self.pages):
            if self.read(page) != b"\xff" * self.page:
                self.write(page, b"")

    def put(self, offset: int, content: bytes) -> None:
        """Write from ``offset`` on; what the touched pages held before stays."""
        while content:
            page, inside = divmod(offset, self.page)
            part, content = content[: self.page - inside], content[self.page - inside :]
            held = bytearray(self.read(page))
            held[inside : inside + len(part)] = part
            self.write(page, bytes(held))
            offset += len(part)


class Note:
    """A small record in flash that is written in one unit: after a cut it is the old or the new one, never half."""

    def __init__(self, power: Power, **values: int) -> None:
        self._power = power
        self._values = dict(values)

    def __getitem__(self, name: str) -> int:
        return self._values[name]

    def write(self, **values: int) -> None:
        """Change some of it, in one step."""
        self._power.spend(lambda: None)
        self._values.update(values)
