"""A serial port of a terminal server, with its settings and modem lines (RFC 2217).

Common servers leave some requests unanswered (pyserial's and ser2net never answer a modem mask): nothing here waits
for ever. Without an answer to a setting the line is used all the same; an answer that says otherwise ends it.
"""

import asyncio
import contextlib
from collections.abc import Callable

from device_profiles.schema.peripheral import Line, PeripheralProfile
from firmware_bridge.codecs.telnet_port import (
    PARITY,
    PURGE_BOTH,
    Control,
    Negotiation,
    Option,
    Setting,
    TelnetReader,
    Told,
    Verb,
    ask,
    escape,
    negotiate,
)
from firmware_bridge.errors import TransportLost
from firmware_bridge.transports._descriptor import STALL_S
from firmware_bridge.transports.tcp import TcpTransport, host_and_port

AGREE_S = 3.0  # how long the server may take to say that it speaks RFC 2217
CONFIRM_S = 1.0  # how long it is waited for the answers to the settings

_OURS = (Option.BINARY, Option.NO_GO_AHEAD, Option.COM_PORT)  # what we do when asked
_THEIRS = (Option.BINARY, Option.NO_GO_AHEAD, Option.COM_PORT, Option.ECHO)  # what the server may do
_FLOW = {"none": Control.FLOW_NONE, "xon_xoff": Control.FLOW_XON_XOFF, "rts_cts": Control.FLOW_RTS_CTS}


class Rfc2217Transport(TcpTransport):
    """One port of one server. Notices of the line's and the modem's state are read and left alone."""

    def __init__(self, host: str, port: int, line: Line, stall_s: float = STALL_S) -> None:
        super().__init__(host, port, line, stall_s)
        self._begin()

    async def open(self) -> None:
        self._begin()
        await super().open()
        try:
            await self._agree()
            await self._set_up_port()
        except BaseException:
            await self.close()
            raise

    async def write(self, data: bytes) -> None:
        self._writing = True  # no word of ours may get between two halves of what is being sent
        try:
            await super().write(escape(data))
        finally:
            self._writing = False
        self._send_answers()

    def set_baud(self, baud: int) -> None:
        """See ``AdjustableSpeed``; the server changes its port between what was sent before and what comes after."""
        self._check()
        self.discard_input()
        self._line = self._line.model_copy(update={"baud": baud})
        self._answers += ask(Setting.BAUD, baud) + ask(Setting.PURGE, PURGE_BOTH)
        self._send_answers()

    def _begin(self) -> None:
        self._telnet = TelnetReader()
        self._offered: set[tuple[Verb, int]] = {(Verb.WILL, option) for option in _OURS}
        self._offered |= {(Verb.DO, Option.BINARY), (Verb.DO, Option.NO_GO_AHEAD)}
        self._answers = bytearray()
        self._writing = False
        self._agreed = False
        self._confirmed: dict[int, int] = {}
        self._news = asyncio.Event()

    async def _agree(self) -> None:
        await self._write_words(b"".join(negotiate(verb, option) for verb, option in sorted(self._offered)))
        if not await self._within(AGREE_S, lambda: self._agreed):
            raise TransportLost(
                f"{self._name}: expected a server that speaks RFC 2217, it did not say so within {AGREE_S:g} s; "
                f"a raw port is tcp://{self._name}"
            )

    async def _set_up_port(self) -> None:
        line = self._line
        wanted = {
            Setting.BAUD: line.baud,
            Setting.DATA_BITS: line.data_bits,
            Setting.PARITY: PARITY[line.parity],
            Setting.STOP_BITS: line.stop_bits,
        }
        words = [ask(setting, value) for setting, value in wanted.items()]
        words += [ask(Setting.CONTROL, control) for control in _controls(line)]
        await self._write_words(b"".join([*words, ask(Setting.PURGE, PURGE_BOTH)]))
        await self._within(CONFIRM_S, lambda: wanted.keys() <= self._confirmed.keys())
        for setting, value in wanted.items():
            if (told := self._confirmed.get(setting, value)) != value:
                raise TransportLost(
                    f"{self._name}: expected the port to take {setting.name.lower()} {value}, the server has {told}"
                )

    async def _write_words(self, words: bytes) -> None:
        """Send telnet's own words, which are not escaped."""
        await super().write(words)

    async def _within(self, seconds: float, condition: Callable[[], bool]) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not condition():
                    self._check()
                    self._news.clear()
                    await self._news.wait()
        return condition()

    def _arrived(self, data: bytes) -> None:
        payload, said = self._telnet.feed(data)
        self._received += payload
        for word in said:
            if isinstance(word, Told):
                self._confirmed[word.setting] = int.from_bytes(word.value[:4])
            else:
                self._negotiated(word)
        if said:
            self._news.set()
            self._send_answers()

    def _lose(self, reason: str) -> None:
        super()._lose(reason)
        self._news.set()

    def _negotiated(self, word: Negotiation) -> None:
        match word.verb:
            case Verb.DO:
                self._agreed = self._agreed or word.option == Option.COM_PORT
                self._answer(Verb.WILL if word.option in _OURS else Verb.WONT, word.option)
            case Verb.WILL:
                self._answer(Verb.DO if word.option in _THEIRS else Verb.DONT, word.option)
            case _ if word.option in (Option.BINARY, Option.COM_PORT) and word.verb is Verb.DONT:
                self._lose(f"the server refuses telnet's option {Option(word.option).name.lower()}")

    def _answer(self, verb: Verb, option: int) -> None:
        """Say it once: an answer to an answer would go round for ever."""
        if (verb, option) not in self._offered:
            self._offered.add((verb, option))
            self._answers += negotiate(verb, option)

    def _send_answers(self) -> None:
        if self._answers and not self._writing and not self._lost:
            with contextlib.suppress(TransportLost):  # who reads or writes next is told
                del self._answers[: self._push(memoryview(bytes(self._answers)))]


def _controls(line: Line) -> list[Control]:
    controls = [_FLOW[line.flow]]
    if line.dtr is not None:
        controls.append(Control.DTR_ON if line.dtr else Control.DTR_OFF)
    if line.rts is not None:
        controls.append(Control.RTS_ON if line.rts else Control.RTS_OFF)
    return controls


def open_transport(profile: PeripheralProfile, address: str) -> Rfc2217Transport:
    """The port of the server at ``host:port``, not open yet."""
    return Rfc2217Transport(*host_and_port(address), profile.line)
