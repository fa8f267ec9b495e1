"""A serial port over telnet: RFC 854 (doubling of FF, option negotiation) and RFC 2217 (the port's settings). Sans-IO.

The server's numbers for an answer are the client's plus 100 (RFC 2217, section 2).
"""

from dataclasses import dataclass
from enum import IntEnum

_IAC = 0xFF
_SB, _SE = 0xFA, 0xF0
_ANSWER = 100
_LONGEST = 256  # of a subnegotiation; the longest that a server sends is its name


class Verb(IntEnum):
    """Telnet's four words about an option (RFC 854)."""

    WILL = 0xFB
    WONT = 0xFC
    DO = 0xFD
    DONT = 0xFE


class Option(IntEnum):
    """The telnet options that a serial port needs."""

    BINARY = 0x00  # RFC 856
    ECHO = 0x01  # RFC 857
    NO_GO_AHEAD = 0x03  # RFC 858
    COM_PORT = 0x2C  # RFC 2217


class Setting(IntEnum):
    """What a client may set (RFC 2217, section 3)."""

    SIGNATURE = 0
    BAUD = 1
    DATA_BITS = 2
    PARITY = 3
    STOP_BITS = 4
    CONTROL = 5
    LINE_STATE = 6
    MODEM_STATE = 7
    PURGE = 12


class Control(IntEnum):
    """Values of Setting.CONTROL."""

    FLOW_NONE = 1
    FLOW_XON_XOFF = 2
    FLOW_RTS_CTS = 3
    DTR_ON = 8
    DTR_OFF = 9
    RTS_ON = 11
    RTS_OFF = 12


PARITY = {"none": 1, "odd": 2, "even": 3}
PURGE_BOTH = 3


@dataclass(frozen=True, slots=True)
class Negotiation:
    """The other side will or will not, or wants us to or not to."""

    verb: Verb
    option: int


@dataclass(frozen=True, slots=True)
class Told:
    """A setting as the server has it now, or a state of the line or of the modem; ``setting`` without the 100."""

    setting: int
    value: bytes


def escape(data: bytes) -> bytes:
    """``data`` as telnet carries it."""
    return data.replace(b"\xff", b"\xff\xff")


def negotiate(verb: Verb, option: int) -> bytes:
    """One word about one option."""
    return bytes((_IAC, verb, option))


def ask(setting: Setting, value: int) -> bytes:
    """Set something at the port; the speed takes four bytes, all else one (RFC 2217, section 3)."""
    data = value.to_bytes(4 if setting is Setting.BAUD else 1)
    return bytes((_IAC, _SB, Option.COM_PORT, setting)) + escape(data) + bytes((_IAC, _SE))


class TelnetReader:
    """The receiving side: splits what comes into the port's bytes and what telnet says about itself. Never raises."""

    def __init__(self) -> None:
        self._rest = b""  # the beginning of a telnet command

    def feed(self, data: bytes) -> tuple[bytes, list[Negotiation | Told]]:
        """The port's bytes in ``data``, and what else was said."""
        data = self._rest + data
        self._rest = b""
        if _IAC not in data:
            return data, []
        payload = bytearray()
        said: list[Negotiation | Told] = []
        at = 0
        while (mark := data.find(_IAC, at)) >= 0:
            payload += data[at:mark]
            end = _end_of_command(data, mark)
            if end < 0:
                self._rest = data[mark:]
                return bytes(payload), said
            if data[mark + 1] == _IAC:
                payload.append(_IAC)
            elif (what := _understood(data[mark:end])) is not None:
                said.append(what)
            at = end
        return bytes(payload + data[at:]), said


def _end_of_command(data: bytes, start: int) -> int:
    """Where the command that begins at ``start`` ends; -1: its end has not come yet."""
    if start + 1 >= len(data):
        return -1
    word = data[start + 1]
    if word == _SB:
        return _end_of_subnegotiation(data, start)
    size = 3 if word in Verb.__members__.values() else 2
    return start + size if start + size <= len(data) else -1


def _end_of_subnegotiation(data: bytes, start: int) -> int:
    at = start + 2
    while (mark := data.find(_IAC, at)) >= 0 and mark + 1 < len(data):
        if data[mark + 1] != _IAC:
            return mark + 2 if data[mark + 1] == _SE else mark  # another command ends a broken one
        at = mark + 2
    # One that never ends is noise: give it up, so that it neither grows nor swallows the port's bytes for ever.
    return -1 if len(data) - start <= _LONGEST else start + 2


def _understood(command: bytes) -> Negotiation | Told | None:
    if len(command) == 3 and command[1] != _SB:
        return Negotiation(Verb(command[1]), command[2])
    body = command[2:-2].replace(b"\xff\xff", b"\xff")
    if command[1] == _SB and command.endswith(b"\xff\xf0") and len(body) >= 2 and body[0] == Option.COM_PORT:
        return Told(body[1] - _ANSWER, body[2:]) if body[1] >= _ANSWER else None
    return None
