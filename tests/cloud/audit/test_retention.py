"""What is personal ends by age and for one person; the chain stays whole, and nothing in it names anybody."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloud.__main__ import main as cloud_main
from cloud.audit.jobs import AnchorTimer
from cloud.audit.service.export import export
from cloud.audit.service.record import check
from cloud.audit.store import entries
from cloud.audit.store.tables import ENTRIES
from cloud.cli.audit import main as audit_main
from cloud.commands.store import COMMANDS
from cloud.core.clock import SetClock, to_ms
from cloud.core.errors import Conflict
from cloud.core.facts import Fact
from cloud.flows.store.tables import case_secrets, cases
from cloud.ingest.quarantine import QUARANTINE, Put, put_aside
from cloud.ingest.store import append_events
from cloud.joints.privacy import rules_of
from cloud.queues.store.tables import tickets
from cloud.storage import schema
from cloud.storage.retention import Retention
from cloud.wiring import Cloud
from device_profiles.messages.sealing import seal, subject_token
from tests.builders.clouds import MORNING, open_cloud, tell
from tests.cloud.house import open_house

NUMBER = "110101199003071234"
MOBILE = "13912345678"
IDENTITY = re.compile(r"(?<![0-9a-fA-F])(?:[1-9][0-9]{16}[0-9Xx]|1[3-9][0-9]{9})(?![0-9a-fA-F])")
MACHINE = "endorse-1"


@pytest.fixture
def clock() -> SetClock:
    return SetClock(MORNING)


@pytest.fixture
async def cloud(database_url: str, tmp_path: Path, clock: SetClock) -> AsyncIterator[Cloud]:
    async with open_cloud(database_url, tmp_path / "cloud", clock) as opened:
        yield opened


def token_of(cloud: Cloud) -> str:
    return subject_token(NUMBER, cloud.keys.subject_salt)


async def a_visit(cloud: Cloud, case_id: str, *, ended: bool) -> None:
    """A person's traces in every table."""
    subject, now_ms = token_of(cloud), to_ms(cloud.clock.now())
    output = {"subject": subject, "holder": "ab" * 16, "sealed": "secret"}
    await cloud.db.write(lambda tx: cloud.flows.start(tx, MACHINE, "hk-macao-endorsement", case_id))

    def leave_traces(tx_conn: sa.Connection) -> None:
        command = sa.select(COMMANDS.c.id).where(COMMANDS.c.flow_id == case_id).limit(1)
        command_id = tx_conn.scalar(command)
        tx_conn.execute(sa.update(COMMANDS).where(COMMANDS.c.id == command_id).values(output=output, state="succeeded"))
        tx_conn.execute(sa.insert(case_secrets).values(case_id=case_id, name="id", sealed="secret"))
        if ended:
            tx_conn.execute(sa.update(cases).where(cases.c.case_id == case_id).values(end="done", deadline_ms=None))
        data = {"command_id": command_id, "outcome": "succeeded", "output": output}
        event = {
            "machine": MACHINE, "epoch": 1, "sequence": 1, "slot": "agent", "type": "command.finished",
            "at_ms": now_ms, "received_ms": now_ms, "historical": False, "data": data,
        }  # fmt: skip
        append_events(tx_conn, [event])
        ticket = dict.fromkeys((column.name for column in tickets.c), "") | {
            "ticket_id": f"t_{case_id}", "token": case_id, "subject": subject, "issued_ms": now_ms, "calls": 0,
            "called_ms": None, "started_ms": None, "ended_ms": None,
        }  # fmt: skip
        tx_conn.execute(sa.insert(tickets).values(**ticket))
        put_aside(tx_conn, [Put("hf/x", f'{{"subject":"{subject}"'.encode(), "not JSON")], now_ms)

    await cloud.db.write(lambda tx: leave_traces(tx.conn))


async def count(cloud: Cloud, table: sa.Table) -> int:
    found = await cloud.db.read(lambda conn: conn.scalar(sa.select(sa.func.count()).select_from(table)))
    return int(found or 0)


async def everything(cloud: Cloud) -> str:
    """All rows of all tables as text."""

    def dump(conn: sa.Connection) -> str:
        tables = sa.MetaData()
        tables.reflect(conn)
        return "\n".join(str(tuple(row)) for table in tables.sorted_tables for row in conn.execute(sa.select(table)))

    return await cloud.db.read(dump)


