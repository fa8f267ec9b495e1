"""A device whose power can fail: off it hears and says nothing, then it starts again."""

from collections.abc import Callable, Mapping
from typing import Any

from simulators.loaders.flash import Power, PowerCut
from simulators.peripherals.peer import Output, Peer

OFF_S, BOOT_S = 2.0, 0.05


class PoweredDevice:
    """Base of devices with a boot loader. Subclasses say how it boots (once in their ``__init__``) and what it hears.

    Buttons: ``cut_power(steps, off_s)`` at that flash step from now (none given: at once), ``power_cycle`` (off and on
    in a moment), and what
    the next new firmware does wrong: ``hang_next_firmware`` (says nothing until its watchdog bites),
    ``spoil_next_firmware`` (its application does not answer).
    """

    def __init__(self) -> None:
        self.power = Power()
        self.application: Peer | None = None
        self._starts_at: float | None = None  # None: it runs
        self._off_s = OFF_S
        self._now = 0.0
        self._starts = self._cuts = 0
        self._wrong = ""
        self._cut_now = False

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        inner = {} if self.application is None else dict(self.application.buttons)
        return {
            **inner,
            "cut_power": self._cut_power,
            "power_cycle": self._power_cycle,
            "hang_next_firmware": lambda: self._go_wrong("hang"),
            "spoil_next_firmware": lambda: self._go_wrong("spoil"),
        }

    def receive(self, data: bytes, now: float) -> Output:
        self._now = now
        sent = self.advance(now)
        if self._starts_at is None:
            sent += self._guarded(lambda: self.hear(data, now), now)
        return sent

    def advance(self, now: float) -> Output:
        self._now = now
        if self._cut_now:
            self._fail(now)
        if not self._started(now):
            return []
        return self._guarded(lambda: self.tick(now), now)

    def snapshot(self) -> dict[str, Any]:
        inner = {} if self.application is None else self.application.snapshot()
        return {**inner, "starts": self._starts, "power_cuts": self._cuts, "powered": self._starts_at is None}

    # --- for subclasses ---------------------------------------------------------------------------------------

    def boot(self, now: float) -> None:
        """Power is on: run the boot loader, start the application."""
        raise NotImplementedError

    def hear(self, data: bytes, now: float) -> Output:
        """Bytes from the host while it runs."""
        raise NotImplementedError

    def tick(self, now: float) -> Output:
        """Time has passed while it runs."""
        raise NotImplementedError

    def restart(self, at: float) -> None:
        """Start anew at that time, as after a reset."""
        self.application = None
        self._starts_at = at + BOOT_S

    def take_wrong(self) -> str:
        """What the firmware that starts now does wrong; asked once, by new firmware only."""
        wrong, self._wrong = self._wrong, ""
        return wrong

    def _started(self, now: float) -> bool:
        """Whether it runs; starts it when its time has come."""
        if self._starts_at is not None and now >= self._starts_at:
            self._starts_at = None
            self._starts += 1
            self._guarded(lambda: self._boot(now), now)
        return self._starts_at is None

    # --- power ------------------------------------------------------------------------------------------------

    def _boot(self, now: float) -> Output:
        self.boot(now)
        if self.application is not None and "power_cycle" in self.application.buttons:
            self.application.buttons["power_cycle"]()  # it knows what a start looks like: a banner, a greeting
        return []

    def _guarded(self, work: Callable[[], Output], now: float) -> Output:
        try:
            return work()
        except PowerCut:
            self._fail(now)
            return []

    def _fail(self, now: float) -> None:
        self._cut_now = False
        self._cuts += 1
        self.application = None
        self._starts_at = now + self._off_s

    def _cut_power(self, steps: int | None = None, off_s: float = OFF_S) -> None:
        self._off_s = off_s
        if steps is None:
            self._cut_now = True
        else:
            self.power.cut_at(steps)

    def _power_cycle(self) -> None:
        self._starts += 1
        self._guarded(lambda: self._boot(self._now), self._now)

    def _go_wrong(self, how: str) -> None:
        self._wrong = how
