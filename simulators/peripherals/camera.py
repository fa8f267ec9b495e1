"""A camera on a line: the questions and notes that the picture sources answer, and one small JPEG.

Written from the document of the notes: ``?tt`` ready, ``!tt`` picture, ``=tt`` verdict, each with a line feed; tt is a
tag in hex that the answer repeats. The picture is a grey patch of 16 by 8; a comment segment (FF FE) gives it its
number and as many bytes as somebody wants.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from simulators.errors import ButtonRefused
from simulators.peripherals.peer import Inbox, Output, Pace, Surroundings

QUICK_S, EXPOSE_S = 0.005, 0.2
ASK = re.compile(rb"([?!=])([0-9a-f]{2})\n")
VERDICTS = ("live", "spoof", "unknown")
GREY_PATCH = bytes.fromhex(
    "FFD8FFE000104A46494600010100000100010000FFDB004300281C1E231E19282321232D2B28303C64413C37373C7B585D49649180"
    "99968F808C8AA0B4E6C3A0AADAAD8A8CC8FFCBDAEEF5FFFFFF9BC1FFFFFFFAFFE6FDFFF8FFC0000B080008001001011100FFC40015"
    "00010100000000000000000000000000000405FFC40017100003010000000000000000000000000000030431FFDA0008010100003F"
    "001CEBC2ACEBC3FFD9"
)
SMALLEST, LARGEST = len(GREY_PATCH) + 12, 500_000


class Camera:
    """Takes a picture when asked, unless it is blind."""

    def __init__(self, around: Surroundings) -> None:
        self._inbox = Inbox(limit=256)
        self._pace = Pace(around.speed)
        self._blind = False
        self._verdict = "unknown"
        self._size = 2_000
        self._taken = 0

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {
            "go_blind": self._go_blind, "mend": self._mend, "judge": self._judge, "set_picture_bytes": self._set_size
        }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        return {"blind": self._blind, "taken": self._taken}

    def advance(self, now: float) -> Output:
        return []

    def receive(self, data: bytes, now: float) -> Output:
        self._inbox.add(data, now)
        sent: Output = []
        while (end := self._inbox.data.find(b"\n") + 1) > 0:
            if asked := ASK.search(self._inbox.take(end)):
                sent.append(self._answer(asked[1], asked[2], now))
        return sent

    def _answer(self, kind: bytes, tag: bytes, now: float) -> tuple[float, bytes]:
        if kind == b"=":
            return now + QUICK_S, b"#verdict %s %s\n" % (tag, self._verdict.encode())
        if self._blind:
            return now + QUICK_S, b"#blind %s no frames come\n" % tag
        if kind == b"?":
            return now + QUICK_S, b"#ready %s Simulated camera\n" % tag
        self._taken += 1
        return self._pace.done_at(now, EXPOSE_S), b"#picture %s\n" % tag + self._picture()

    def _picture(self) -> bytes:
        comment, left = b"", self._size - len(GREY_PATCH)
        text = f"{self._taken:06d}".encode()
        while left > 0:
            length = min(left, 60_000)
            body = text.ljust(length - 4, b".")[: max(0, length - 4)]
            comment += b"\xff\xfe" + (len(body) + 2).to_bytes(2, "big") + body
            left -= len(body) + 4
        return GREY_PATCH[:2] + comment + GREY_PATCH[2:]

    def _go_blind(self) -> None:
        self._blind = True

    def _mend(self) -> None:
        self._blind = False

    def _judge(self, verdict: str, score: float = 0.9) -> None:
        if verdict not in VERDICTS or not 0 <= score <= 1:
            raise ButtonRefused(
                f"judge: expected one of {', '.join(VERDICTS)} and a score from 0 to 1, got {verdict!r}"
            )
        self._verdict = verdict if verdict == "unknown" else f"{verdict} {score:.2f}"

    def _set_size(self, count: int) -> None:
        if not SMALLEST <= count <= LARGEST:
            raise ButtonRefused(f"set_picture_bytes: expected {SMALLEST} to {LARGEST}, got {count}")
        self._size = count


def open_peer(around: Surroundings) -> Camera:
    """A camera that sees, without a verdict."""
    return Camera(around)