async def test_erasing_a_person_leaves_no_trace_and_a_whole_chain(cloud: Cloud) -> None:
    await a_visit(cloud, "case_1", ended=True)
    subject = token_of(cloud)
    assert subject in await everything(cloud)
    erasure = await cloud.db.write(lambda tx: cloud.retention.erase(tx, subject))
    assert erasure.ended == {"cases": 1, "subjects": 1, "commands": 1, "facts": 1, "quarantine": 1}
    left = await everything(cloud)
    assert subject not in left
    assert "'secret'" not in left
    assert await count(cloud, tickets) == 1  # blinded, and still counted
    assert (await cloud.db.read(lambda conn: check(conn, ()))).intact
    entry = (await cloud.db.read(lambda conn: entries.listed(conn, {}, "person.", None, 1)))[0]
    assert (entry.action, entry.subject, dict(entry.detail)) == ("person.erased", erasure.erasure_id, erasure.ended)
    again = await cloud.db.write(lambda tx: cloud.retention.erase(tx, subject))
    assert set(again.ended.values()) == {0}


async def test_a_running_case_is_not_torn_apart(cloud: Cloud) -> None:
    await a_visit(cloud, "case_2", ended=False)
    with pytest.raises(Conflict, match="case_2: it is still running"):
        await cloud.db.write(lambda tx: cloud.retention.erase(tx, token_of(cloud)))
    assert await count(cloud, case_secrets) == 1


async def days(timer: Retention, clock: SetClock, count: int, step: int = 1) -> None:
    """Let days pass, with a round at the end of every ``step`` of them."""
    for _ in range(0, count, step):
        clock.advance(step * 86_400)
        await timer.look()


async def test_every_class_ends_after_its_days_and_not_before(cloud: Cloud, clock: SetClock) -> None:
    await a_visit(cloud, "case_3", ended=True)
    timer = Retention(cloud.db, rules_of(cloud.retention, cloud.db), clock, cloud.metrics)
    await timer.look()
    await days(timer, clock, 29)
    assert (await count(cloud, case_secrets), await count(cloud, QUARANTINE)) == (1, 1)
    await days(timer, clock, 2)
    assert (await count(cloud, case_secrets), await count(cloud, QUARANTINE), await count(cloud, cases)) == (0, 0, 1)
    assert await cloud.db.read(lambda conn: conn.scalar(sa.select(tickets.c.subject))) == ""
    clock.advance(3650 * 86_400)  # a clock that jumps makes nobody forget
    await timer.look()
    assert await count(cloud, cases) == 1
    clock.advance(-3650 * 86_400)
    await timer.look()
    await days(timer, clock, 150)
    assert await count(cloud, cases) == 0
    ended = await cloud.db.read(lambda conn: entries.listed(conn, {}, "retention.ended", None, 10))
    assert {entry.subject for entry in ended} == {"sealed", "subjects", "quarantine", "cases"}


async def test_the_beginning_of_the_chain_ends_and_the_rest_stays_provable(cloud: Cloud, clock: SetClock) -> None:
    timer = Retention(cloud.db, rules_of(cloud.retention, cloud.db), clock, cloud.metrics)
    anchors = AnchorTimer(cloud.db, cloud.audit, clock)
    await anchors.look()
    await days(timer, clock, 1000, step=7)
    await tell(cloud, MACHINE, "id_reader.device_offline", {"field": "device", "value": "offline"}, "id_reader")
    await days(timer, clock, 200, step=7)
    await anchors.look()
    found = await cloud.db.read(lambda conn: check(conn, cloud.audit.anchors()))
    assert found.intact, found.problems
    assert found.first > 1
    await cloud.db.write(lambda tx: tx.conn.execute(sa.delete(ENTRIES).where(ENTRIES.c.sequence == found.first)))
    found = await cloud.db.read(lambda conn: check(conn, ()))
    assert found.first_bad == 1


# -- nothing names anybody


