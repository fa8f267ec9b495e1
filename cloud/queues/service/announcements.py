"""What a counter's display and pad show. Late is worse than never: a call that could not be shown soon expires."""

from collections.abc import Mapping
from typing import Any

from cloud.queues.model import Counter, HallPlan, Ticket
from cloud.queues.service.ports import CommandSender
from cloud.storage.unit_of_work import Tx

DISPLAY = "signage"
PAD = "evaluator"
_START_IN_S = 20.0
_RUN_FOR_S = 10.0
PAUSED_TEXT = "暂停服务"
NOBODY_TEXT = "无人等候"


class Announcer:
    """Sends to the counter's own machine; a machine without a display or pad is simply not told."""

    def __init__(self, plans: Mapping[str, HallPlan], commands: CommandSender) -> None:
        self._plans = plans
        self._commands = commands

    def called(self, tx: Tx, counter: Counter, ticket: Ticket) -> None:
        """Show the number, and welcome the citizen on the pad."""
        key = f"call:{ticket.ticket_id}:{ticket.calls}"
        self._show(tx, counter, key, ticket=ticket.number, text=f"请{ticket.number}到{counter.number}号窗口")
        self._pad(tx, counter, key, "welcome")

    def finished(self, tx: Tx, counter: Counter, ticket: Ticket) -> None:
        """Clear the number and ask for a grade."""
        key = f"finish:{ticket.ticket_id}"
        self._show(tx, counter, key)
        self._pad(tx, counter, key, "ask_rating", subject=ticket.ticket_id)

    def freed(self, tx: Tx, counter: Counter) -> None:
        """Nobody stands at the counter: clear the number, or say that it pauses."""
        key = f"counter:{counter.hall}:{counter.counter}:{counter.version}"
        self._show(tx, counter, key, text="" if counter.state == "open" else PAUSED_TEXT)
        self._pad(tx, counter, key, "idle" if counter.state == "open" else "paused")

    def thanked(self, tx: Tx, counter: Counter, ticket: Ticket) -> None:
        """Thank for the grade."""
        self._pad(tx, counter, f"thanks:{ticket.ticket_id}", "thanks")

    def told(self, tx: Tx, counter: Counter, key: str, text: str) -> None:
        """Show a line of text to the clerk, such as that nobody waits."""
        self._show(tx, counter, key, text=text)

    def _show(self, tx: Tx, counter: Counter, key: str, ticket: str = "", text: str = "") -> None:
        args = {"ticket": ticket, "counter": counter.number, "text": text}
        self._send(tx, counter, DISPLAY, args, f"{key}:display")

    def _pad(self, tx: Tx, counter: Counter, key: str, mode: str, subject: str = "") -> None:
        self._send(tx, counter, PAD, {"mode": mode, "subject": subject}, f"{key}:pad")

    def _send(self, tx: Tx, counter: Counter, capability: str, args: Mapping[str, Any], key: str) -> None:
        slot = self._plans[counter.hall].slots[counter.machine].get(capability)
        if slot is not None:
            self._commands.send(
                tx, counter.machine, slot, "show", args, start_in_s=_START_IN_S, run_for_s=_RUN_FOR_S, key=key
            )
