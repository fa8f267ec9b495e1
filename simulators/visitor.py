"""A citizen at a self-service machine: does what screen and devices ask for, with hands and cards only.

Nothing here knows the steps of a journey. The visitor sees an open gate, a lit scanner, a reader that looks for a
card, a sensor that looks for a finger, a question on the screen, and acts on it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulators.room import Room
from simulators.screens import ScreenUnavailable

GLANCE_S = 1.0
PATIENCE_S = 900.0
PATIENCE_WITH_CARD_INSIDE_S = 3600.0  # nobody goes home without his permit
LEAST_REAL_S = 150.0  # devices and departments take their real time, however fast people live
PHOTO_ITEMS = frozenset({"id-card-renewal"})  # journeys that ask for the barcode of a photo receipt before money


@dataclass
class Visitor:
    """One person at one machine. ``codes`` are held before the scanner one after the other."""

    room: Room
    machine: str
    person: str
    rng: random.Random
    codes: list[str] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)

    async def use(self, item: str) -> bool:
        """Go through a journey; False when the machine did not start it. Takes everything along that came back."""
        try:
            session = await self.room.screens.start(self.machine, item)
        except ScreenUnavailable:
            self.room.counts["screen_unavailable"] += 1
            return False
        if item in PHOTO_ITEMS:
            self.codes.append(f"PH{self.rng.randrange(10**16):016d}")
        self.codes.append(self.room.people.new_payment_code(self.person))
        spent = 0.0
        while spent < self._patience_s() and not await self._finished(session):
            self._react()
            spent += await self._wait()
        self._tidy_up()
        self.room.counts[f"journey_{item}"] += 1
        return True

    def _patience_s(self) -> float:
        wanted = PATIENCE_WITH_CARD_INSIDE_S if self._owns_card_inside() else PATIENCE_S
        return max(wanted, LEAST_REAL_S * self.room.tempo.speed)

    async def _wait(self) -> float:
        seconds = GLANCE_S * self.rng.uniform(1, 3)
        await self.room.tempo.spend(seconds)
        return seconds

    async def _finished(self, session: str) -> bool:
        """Answer a question if there is one; whether the screen has left the journey and nothing is in the machine."""
        try:
            view = await self.room.screens.view(self.machine)
            if view.get("kind") == "question":
                await self.room.screens.answer(self.machine, self.rng.choice(view["options"])["id"])
        except ScreenUnavailable:
            return False
        return view.get("session_id") != session and not self._owns_card_inside()

    def _react(self) -> None:
        reactions: dict[str, Callable[[dict[str, Any]], None]] = {
            "card_unit": self._card_unit,
            "id_reader": self._id_reader,
            "fingerprint": self._fingerprint,
            "scanner": self._scanner,
            "printer": self._printer,
        }
        for slot in self.room.machines[self.machine].ports:
            if slot in reactions:
                reactions[slot](self.room.see(self.machine, slot))

    def _card_unit(self, unit: dict[str, Any]) -> None:
        if unit["position"] == "gate":
            self._press("card_unit", "take_card")
        elif unit["gate_open"] and unit["position"] == "none" and not unit["offered"]:
            self._press("card_unit", "insert_card", person=self.person)

    def _id_reader(self, reader: dict[str, Any]) -> None:
        if reader["card"] and self._more("reads", reader["reads"]):
            self._press("id_reader", "remove_card")
        elif not reader["card"] and self._more("finds", reader["finds"]) and not self.seen.get("reads"):
            self._press("id_reader", "insert_card", person=self.person)

    def _fingerprint(self, sensor: dict[str, Any]) -> None:
        wanted = self._more("captures", sensor["captures"])
        if wanted and not sensor["finger"]:
            self._press("fingerprint", "present_finger", person=self.person)
        elif sensor["finger"] and not wanted:
            self._press("fingerprint", "lift_finger")

    def _printer(self, printer: dict[str, Any]) -> None:
        if printer.get("presenter"):
            self._press("printer", "take_ticket")

    def _scanner(self, scanner: dict[str, Any]) -> None:
        if scanner["triggered"] and self.codes and not scanner["code_in_front"]:
            self._press("scanner", "present_code", text=self.codes.pop(0))

    def _more(self, what: str, count: int) -> bool:
        """Whether a device has done something since the last look; the first look only sets the start."""
        before = self.seen.get(f"count_{what}", count)
        self.seen[f"count_{what}"] = count
        if count > before:
            self.seen[what] = self.seen.get(what, 0) + 1
        return count > before

    def _owns_card_inside(self) -> bool:
        if "card_unit" not in self.room.machines[self.machine].ports:
            return False
        card = self.room.see(self.machine, "card_unit")["card"]
        return bool(card) and card["owner"] == self.person

    def _tidy_up(self) -> None:
        ports = self.room.machines[self.machine].ports
        for slot, button in (
            ("id_reader", "remove_card"), ("fingerprint", "lift_finger"), ("scanner", "remove_code"),
            ("card_unit", "withdraw_card"),
        ):  # fmt: skip
            if slot in ports:
                self._press(slot, button)

    def _press(self, slot: str, button: str, **arguments: Any) -> None:
        self.room.press(self.machine, slot, button, **arguments)


async def keep_coming(room: Room, machine: str, mean_gap_s: float) -> None:
    """People come to one self-service machine for its journeys, one after the other, without end."""
    rng = random.Random(f"self-service/{room.seed}/{machine}")
    items = room.machines[machine].profile.items
    while True:
        await room.tempo.spend(rng.expovariate(1 / mean_gap_s))
        person = rng.choice([key for key in room.people.with_known_finger() if key not in room.inside])
        room.inside.add(person)
        async with room.turns[machine]:
            await Visitor(room, machine, person, rng).use(rng.choice(items))
        room.inside.discard(person)
