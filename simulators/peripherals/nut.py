"""A NUT server (upsd) with one supply.

Written from the NUT developer guide, network protocol: one request per line; ``LIST`` answers between ``BEGIN`` and
``END``, all else with one line; ``ERR`` and a code when it cannot. Reading needs no user; ``INSTCMD`` and ``SET`` need
``USERNAME`` and ``PASSWORD``, set once per connection.
"""

import shlex
from collections.abc import Callable, Mapping
from typing import Any

from simulators.peripherals.peer import Inbox, Output, Surroundings

THINK_S = 0.005
TEST_S = 10.0
COMMANDS = ("shutdown.return", "shutdown.stop", "test.battery.start.quick")
WRITABLE = ("ups.delay.shutdown",)


class Nak(Exception):
    """An ``ERR`` answer; its text is the code."""


class Upsd:
    """One connection to the server, and the supply behind it. ``hang_up`` is for whoever carries the connection: the
    server has closed it after what it just said.
    """

    def __init__(self, around: Surroundings) -> None:
        self._name = around.word("ups", "") or "hallups"
        self._user, self._password = around.word("user", "hall"), around.word("password", "")
        self._inbox = Inbox(gap_s=5.0)
        self._flags: set[str] = set()
        self._variables = {
            "device.mfr": "Invented Power", "device.model": "LI1000", "device.serial": "SIM0001",
            "ups.firmware": "1.0", "ups.load": "14", "input.voltage": "226.0", "output.voltage": "226.0",
            "battery.charge": "100", "battery.runtime": "1800", "battery.voltage": "27.5", "ups.delay.shutdown": "20",
        }  # fmt: skip
        self._now = 0.0
        self._test_until = self._off_at = float("-inf")
        self._drop_next = False
        self.new_connection()

    def new_connection(self) -> None:
        """Somebody else calls: he has not said who he is."""
        self._said_user, self._said_password = "", ""
        self.hang_up = False

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        pairs = {
            ("mains_fail", "mains_back"): "OB", ("battery_low", "charge_battery"): "LB",
            ("battery_worn", "replace_battery"): "RB", ("overload", "normal_load"): "OVER",
            ("bypass", "end_bypass"): "BYPASS", ("lose_usb", "find_usb"): "stale",
        }  # fmt: skip
        found: dict[str, Callable[..., Any]] = {"drop_mid_answer": self._drop_mid_answer}
        for (on, off), flag in pairs.items():
            found[on] = lambda flag=flag: self._flags.add(flag)
            found[off] = lambda flag=flag: self._flags.discard(flag)
        return found

    def snapshot(self) -> dict[str, Any]:
        return {
            "status": self._status(), "testing": self._now < self._test_until,
            "shutdown_in_s": max(0.0, self._off_at - self._now), "logged_in": self._is_known(),
        }  # fmt: skip

    def advance(self, now: float) -> Output:
        self._now = now
        return []

    def receive(self, data: bytes, now: float) -> Output:
        self._now = now
        self._inbox.add(data, now)
        sent: Output = []
        while (end := self._inbox.data.find(b"\n")) >= 0 and not self.hang_up:
            answer = self._answer(self._inbox.take(end + 1).decode("ascii", "replace").strip())
            if self._drop_next:
                answer, self._drop_next, self.hang_up = answer[: len(answer) // 2], False, True
            sent.append((now + THINK_S, answer.encode()))
        return sent

    def _answer(self, line: str) -> str:
        try:
            words = shlex.split(line)
        except ValueError:
            return "ERR INVALID-ARGUMENT\n"
        verbs: dict[str, Callable[[list[str]], str]] = {
            "LIST": self._list, "GET": self._get, "INSTCMD": self._command, "SET": self._set,
            "USERNAME": self._username, "PASSWORD": self._pass, "VER": lambda _words: "Invented upsd 2.8",
            "NETVER": lambda _words: "1.3", "LOGOUT": self._log_out,
        }  # fmt: skip
        try:
            if not words or words[0] not in verbs:
                raise Nak("UNKNOWN-COMMAND")
            return verbs[words[0]](words[1:]) + "\n"
        except Nak as refused:
            return f"ERR {refused}\n"

    def _list(self, words: list[str]) -> str:
        if words == ["UPS"]:
            return f'BEGIN LIST UPS\nUPS {self._name} "Simulated supply"\nEND LIST UPS'
        if len(words) != 2 or words[0] not in ("VAR", "CMD", "RW"):
            raise Nak("INVALID-ARGUMENT")
        kind = words[0]
        self._check_ups(words[1])
        values = self._told()
        lines = {
            "VAR": [f'{name} "{value}"' for name, value in sorted(values.items())],
            "RW": [f'{name} "{values[name]}"' for name in WRITABLE],
            "CMD": list(COMMANDS),
        }[kind]
        body = "".join(f"{kind} {self._name} {line}\n" for line in lines)
        return f"BEGIN LIST {kind} {self._name}\n{body}END LIST {kind} {self._name}"

    def _get(self, words: list[str]) -> str:
        if len(words) == 2 and words[0] == "UPSDESC" and words[1] == self._name:
            return f'UPSDESC {self._name} "Simulated supply"'
        if len(words) != 3 or words[0] != "VAR":
            raise Nak("INVALID-ARGUMENT")
        self._check_ups(words[1])
        if words[2] not in (values := self._told()):
            raise Nak("VAR-NOT-SUPPORTED")
        return f'VAR {self._name} {words[2]} "{values[words[2]]}"'

    def _set(self, words: list[str]) -> str:
        self._check_user()
        if len(words) != 4 or words[0] != "VAR":
            raise Nak("INVALID-ARGUMENT")
        self._check_ups(words[1])
        if words[2] not in WRITABLE:
            raise Nak("READONLY" if words[2] in self._told() else "VAR-NOT-SUPPORTED")
        if not words[3].isdecimal():
            raise Nak("INVALID-VALUE")
        self._variables[words[2]] = words[3]
        return "OK"

    def _command(self, words: list[str]) -> str:
        self._check_user()
        if len(words) < 2:
            raise Nak("INVALID-ARGUMENT")
        self._check_ups(words[0])
        if words[1] not in COMMANDS:
            raise Nak("CMD-NOT-SUPPORTED")
        if words[1] == "shutdown.return":
            self._off_at = self._now + int(self._variables["ups.delay.shutdown"])
        elif words[1] == "shutdown.stop":
            self._off_at = float("-inf")
        else:
            self._test_until = self._now + TEST_S
        return "OK"

    def _username(self, words: list[str]) -> str:
        if self._said_user:
            raise Nak("ALREADY-SET-USERNAME")
        if len(words) != 1:
            raise Nak("INVALID-ARGUMENT")
        self._said_user = words[0]
        return "OK"

    def _pass(self, words: list[str]) -> str:
        if self._said_password:
            raise Nak("ALREADY-SET-PASSWORD")
        if len(words) != 1:
            raise Nak("INVALID-ARGUMENT")
        self._said_password = words[0]  # like upsd: whether it is right shows when it is needed
        return "OK"

    def _log_out(self, _words: list[str]) -> str:
        self.hang_up = True
        return "OK Goodbye"

    def _check_user(self) -> None:
        if not self._said_user:
            raise Nak("USERNAME-REQUIRED")
        if not self._said_password:
            raise Nak("PASSWORD-REQUIRED")
        if not self._is_known():
            raise Nak("ACCESS-DENIED")

    def _is_known(self) -> bool:
        return bool(self._password) and (self._said_user, self._said_password) == (self._user, self._password)

    def _check_ups(self, name: str) -> None:
        if name != self._name:
            raise Nak("UNKNOWN-UPS")
        if "stale" in self._flags:
            raise Nak("DATA-STALE")

    def _told(self) -> dict[str, str]:
        dead = {"input.voltage": "0.0"} if "OB" in self._flags else {}
        return {**self._variables, **dead, "ups.status": self._status()}

    def _status(self) -> str:
        supply = "OB DISCHRG" if "OB" in self._flags else "OL"
        return " ".join([supply, *sorted(self._flags - {"OB", "stale"})])

    def _drop_mid_answer(self) -> None:
        self._drop_next = True


def open_peer(around: Surroundings) -> Upsd:
    """A server whose supply is on line; ``user`` and ``password`` of the profile's simulator may command it."""
    return Upsd(around)
