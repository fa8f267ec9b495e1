"""Displays, callers and pads of vendors who publish a sheet of paper: the profile's options describe the frames.

What a sheet does not have, the driver cannot know. Without ``probe`` a board is asked by showing again what it shows;
without any answer at all it counts as on line while the line itself is there. Most sheets number no
keys: a key said twice is two presses, unless the event has a ``sequence`` that stays the same.
"""

import itertools
from collections import deque
from collections.abc import Callable, Mapping

from device_profiles.capabilities.caller import CallerKey, CallerStatus, KeyPressed
from device_profiles.capabilities.evaluator import EvaluatorStatus, PadArgs, Rated
from device_profiles.capabilities.model import Command, DeviceState, Effect, Event, Identity, Nothing, Shape, Status
from device_profiles.capabilities.signage import DisplayArgs, SignageStatus
from device_profiles.errors import HallRuleError, ProfileError
from device_profiles.hall.numbers import parse_number
from device_profiles.schema.line_template import RECEIVED, SENT, LineTemplate, template_problems
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.line_template import Layout, LineTemplateCodec, Received, Value
from firmware_bridge.drivers import arguments, unsupported
from firmware_bridge.drivers._kept import kept
from firmware_bridge.errors import PeerBrokeProtocol, UnsupportedCommand
from firmware_bridge.link import Exchange, Link
from firmware_bridge.transports import Transport

_STATUS: Mapping[str, Callable[..., Status]] = {
    "signage": kept(SignageStatus),
    "caller": kept(CallerStatus),
    "evaluator": kept(EvaluatorStatus),
}
_EVENTS_HELD = 32
_SAME_WITHIN_S = 10.0  # a device that waits for our word repeats itself every second or so
_BLANK: Mapping[str, Value] = {
    "ticket": "", "prefix": 0, "number": 0, "counter": 0, "text": "", "line": "", "lit": 0,
}  # fmt: skip


