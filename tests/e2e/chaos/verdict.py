"""What came of it, seen from outside: the events and the ledger of each machine against what its outbox accepted."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.e2e.chaos.producer import NOTED
from tests.e2e.chaos.town import Town

PAGE = 500


@dataclass
class Verdict:
    """Sums over all machines; ``problems`` says what is wrong and with whom."""

    accepted: int = 0
    sequences: int = 0
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    missing: int = 0
    uncounted: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def faultless(self) -> bool:
        """Lost 0, doubled 0, order kept, ledger complete."""
        return not self.problems


async def judge(town: Town) -> Verdict:
    """Compare every machine."""
    verdict = Verdict()
    for machine in town.plan.names:
        await _judge(town, machine, verdict)
    return verdict


async def _judge(town: Town, machine: str, verdict: Verdict) -> None:
    numbers = await _numbers(town, machine)
    accepted, last = town.plan.facts, town.depth(machine).last_sequence
    ledger: Any = await town.get(f"/api/v1/machines/{machine}/ledger")
    counted = sum(day["received"] + day["dropped"] + day["freed"] for day in ledger["days"])
    complete = sum(epoch["complete_to"] for epoch in ledger["epochs"])
    found = {
        "lost": accepted - len(set(numbers) & set(range(1, accepted + 1))),
        "doubled": len(numbers) - len(set(numbers)),
        "out_of_order": sum(later < earlier for earlier, later in pairwise(numbers)),
        "missing": sum(epoch["missing"] for epoch in ledger["epochs"]) + abs(last - complete),
        "uncounted": abs(last - counted),
    }
    verdict.accepted += accepted
    verdict.sequences += last
    for name, count in found.items():
        setattr(verdict, name, getattr(verdict, name) + count)
        if count:
            verdict.problems.append(f"{machine}: {name} {count}")


async def _numbers(town: Town, machine: str) -> list[int]:
    """The numbers of the facts that the cloud has, in the order of their sequences."""
    found: list[int] = []
    cursor = ""
    while True:
        page: Any = await town.get(f"/api/v1/machines/{machine}/events?limit={PAGE}&cursor={cursor}")
        found += [item["data"]["n"] for item in page["items"] if item["type"] == NOTED]
        if not page["next"]:
            return found[::-1]
        cursor = page["next"]
