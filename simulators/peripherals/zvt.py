"""Payment terminal: ZVT on a serial line, with a card slot, a small printer and a network that says yes or no.

Written from the ECR interface ZVT as public implementations describe it: a command is answered 80 00 00 or 84 xx 00;
while it runs the terminal sends intermediate status (04 FF) and status information (04 0F), and ends it with completion
(06 0F) or abort (06 1E). Each of these waits for 06 and for 80 00 00 before the next.

Where the documents are silent: without them a frame is sent three times, a second apart, and then the terminal goes on
by itself; a payment that was approved stays approved. 06 20 with bit 0 of its service byte repeats the report.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from simulators.errors import ButtonRefused
from simulators.peripherals.peer import Output, Surroundings
from simulators.peripherals.zvt_wire import ACK, NAK, Wire, framed

DONE = b"\x80\x00\x00"
REGISTER, PAY, REPEAT, REVERSE, END_OF_DAY, STATUS, ABORT = (
    b"\x06\x00", b"\x06\x01", b"\x06\x20", b"\x06\x30", b"\x06\x50", b"\x05\x01", b"\x06\xb0",
)  # fmt: skip
INSERT_CARD, PLEASE_WAIT = 0x0A, 0x0E
UNREADABLE, NOT_REGISTERED, ABORTED, WRONG_CURRENCY, NOT_POSSIBLE, WAIT = 0x64, 0x6B, 0x6C, 0x6F, 0x83, 0x9C
REVERSED_ALREADY, NO_SUCH_RECEIPT, NO_PAPER, OUT_OF_ORDER = 0xB4, 0xB5, 0xCC, 0xDF
DECLINED_BY_BANK = 0x05
PATIENCE_S, WORK_S, SENDINGS, AGAIN_S, QUICK_S = 120.0, 1.5, 3, 1.0, 0.01
SOFTWARE = b"SIM 1.0"


@dataclass(frozen=True)
class Payment:
    """One booked payment; ``reversed`` when the money has been given back."""

    receipt: int
    trace: int
    minor: int
    currency: int
    card: str
    made_at: str
    reversed: bool = False


class Terminal:
    """Registered, it takes one command at a time; a payment waits for a card."""

    def __init__(self, around: Surroundings) -> None:
        self._wire = Wire()
        self._speed = around.speed
        self._id = f"{around.number('terminal_id', 12345678):08d}"
        self._registered = self._refuses_registration = self._broken = False
        self._paper = True
        self._currency = 0
        self._booked: list[Payment] = []
        self._last: Payment | None = None
        self._receipt, self._trace = 0, 0
        self._wanted: tuple[int, int] | None = None
        self._give_up_at = self._done_at = float("inf")
        self._shown: tuple[str, str] | None = None
        self._script: deque[bytes] = deque()
        self._sent = b""
        self._sendings, self._again_at = 0, float("inf")
        self._acked = False
        self._now = 0.0

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {
            "present_card": self._present_card, "press_stop": self._press_stop, "remove_paper": self._remove_paper,
            "load_paper": self._load_paper, "unregister": self._unregister, "register": self._allow_registration,
            "out_of_order": self._break, "mend": self._mend, "power_cycle": self._power_cycle,
        }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        live = [payment for payment in self._booked if not payment.reversed]
        return {
            "waits_for_card": self._wanted is not None and self._shown is None, "registered": self._registered,
            "paper": self._paper, "broken": self._broken, "booked_minor": sum(payment.minor for payment in live),
            "booked_total": len(self._booked), "reversed_total": len(self._booked) - len(live),
        }  # fmt: skip

    # --- line -------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> Output:
        self._now = now
        sent: Output = []
        for one in self._wire.received(data, now):
            if one == ACK:
                self._acked = True
                self._step_on(answered=self._is_answer(self._sent))
            elif one == NAK:
                self._again_at = now
            elif not one:
                sent.append((now, NAK))
            elif one == DONE or one[:1] == b"\x84":
                sent.append((now, ACK))
                self._step_on(answered=True)
            else:
                sent.append((now + QUICK_S, ACK))
                self._command(one)
        return sent + self.advance(now)

    def advance(self, now: float) -> Output:
        self._now = now
        if now >= self._done_at:
            self._done_at = float("inf")
            self._decide()
        if self._wanted is not None and self._shown is None and now >= self._give_up_at:
            self._end_payment(ABORTED)
        if not self._sent and self._script:
            self._sent, self._sendings, self._again_at = self._script.popleft(), 0, now
            self._acked = False
        if not self._sent or now < self._again_at:
            return []
        if self._sendings == SENDINGS:
            self._sent = b""  # the host does not listen: the terminal goes on by itself
            return self.advance(now)
        self._sendings += 1
        self._again_at = now + AGAIN_S
        return [(now + QUICK_S, framed(self._sent))]

    def _step_on(self, answered: bool) -> None:
        if answered and (self._acked or not self._is_answer(self._sent)):
            self._sent, self._again_at = b"", float("inf")

    @staticmethod
    def _is_answer(apdu: bytes) -> bool:
        return apdu[:1] in (b"\x80", b"\x84")

    # --- commands ---------------------------------------------------------------------------------------------

    def _command(self, apdu: bytes) -> None:
        name, data = apdu[:2], apdu[3:]
        if name == ABORT:
            self._script.append(DONE)
            self._press_stop()
        elif self._wanted is not None:
            self._say(_refused(WAIT))
        elif name == STATUS:
            self._say(*self._state())
        elif name == REGISTER:
            self._say(*self._register(data))
        elif not self._registered:
            self._say(_refused(NOT_REGISTERED))
        elif self._broken:
            self._say(_refused(OUT_OF_ORDER))
        elif name == PAY:
            self._begin(data)
        elif name in (REPEAT, REVERSE, END_OF_DAY):
            self._say(DONE, *{REPEAT: self._repeat, REVERSE: self._reverse, END_OF_DAY: self._close_day}[name](data))
        else:
            self._say(_refused(NOT_POSSIBLE))

    def _say(self, *apdus: bytes) -> None:
        """A new command ends what the host has left unanswered."""
        self._script.clear()
        self._sent = b""
        self._script += apdus

    def _state(self) -> list[bytes]:
        if not self._registered:
            return [_refused(NOT_REGISTERED)]
        state = OUT_OF_ORDER if self._broken else 0 if self._paper else NO_PAPER
        length = bytes(0xF0 | int(digit) for digit in f"{len(SOFTWARE):03d}")
        return [DONE, _apdu(b"\x06\x0f", length + SOFTWARE + bytes((state,)))]

    def _register(self, data: bytes) -> list[bytes]:
        if self._refuses_registration or len(data) < 4:
            return [_refused(NOT_REGISTERED)]
        self._registered = True
        self._currency = int(data[4:6].hex() or "0")
        told = b"\x19\x00\x29" + bytes.fromhex(self._id) + b"\x49" + data[4:6]
        return [DONE, _apdu(b"\x06\x0f", told)]

    def _begin(self, data: bytes) -> None:
        if data[:1] != b"\x04" or len(data) < 10 or data[7:8] != b"\x49":
            self._say(_refused(NOT_POSSIBLE))
            return
        minor, currency = int(data[1:7].hex()), int(data[8:10].hex())
        if currency != self._currency:
            self._say(DONE, _apdu(b"\x06\x1e", bytes((WRONG_CURRENCY,))))
            return
        self._wanted, self._give_up_at = (minor, currency), self._now + PATIENCE_S
        self._say(DONE, _apdu(b"\x04\xff", bytes((INSERT_CARD, 0x02))))
        if self._shown is not None:
            self._done_at = self._now + WORK_S / self._speed

    def _decide(self) -> None:
        if self._wanted is None or self._shown is None:
            return
        outcome, card = self._shown
        if outcome != "ok":
            self._end_payment({"declined": DECLINED_BY_BANK, "unreadable": UNREADABLE}[outcome])
            return
        self._receipt, self._trace = self._receipt % 9999 + 1, self._trace % 999_999 + 1
        minor, currency = self._wanted
        made_at = f"{int(self._now) % 86400:05d}"
        payment = Payment(self._receipt, self._trace, minor, currency, card, made_at)
        self._booked.append(payment)
        self._last = payment
        self._wanted = self._shown = None
        self._script += [_information(payment), _apdu(b"\x06\x0f", b"")]

    def _end_payment(self, code: int) -> None:
        self._wanted = self._shown = None
        self._done_at = float("inf")
        self._script += [_apdu(b"\x04\x0f", bytes((0x27, code))), _apdu(b"\x06\x1e", bytes((code,)))]

    def _repeat(self, data: bytes) -> list[bytes]:
        if self._last is None:
            return [_apdu(b"\x06\x1e", bytes((NOT_POSSIBLE,)))]
        told = [_information(self._last)] if data[3:4] == b"\x03" and data[4] & 1 else []
        return [*told, _apdu(b"\x06\x0f", b"")]

    def _reverse(self, data: bytes) -> list[bytes]:
        number = int(data[4:6].hex()) if data[3:4] == b"\x87" else 0
        found = next((at for at, payment in enumerate(self._booked) if payment.receipt == number), None)
        if found is None:
            return [_apdu(b"\x06\x1e", bytes((NO_SUCH_RECEIPT,)))]
        if self._booked[found].reversed:
            return [_apdu(b"\x06\x1e", bytes((REVERSED_ALREADY,)))]
        self._booked[found] = replace(self._booked[found], reversed=True)
        self._trace = self._trace % 999_999 + 1
        self._last = replace(self._booked[found], trace=self._trace)
        return [_information(self._last), _apdu(b"\x06\x0f", b"")]

    def _close_day(self, _data: bytes) -> list[bytes]:
        total = sum(payment.minor for payment in self._booked if not payment.reversed)
        self._booked.clear()
        told = b"\x27\x00\x04" + bytes.fromhex(f"{total:012d}")
        return [_apdu(b"\x04\x0f", told), _apdu(b"\x06\x0f", b"")]

    # --- people -----------------------------------------------------------------------------------------------

    def _present_card(self, outcome: str = "ok", number: str = "6222020000001234") -> None:
        """A card is put in, now or when it is asked for: ok, declined or unreadable."""
        if outcome not in ("ok", "declined", "unreadable") or not number.isdecimal() or len(number) > 19:
            raise ButtonRefused("present_card: expected ok, declined or unreadable, and a number of up to 19 digits")
        self._shown = (outcome, number)
        if self._wanted is not None:
            self._script.append(_apdu(b"\x04\xff", bytes((PLEASE_WAIT,))))
            self._done_at = self._now + WORK_S / self._speed

    def _press_stop(self) -> None:
        """The stop key, by the citizen or by the host; too late once the card is being booked."""
        if self._wanted is not None and self._shown is None:
            self._end_payment(ABORTED)

    def _remove_paper(self) -> None:
        self._paper = False

    def _load_paper(self) -> None:
        self._paper = True

    def _unregister(self) -> None:
        """The terminal forgets its registration and takes no new one, as after its network's set-up was lost."""
        self._registered, self._refuses_registration = False, True

    def _allow_registration(self) -> None:
        """The set-up is back, and so is the registration."""
        self._registered, self._refuses_registration = True, False

    def _break(self) -> None:
        self._broken = True

    def _mend(self) -> None:
        self._broken = False

    def _power_cycle(self) -> None:
        """Its registration is lost, its bookings are not."""
        self._registered = False
        self._wanted = self._shown = None
        self._done_at = float("inf")
        self._script.clear()
        self._sent = b""


def _apdu(name: bytes, data: bytes) -> bytes:
    return name + bytes((len(data),)) + data


def _refused(code: int) -> bytes:
    return bytes((0x84, code, 0x00))


def _information(payment: Payment) -> bytes:
    seconds = int(payment.made_at)
    clock = f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"
    card = payment.card + "f" * (len(payment.card) % 2)
    length = bytes(0xF0 | int(digit) for digit in f"{len(card) // 2:02d}")
    told = (
        b"\x27\x00\x04" + bytes.fromhex(f"{payment.minor:012d}") + b"\x0b" + bytes.fromhex(f"{payment.trace:06d}")
        + b"\x0c" + bytes.fromhex(clock) + b"\x0d\x11\x22" + b"\x22" + length + bytes.fromhex(card)
        + b"\x87" + bytes.fromhex(f"{payment.receipt:04d}") + b"\x49" + bytes.fromhex(f"{payment.currency:04d}")
    )  # fmt: skip
    return _apdu(b"\x04\x0f", told)


def open_peer(around: Surroundings) -> Terminal:
    """A terminal that has paper and nobody's registration."""
    return Terminal(around)
