"""Cases on a real database: a citizen at an endorsement machine, and a process that dies between any two steps."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cloud.commands import store as commands
from cloud.core.clock import SetClock
from cloud.core.errors import Conflict, NotFound
from cloud.flows.jobs import CallRunner, backoff_s
from cloud.flows.model import Answer, Card, Case, Once, Payment
from cloud.flows.service import FlowService
from cloud.flows.store import cases
from cloud.flows.store.tables import case_secrets, department_calls
from cloud.wiring import Cloud
from device_profiles.messages.sealing import seal
from tests.builders.clouds import MORNING, come_online, open_cloud, tell

ENDORSE, RENEW = "endorse-1", "renew-1"
SECRETS = {
    "document_number": "C00000001",
    "id_number": "000000199001011234",
    "name": "样例",
    "text": "280000000000000001",
}


class BackOffices:
    """Departments that remember: one effect per key, whoever asks how often. Lives as long as the world outside."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Mapping[str, str | int]]] = []
        self.done: Counter[str] = Counter()
        self.standing: dict[str, int] = {}
        self.silent: Counter[str] = Counter()

    async def call(self, operation: str, body: Mapping[str, str | int], attempt: int) -> Answer:
        self.seen.append((operation, dict(body)))
        if operation == "payment.reverse":
            return self._reverse(str(body["payment_key"]))
        key = str(body.get("key", operation))
        if key not in self.done:
            self.done[key] += 1
            if operation == "payment.authorise":
                self.standing[key] = int(body["amount_fen"])
        if self.silent[operation]:
            self.silent[operation] -= 1
            return Answer("again")  # done, but the answer was lost
        return Answer("succeeded", {"endorsement_number": "E1", "valid_until": "2027-03-02", "receipt_number": "R1"})

    def _reverse(self, key: str) -> Answer:
        taken = self.standing.pop(key, None)
        return Answer("succeeded", {"state": "nothing_taken" if taken is None else "reversed"})