async def test_no_identity_reaches_the_record_its_exports_or_the_log(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    bad = {"command_id": NUMBER, "name": f"reset {MOBILE}", "outcome": "failed", "error": {"code": f"x_{NUMBER}"}}
    facts = [
        Fact("command.settled", MORNING, bad, MACHINE),
        Fact("alert.resolved", MORNING, {"alert_id": f"a {NUMBER}", "code": "李雷", "state": MOBILE}, MACHINE),
        Fact("account.logged_in", MORNING, {"account_id": MOBILE, "way": NUMBER, "address": "10.0.0.7"}),
        Fact("counter.services_changed", MORNING, {"counter": "c1", "services": [NUMBER, "姓名"]}),
        Fact(f"printer.paper_{NUMBER}", MORNING, {"field": "paper", "value": NUMBER}, MACHINE, "printer"),
        Fact("twin.desired_changed", MORNING, {"version": int(NUMBER), "changed": ["seal_key"]}, MACHINE),
        Fact("case.signalled", MORNING, {"case_id": NUMBER, "item": "x", "word": f"{NUMBER}", "name": "李雷"}, MACHINE),
    ]
    for fact in facts:
        tx_rule = [react for react in cloud.bus.reactions(fact.type) if "audit" in type(react).__module__]
        reactions = tx_rule or [cloud.audit.on_status]
        await cloud.db.write(lambda tx, fact=fact, reactions=reactions: [react(tx, fact) for react in reactions])  # type: ignore[misc]
    written = "".join(await cloud.db.read(lambda conn: list(export(conn))))
    assert written.count("(withheld)") >= 8
    for text in (written, caplog.text):
        assert not IDENTITY.search(text)
        assert "李雷" not in text
        assert "10.0.0.7" not in text


# -- over HTTP and on the command line


async def test_over_http(database_url: str, tmp_path: Path) -> None:
    async with open_house(tmp_path / "cloud", database_url=database_url, connect=False) as house:
        page = (await house.get("/audit", limit=5)).json()
        assert len(page["items"]) == 5
        assert page["items"][0]["sequence"] > page["next"]
        older = (await house.get("/audit", limit=5, cursor=page["next"])).json()
        assert older["items"][0]["sequence"] == page["next"] - 1
        found = (await house.get("/audit", action="cloud.")).json()["items"]
        assert [entry["action"] for entry in found] == ["cloud.started"]
        head = (await house.get("/audit/head")).json()
        assert head["hash"] == page["items"][0]["hash"]
        verdict = (await house.get("/audit/verify")).json()
        assert (verdict["intact"], verdict["hash"]) == (True, head["hash"])
        asked = {"subject": token_of(house.cloud)}
        answer = await house.http.post("/api/v1/erasures", json=asked, headers={"Idempotency-Key": "e1"})
        assert answer.status_code == 201, answer.text
        again = await house.http.post("/api/v1/erasures", json=asked, headers={"Idempotency-Key": "e1"})
        assert again.json() == answer.json()
        wrong = await house.http.post("/api/v1/erasures", json={"subject": NUMBER}, headers={"Idempotency-Key": "e2"})
        assert wrong.status_code == 422
        assert NUMBER not in wrong.text


def _prepared(cloud: Cloud, file: Path) -> list[str]:
    """The settings of this cloud, and a database that says which schema it has."""
    settings = cloud.settings
    file.write_text(f'data_dir = "{settings.data_dir}"\ndatabase_url = "{settings.database_url}"\n')
    with cloud.db.write_engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(sa.text(f"INSERT INTO alembic_version VALUES ('{schema.newest()}')"))
    return ["--config", str(file)]


async def test_on_the_command_line(cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = _prepared(cloud, tmp_path / "cloud.toml")
    await AnchorTimer(cloud.db, cloud.audit, cloud.clock).look()

    async def run(*argv: str) -> tuple[int, str]:
        main = audit_main if argv[0] in ("verify", "export", "head") else cloud_main
        code = await asyncio.to_thread(main, [*argv, *config])
        return code, "".join(capsys.readouterr())

    assert (await run("verify"))[1].endswith("intact\n")
    code, lines = await run("export", "--from", "2026-03-02", "--to", "2026-03-02")
    file = tmp_path / "export.jsonl"
    file.write_text(lines)
    assert code == 0
    assert (await run("verify", "--file", str(file)))[0] == 0
    assert json.loads(lines.splitlines()[-1])["tail"]["hash"] in (await run("head"))[1]

    code, told = await run("erase", "--subject", token_of(cloud))
    assert code == 0, told
    assert told.startswith("erasure_")
    assert (await run("erase", "--subject", "nobody"))[0] == 1

    first = cloud.keys.current.key_id
    assert (await run("rotate-keys"))[1].count(first) == 1
    assert (await run("rotate-keys", "--drop", first))[0] == 0
    assert first not in (await run("rotate-keys", "--list"))[1]

    await cloud.db.write(lambda tx: tx.conn.execute(sa.update(ENTRIES).where(ENTRIES.c.sequence == 2).values(hall="x")))
    code, told = await run("verify")
    assert code == 1
    assert "changed at 2" in told
    assert "NOT INTACT, first at 2" in told
    file.write_text(lines.replace("system:cloud", "person:x", 1))
    assert (await run("verify", "--file", str(file)))[0] == 1


async def test_a_key_that_a_case_needs_is_not_dropped(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = _prepared(cloud, tmp_path / "cloud.toml")
    first, sealed = cloud.keys.current.key_id, seal({"name": "x"}, cloud.keys.seal_public)
    row = {"case_id": "c", "name": "id", "sealed": sealed}
    await cloud.db.write(lambda tx: tx.conn.execute(sa.insert(case_secrets).values(**row)))
    assert await asyncio.to_thread(cloud_main, ["rotate-keys", *config]) == 0
    assert await asyncio.to_thread(cloud_main, ["rotate-keys", "--drop", first, *config]) == 1
    assert "1 values are still sealed to it" in capsys.readouterr().err
