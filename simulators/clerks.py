"""Counter staff: they press the keys of their caller, look at their display, and serve who comes."""

import asyncio
import random

from device_profiles.schema.hall import Counter
from simulators.room import Room

GLANCE_S = 0.1  # real seconds between two looks at the display
CALL_TAKES_S = 4.0  # real seconds that a call may take through the cloud and back
NO_SHOW, RATES, BREAK = 0.04, 0.8, 0.01
GRADES, GRADE_WEIGHTS = (5, 4, 3, 2, 1), (70, 20, 6, 2, 2)


async def work(room: Room, counter: Counter) -> None:
    """A clerk's day at one counter, without end."""
    rng = random.Random(f"clerk/{room.seed}/{counter.id}")
    served = ""
    await room.tempo.spend(rng.uniform(1, 30))
    room.press(counter.machine, "caller", "press_key", key="open")
    while True:
        number = await _called(room, counter, served)
        if not number:
            await room.tempo.spend(rng.uniform(15, 40))
            continue
        served = number
        await _serve(room, counter, number, rng)
        if rng.random() < BREAK:
            await _take_a_break(room, counter, rng)
        await room.tempo.spend(rng.uniform(4, 15))


async def _called(room: Room, counter: Counter, served: str) -> str:
    """The number on the display that is not served yet; presses call-next when there is none."""
    shown = _shown(room, counter)
    if shown and shown != served:
        return shown  # a call that took longer than this clerk cared to look
    if room.see(counter.machine, "caller").get("events_held"):
        return ""  # the lamp of the last key still blinks: pressing again would call somebody else, too
    if not room.press(counter.machine, "caller", "press_key", key="call_next"):
        return ""
    deadline = _now() + CALL_TAKES_S
    while _now() < deadline:
        shown = _shown(room, counter)
        if shown and shown != served:
            return shown
        await asyncio.sleep(GLANCE_S)
    return ""


async def _serve(room: Room, counter: Counter, number: str, rng: random.Random) -> None:
    person = room.waiting.pop(number, "")
    await room.tempo.spend(rng.uniform(5, 25))
    if number in room.left or (person and rng.random() < NO_SHOW):
        await _give_up(room, counter, number, person)
        return
    room.press(counter.machine, "caller", "press_key", key="start")
    await room.tempo.spend(_service_s(room, number, rng))
    room.press(counter.machine, "caller", "press_key", key="finish")
    room.counts["served"] += 1
    await _be_rated(room, counter, rng)
    room.inside.discard(person)


async def _give_up(room: Room, counter: Counter, number: str, person: str) -> None:
    room.press(counter.machine, "caller", "press_key", key="recall")
    await room.tempo.spend(25)
    room.press(counter.machine, "caller", "press_key", key="no_show")
    room.left.discard(number)
    room.inside.discard(person)
    room.counts["no_show"] += 1


async def _be_rated(room: Room, counter: Counter, rng: random.Random) -> None:
    """The citizen touches a grade when the pad asks, or walks off."""
    if rng.random() >= RATES:
        return
    deadline = _now() + CALL_TAKES_S
    while _now() < deadline:
        if room.see(counter.machine, "pad").get("mode") == "ask_rating":
            await room.tempo.spend(rng.uniform(2, 6))
            if room.press(counter.machine, "pad", "touch_grade", grade=rng.choices(GRADES, GRADE_WEIGHTS)[0]):
                room.counts["rated"] += 1
            return
        await asyncio.sleep(GLANCE_S)


async def _take_a_break(room: Room, counter: Counter, rng: random.Random) -> None:
    room.press(counter.machine, "caller", "press_key", key="pause")
    await room.tempo.spend(rng.uniform(300, 900))
    room.press(counter.machine, "caller", "press_key", key="open")


def _shown(room: Room, counter: Counter) -> str:
    shown = str(room.see(counter.machine, "display").get("ticket", ""))  # a board may show something else
    if not shown.isdigit():
        return shown
    # A board of digits shows no letter: the clerk looks who stands up.
    return next((number for number in room.waiting if number[1:] == shown), shown)


def _service_s(room: Room, number: str, rng: random.Random) -> float:
    """Log-normal around the service's mean: most are shorter, a few take long."""
    means = {service.prefix: service.mean_service_s for service in room.hall.services}
    mean = means.get(number[:1], 300)
    return min(4.0 * mean, max(20.0, mean * rng.lognormvariate(-0.125, 0.5)))


def _now() -> float:
    return asyncio.get_running_loop().time()
