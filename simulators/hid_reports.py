"""A simulated device that speaks in HID reports, as they look on a pseudo-terminal in place of a hidraw node.

Fixed sizes and ids come from the profile's ``[hid]`` table (USB HID 1.11, section 8: a report is its id, if it has
one, and its bytes).
"""

from collections.abc import Callable, Mapping
from typing import Any

from device_profiles.schema.peripheral import Hid, PeripheralProfile
from simulators.peripherals.peer import Output, Peer


class HidPeer:
    """``peer`` behind reports; everything else is the device's own."""

    def __init__(self, peer: Peer, hid: Hid) -> None:
        self.peer = peer
        self._hid = hid
        self._pending = bytearray()

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return self.peer.buttons

    def snapshot(self) -> dict[str, Any]:
        return self.peer.snapshot()

    def receive(self, data: bytes, now: float) -> Output:
        self._pending += data
        numbered = bool(self._hid.out_id) or self._hid.length == "report_id"
        size = self._hid.out_bytes + numbered
        heard = bytearray()
        while len(self._pending) >= size:
            heard += self._content(bytes(self._pending[:size]), numbered)
            del self._pending[:size]
        return self._in_reports(self.peer.receive(bytes(heard), now)) if heard else []

    def advance(self, now: float) -> Output:
        return self._in_reports(self.peer.advance(now))

    def _content(self, report: bytes, numbered: bool) -> bytes:
        number, body = (report[0], report[1:]) if numbered else (0, report)
        if self._hid.length == "report_id":
            return body[:number]
        return body[1 : 1 + body[0]] if self._hid.length == "first_byte" else body

    def _in_reports(self, output: Output) -> Output:
        reports = []
        for at, data in output:
            room = self._hid.in_bytes - (self._hid.length == "first_byte")
            for start in range(0, len(data), room):
                reports.append((at, self._report(data[start : start + room])))
        return reports

    def _report(self, part: bytes) -> bytes:
        counted = self._hid.length == "report_id"
        number = len(part) if counted else self._hid.in_id
        body = bytes((len(part),)) + part if self._hid.length == "first_byte" else part
        return (bytes((number,)) if counted or number else b"") + body + bytes(self._hid.in_bytes - len(body))


def in_reports(peer: Peer, profile: PeripheralProfile) -> Peer:
    """``peer`` as it hangs on its line: in reports where the profile says ``hid``."""
    return HidPeer(peer, profile.hid) if profile.attachment == "hid" else peer
