"""Uninterruptible power supply with a Megatec / Q1 line.

Written from the Megatec UPS protocol as NUT documents it: commands end with CR; ``Q1`` tells voltages and eight bits,
``F`` the rating, ``I`` the name; ``S<n>R<m>``, ``C`` and ``T`` are obeyed without an answer; what the supply does not
know it sends back as it came.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from simulators.peripherals.peer import Inbox, Output, Surroundings

THINK_S = 0.05
TEST_S = 10.0
LONGEST = 16
SHUTDOWN = re.compile(rb"S(\.[2-9]|0[1-9]|10)(?:R(\d{4}))?")


class Ups:
    """A line-interactive supply of 24 V; voltages stay where the buttons put them."""

    def __init__(self, around: Surroundings) -> None:
        self._inbox = Inbox(limit=256)
        self._cells = around.number("cells", 0)
        self._short_info = around.word("info_length", "39") == "38"
        self._mains, self._battery_low, self._failed, self._bypass = True, False, False, False
        self._load = 14
        self._test_until = self._off_at = self._on_at = float("-inf")
        self._output = True
        self._now = 0.0

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {
            "mains_fail": lambda: self._set(mains=False), "mains_back": lambda: self._set(mains=True),
            "battery_low": lambda: self._set(battery_low=True), "charge_battery": lambda: self._set(battery_low=False),
            "overload": lambda: self._set(load=112), "normal_load": lambda: self._set(load=14),
            "set_load": lambda percent: self._set(load=percent),
            "fail": lambda: self._set(failed=True), "mend": lambda: self._set(failed=False),
            "bypass": lambda: self._set(bypass=True), "end_bypass": lambda: self._set(bypass=False),
        }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        return {
            "mains": self._mains, "output": self._output, "load_pct": self._load,
            "testing": self._now < self._test_until, "shutdown_planned": self._now < self._off_at,
        }  # fmt: skip

    def advance(self, now: float) -> Output:
        self._now = now
        if now >= self._off_at > float("-inf"):
            self._output, self._off_at = False, float("-inf")
        if not self._output and self._mains and now >= self._on_at:
            self._output = True
        return []

    def receive(self, data: bytes, now: float) -> Output:
        self.advance(now)
        self._inbox.add(data, now)
        sent: Output = []
        while (end := self._inbox.data.find(b"\r")) >= 0:
            line = re.split(rb"[^ -~]", self._inbox.take(end + 1)[:-1])[-1]  # noise before a command is passed over
            if line and (answer := self._execute(line[-LONGEST:])):
                sent.append((now + THINK_S, answer + b"\r"))
        return sent

    def _execute(self, line: bytes) -> bytes:
        answers: dict[bytes, Callable[[], str]] = {b"Q1": self._status, b"F": self._rating, b"I": self._info}
        if line in answers:
            return answers[line]().encode()
        if found := SHUTDOWN.fullmatch(line):
            self._off_at = self._now + float(found[1]) * 60
            self._on_at = self._off_at + 60 * int(found[2]) if found[2] else self._off_at
            return b""
        if line == b"C":
            self._off_at = float("-inf")
            self._output = True
            return b""
        if line == b"T":
            self._test_until = self._now + TEST_S
            return b""
        return line

    def _status(self) -> str:
        on_battery = not self._mains
        volts = 27.5 if not on_battery else 23.1 if not self._battery_low else 20.9
        battery = f"{volts / self._cells:.2f}" if self._cells else f"{volts:04.1f}"
        bits = "".join(
            str(int(bit))
            for bit in (
                on_battery, self._battery_low, self._bypass, self._failed, not self._bypass,
                self._now < self._test_until, self._now < self._off_at, on_battery,
            )
        )  # fmt: skip
        into, out = 226.0 if self._mains else 0.0, 226.0 if self._output else 0.0
        return f"({into:05.1f} 195.0 {out:05.1f} {self._load:03d} 49.0 {battery} 30.0 {bits}"

    def _rating(self) -> str:
        return "#220.0 000 024.0 50.0"

    def _info(self) -> str:
        text = f"#{'Invented Power':<15} {'LI1000':<10} {'V1.0':<10}"
        return text[:-1] if self._short_info else text

    def _set(self, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(self, f"_{name}", value)


def open_peer(around: Surroundings) -> Ups:
    """A supply on mains with a good battery and little load."""
    return Ups(around)