class Driver:
    """One device of a vendor's line protocol."""

    def __init__(self, profile: PeripheralProfile, template: LineTemplate, link: Link[Received], clock: Clock) -> None:
        self.capability = profile.capability
        self._name = profile.name
        self._template = template
        self._sent = {role: Layout(getattr(template, role)) for role in SENT}
        self._answers = {role: _same_shape(template, f"{role}_reply") for role in ("show", "probe")}
        self._link = link
        self._clock = clock
        self._unit: dict[str, Value] = {} if template.unit is None else {"unit": template.unit}
        self._probe = self._sent["probe"].encode(self._unit)
        self._picture: dict[str, Value] = {**_BLANK, "mode": template.modes.get("idle", 0)}
        self._subject = ""
        self._pressed: deque[tuple[Event, Received]] = deque(maxlen=_EVENTS_HELD)
        self._strange: deque[int] = deque(maxlen=_EVENTS_HELD)
        self._count = itertools.count(1)
        self._last: tuple[Value, Value, float] | None = None  # sequence and key of the newest, when it was heard
        self._again: deque[Received] = deque(maxlen=_EVENTS_HELD)

    async def identify(self) -> Identity:
        await self._ask_state()
        return Identity(model=self._name)

    async def status(self) -> Status:
        answer = await self._ask_state()
        healthy = self._template.healthy
        faulty = answer is not None and answer.values.get("fault", healthy) != healthy
        return _STATUS[self.capability](device=DeviceState.HARDWARE_ERROR if faulty else DeviceState.ONLINE)

    async def execute(self, command: Command, args: Shape) -> Shape:
        if command.name != "show" or self.capability == "caller":
            raise unsupported(self.capability, command)
        if self.capability == "evaluator":
            wanted = arguments(args, PadArgs)
            picture, subject = self._mode(wanted.mode), wanted.subject if wanted.mode == "ask_rating" else ""
        else:
            picture, subject = _ticket_picture(arguments(args, DisplayArgs)), ""
        try:
            await self._say("show", self._shown({**self._picture, **picture}), Effect.IDEMPOTENT)
        except ValueError as error:
            raise UnsupportedCommand(f"show: {error}; this board's frame has no room for it") from error
        self._picture.update(picture)
        self._subject = subject
        return Nothing()

    async def poll(self) -> list[Event]:
        if self._template.event:
            async with self._link.exchange() as line:
                await self._hear(line)
                while self._again:
                    await line.send(self._ack(self._again.popleft()))
        if self._strange:
            known = ", ".join(f"{number} {name}" for name, number in self._template.keys.items())
            raise PeerBrokeProtocol(f"event: expected one of the keys {known}, got {self._strange.popleft()}")
        return [event for event, _ in self._pressed]

    async def confirm(self, event: Event) -> None:
        """The device is told, where its protocol has a word for it."""
        for held, received in [*self._pressed]:
            if held.device == event.device:
                self._pressed.remove((held, received))
                if self._template.event_ack:
                    await self._link.send(self._ack(received))

    def counters(self) -> dict[str, float]:
        return self._link.counters.as_metrics()

    async def close(self) -> None:
        await self._link.close()

    def noticed(self, received: Received) -> None:
        """A frame that no question was waiting for."""
        if received.frame != "event" or not self._is_mine(received):
            return
        code = received.values["key"]
        if self._is_repeat(received):
            return
        body = self._body(code)
        if body is None:
            self._strange.append(int(code))
        else:
            identity = f"{next(self._count)}/{code}/{self._clock.monotonic():.3f}"
            self._pressed.append((Event(identity, body), received))

    def _is_repeat(self, received: Received) -> bool:
        """Said again because our word for it was lost or is not due yet; where it is due, it is given again."""
        sequence, code, now = received.values.get("sequence"), received.values["key"], self._clock.monotonic()
        if sequence is None:
            return False
        before, self._last = self._last, (sequence, code, now)
        if before is None or before[:2] != (sequence, code) or now - before[2] > _SAME_WITHIN_S:
            return False  # the same number long after: the device has begun to count anew
        if self._template.event_ack and all(held != received for _, held in self._pressed):
            self._again.append(received)
        return True

    def _ack(self, received: Received) -> bytes:
        return self._sent["event_ack"].encode({**self._unit, **received.values})

    def _body(self, code: Value) -> Shape | None:
        names = {number: name for name, number in self._template.keys.items()}
        if code not in names:
            return None
        if self.capability == "caller":
            return KeyPressed(key=CallerKey(names[code]))
        return Rated(grade=int(names[code]), subject=self._subject)

    def _is_mine(self, received: Received) -> bool:
        return received.values.get("unit", self._template.unit) == self._template.unit

    def _mode(self, mode: str) -> dict[str, Value]:
        if not self._template.modes:
            return {}
        if mode not in self._template.modes:
            known = ", ".join(self._template.modes)
            raise UnsupportedCommand(f"show: mode: this pad has {known}, not {mode}")
        return {"mode": self._template.modes[mode]}

    async def _ask_state(self) -> Received | None:
        if self._template.probe:
            return await self._say("probe", self._probe, Effect.READ)
        if self._template.show:
            return await self._say("show", self._shown(self._picture), Effect.IDEMPOTENT)
        await self._link.send(b"")  # nothing can be asked: notice at least when the line is gone
        return None

    def _shown(self, picture: Mapping[str, Value]) -> bytes:
        return self._sent["show"].encode({**self._unit, **picture})

    async def _say(self, role: str, data: bytes, effect: Effect) -> Received | None:
        answers = self._answers[role]
        async with self._link.exchange() as line:
            await self._hear(line)
            if not answers:
                await line.send(data)
                return None
            return await line.request(
                data, effect=effect, accept=lambda reply: reply.frame in answers and self._is_mine(reply)
            )

    async def _hear(self, line: Exchange[Received]) -> None:
        """What the device has said unasked, before a question drops the input."""
        while (said := await line.receive(0)) is not None:
            self.noticed(said)


def _same_shape(template: LineTemplate, role: str) -> list[str]:
    """The names of frames that may be the one of ``role``: two of one shape are told apart by the question alone."""
    frame = getattr(template, role)
    return [name for name in RECEIVED if frame and getattr(template, name) == frame]


def _ticket_picture(wanted: DisplayArgs) -> dict[str, Value]:
    prefix, number = "", 0
    if wanted.ticket:
        try:
            prefix, number = parse_number(wanted.ticket)
        except HallRuleError as error:
            raise UnsupportedCommand(f"show: {error}") from error
    return {
        "ticket": wanted.ticket,
        "prefix": ord(prefix) if prefix else 0,
        "number": number,
        "counter": wanted.counter,
        "text": wanted.text,
        "line": " ".join(word for word in (wanted.ticket, wanted.text) if word),
        "lit": int(bool(wanted.ticket or wanted.text)),
    }


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one device; ``transport`` is open before the first call. Raises ProfileError for the template."""
    if problems := template_problems(profile.capability, profile.options):
        raise ProfileError(f"{profile.id}.toml: {'; '.join(problems)}")
    template = LineTemplate.model_validate(profile.options)
    frames = {role: getattr(template, role) for role in RECEIVED}
    drivers: list[Driver] = []
    link: Link[Received] = Link(
        transport,
        LineTemplateCodec(frames),
        clock,
        reply_s=profile.timing.reply_ms / 1000,
        attempts=profile.timing.attempts,
        on_unsolicited=lambda received: drivers[0].noticed(received),
    )
    drivers.append(Driver(profile, template, link, clock))
    return drivers[0]