class Hall:
    """Machines and departments: what stays when the cloud's process goes."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.clock = SetClock(MORNING)
        self.offices = BackOffices()
        self.commands: Counter[str] = Counter()
        self.printed = 7
        self.outcomes: dict[str, tuple[str, str]] = {}

    @asynccontextmanager
    async def cloud(self) -> AsyncIterator[Cloud]:
        """A new process of the cloud on the same database."""
        async with open_cloud(self.url, self.folder, self.clock) as cloud:
            yield cloud

    async def step(self, cloud: Cloud) -> bool:
        """Let the oldest thing that waits happen: a command at a machine, a department call, or the passing of time."""
        row = await cloud.db.read(_oldest_command)
        if row is not None:
            await self._obey(cloud, row)
        elif not await self._call(cloud):
            return await self._wait(cloud)
        return True

    async def _obey(self, cloud: Cloud, row: sa.Row[Any]) -> None:
        self.commands[f"{row.slot}.{row.name}"] += 1
        outcome, code = self.outcomes.get(f"{row.slot}.{row.name}", ("succeeded", ""))
        if (row.slot, row.name, outcome) == ("card_printer", "print", "succeeded"):
            self.printed += 1
        error = {"code": code, "action": "clear", "detail": ""} if code else None
        output = _output(cloud, row) if outcome == "succeeded" else {}
        data = {"command_id": row.id, "outcome": outcome, "output": output, "error": error, "flow_id": row.flow_id}
        await tell(cloud, row.machine, "command.finished", data, row.slot)

    async def _call(self, cloud: Cloud) -> bool:
        return await CallRunner(cloud.db, cloud.flows, self.offices, cloud.keys, self.clock).run_due() > 0

    async def _wait(self, cloud: Cloud) -> bool:
        due = [await cloud.db.read(cases.next_deadline), await cloud.db.read(_next_call)]
        if not any(due):
            return False
        self.clock.advance(1.0)
        return await cloud.db.write(cloud.flows.expire) >= 0


def _next_call(conn: sa.Connection) -> int | None:
    found: int | None = conn.execute(
        sa.select(sa.func.min(department_calls.c.next_ms)).where(department_calls.c.state == "open")
    ).scalar()
    return found


def _oldest_command(conn: sa.Connection) -> sa.Row[Any] | None:
    rows = commands.open_commands(conn)
    return rows[0] if rows else None


def _output(cloud: Cloud, row: sa.Row[Any]) -> dict[str, Any]:
    sealed = seal(SECRETS, cloud.keys.seal_public)
    outputs: dict[str, dict[str, Any]] = {
        "read_chip": {"holder": "same-person", "sealed": sealed},
        "read": {"holder": "same-person", "sealed": sealed},
        "identify": {"matched": True},
        "eject": {"taken": True},
        "choose": {"option": (row.args.get("options") or [{"id": ""}])[0]["id"]},
    }
    return outputs.get(row.name, {})


@pytest.fixture
def hall(database_url: str, tmp_path: Path) -> Hall:
    return Hall(database_url, tmp_path / "cloud")


async def begin(cloud: Cloud, machine: str = ENDORSE, item: str = "hk-macao-endorsement", session: str = "s-1") -> None:
    await come_online(cloud, machine)
    await tell(cloud, machine, "session.started", {"session_id": session, "item": item})


async def case_of(cloud: Cloud, session: str = "s-1") -> Case:
    return (await cloud.db.read(lambda conn: cases.get(conn, session))).case


async def until_end(hall: Hall, cloud: Cloud, session: str = "s-1") -> Case:
    for _ in range(400):
        case = await case_of(cloud, session)
        if case.end and await cloud.db.read(_oldest_command) is None:
            return case
        assert await hall.step(cloud), f"nothing happens at {case.step}"
    raise AssertionError(f"still at {case.step}")


ONCE = ("card_printer.print", "printer.print", "card_unit.accept")


def assert_done_once(hall: Hall, case: Case) -> None:
    assert (case.end, case.balance.card, case.balance.card_printed) == ("done", Card.RETURNED, Once.YES)
    assert (case.balance.payment, case.balance.paid_fen) == (Payment.AUTHORISED, 1500)
    assert [hall.commands[name] for name in ONCE] == [1, 1, 1]
    assert sorted(hall.offices.standing.values()) == [1500]
    assert all(times == 1 for times in hall.offices.done.values())


async def test_an_endorsement_from_card_to_card(hall: Hall) -> None:
    async with hall.cloud() as cloud:
        await begin(cloud)
        assert_done_once(hall, await until_end(hall, cloud))


async def test_a_renewal_ends_registered_paid_and_with_a_slip(hall: Hall) -> None:
    async with hall.cloud() as cloud:
        await begin(cloud, RENEW, "id-card-renewal")
        case = await until_end(hall, cloud)
    assert (case.end, case.balance.registered, case.balance.receipt) == ("done", Once.YES, Once.YES)
    assert case.data["receipt_number"] == "R1"
    assert list(hall.offices.standing.values()) == [2000]


async def test_a_case_ends_when_the_process_dies_between_any_two_steps(hall: Hall) -> None:
    async with hall.cloud() as cloud:
        await begin(cloud)
    for _ in range(200):
        async with hall.cloud() as cloud:  # one step in the life of each process
            case = await case_of(cloud)
            if case.end and await cloud.db.read(_oldest_command) is None:
                break
            await hall.step(cloud)
    assert_done_once(hall, case)


async def test_a_session_told_twice_begins_one_case(hall: Hall) -> None:
    async with hall.cloud() as cloud:
        await begin(cloud)
        await begin(cloud)
        with pytest.raises(Conflict, match="begun before"):
            await begin(cloud, RENEW, "id-card-renewal")
        rows = await cloud.db.read(commands.open_commands)
    assert sorted(row.name for row in rows) == ["accept", "show"]


async def test_the_second_citizen_waits_until_the_first_case_is_over(hall: Hall) -> None:
    async with hall.cloud() as cloud:
        await begin(cloud)
        await begin(cloud, session="s-2")
        assert (await case_of(cloud, "s-2")).end == "machine_busy"
        assert not (await case_of(cloud)).end


async def test_lost_answers_of_the_gateway_charge_once(hall: Hall) -> None:
    hall.offices.silent.update({"payment.authorise": 2, "exit_entry.endorsement": 3})
    async with hall.cloud() as cloud:
        await begin(cloud)
        assert_done_once(hall, await until_end(hall, cloud))


async def test_a_silent_gateway_returns_card_and_money(hall: Hall) -> None:
    hall.offices.silent.update({"payment.authorise": 1000})
    async with hall.cloud() as cloud:
        await begin(cloud)
        case = await until_end(hall, cloud)
    assert (case.end, case.balance.card, case.balance.payment) == (
        "payment_unavailable", Card.RETURNED, Payment.REVERSED,
    )  # fmt: skip
    assert hall.offices.standing == {}
    assert hall.commands["card_printer.print"] == 0


@pytest.mark.parametrize(("really", "end"), [(True, "done"), (False, "print_failed")])
async def test_an_unknown_print_is_settled_by_the_printers_own_count(hall: Hall, really: bool, end: str) -> None:
    hall.outcomes["card_printer.print"] = ("unknown", "")
    async with hall.cloud() as cloud:
        await begin(cloud)
        await report(cloud, 7)
        while (await case_of(cloud)).step != "count_prints":
            await hall.step(cloud)
        await report(cloud, 8 if really else 7)
        case = await until_end(hall, cloud)
    assert (case.end, hall.commands["card_printer.print"]) == (end, 1)
    assert (sum(hall.offices.standing.values()) > 0) == really


async def report(cloud: Cloud, printed_total: int) -> None:
    values = {"card_printer": {"device": "online", "printed_total": printed_total}}
    await tell(cloud, ENDORSE, "machine.reported", {"version": printed_total, "values": values})


async def test_a_print_that_nobody_can_count_is_left_to_staff(hall: Hall) -> None:
    hall.outcomes["card_printer.print"] = ("unknown", "")
    async with hall.cloud() as cloud:
        await begin(cloud)
        while (await case_of(cloud)).step != "inspect_card":
            await hall.step(cloud)
        with pytest.raises(Conflict, match="settled by printed, not_printed, got 'confirmed'"):
            await cloud.db.write(lambda tx: cloud.flows.signal(tx, "s-1", "confirmed"))
        await cloud.db.write(lambda tx: cloud.flows.signal(tx, "s-1", "not_printed"))
        case = await until_end(hall, cloud)
    assert (case.end, case.balance.payment) == ("print_failed", Payment.REVERSED)


async def test_giving_up_returns_the_card(hall: Hall) -> None:
    async with hall.cloud() as cloud:
        await begin(cloud)
        while (await case_of(cloud)).step != "choose_kind":
            await hall.step(cloud)
        await cloud.db.write(lambda tx: cloud.flows.cancel(tx, "s-1"))
        case = await until_end(hall, cloud)
        with pytest.raises(Conflict, match="it has ended"):
            await cloud.db.write(lambda tx: cloud.flows.cancel(tx, "s-1"))
    assert (case.end, case.balance.card, case.balance.payment) == ("cancelled", Card.RETURNED, Payment.NONE)


async def test_personal_values_are_opened_for_the_call_only_and_erased_at_the_end(hall: Hall) -> None:
    async with hall.cloud() as cloud:
        await begin(cloud)
        while (await case_of(cloud)).step != "register":
            await hall.step(cloud)
        kept = await cloud.db.read(lambda conn: conn.execute(sa.select(case_secrets)).mappings().all())
        assert {row["name"] for row in kept} == {"permit", "id_card"}, "the payment code is gone once it was used"
        await until_end(hall, cloud)
        everything = await cloud.db.read(_all_rows)
        assert await cloud.db.read(lambda conn: conn.execute(sa.select(case_secrets)).all()) == []
    assert ("exit_entry.eligibility", {"document_number": SECRETS["document_number"]}) in hall.offices.seen
    assert not [secret for secret in SECRETS.values() if secret in everything]


def _all_rows(conn: sa.Connection) -> str:
    metadata = sa.MetaData()
    metadata.reflect(conn)
    return "\n".join(str(row) for table in metadata.sorted_tables for row in conn.execute(sa.select(table)))


async def test_a_machine_does_only_what_it_offers(hall: Hall) -> None:
    async with hall.cloud() as cloud:
        flows: FlowService = cloud.flows
        with pytest.raises(NotFound, match="does not offer the item 'id-card-renewal'"):
            await cloud.db.write(lambda tx: flows.start(tx, ENDORSE, "id-card-renewal"))


def test_attempts_are_spaced_out() -> None:
    assert [backoff_s(attempts) for attempts in (0, 1, 2, 10, 1000)] == [0.5, 1.0, 2.0, 30.0, 30.0]
