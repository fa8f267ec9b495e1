"""The code on a ticket: nobody guesses it, it ends with the day, and it shows no person."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cloud.access.model import Role
from cloud.storage.tx import Tx
from cloud.twins.store import read_twin
from device_profiles.messages.twin import DesiredAgent
from tests.builders.clouds import HALL, tell
from tests.builders.people import browser_of
from tests.builders.two_halls import TwoHalls, open_two_halls

SUBJECT = "subject-5f2d9a77c0ffee5f2d9a77c0ffee"
API = "/api/v1/public/tickets"


@pytest.fixture
async def halls(tmp_path: Path) -> AsyncIterator[TwoHalls]:
    async with open_two_halls(tmp_path) as opened:
        yield opened


def test_where_the_codes_come_from(repo_root: Path) -> None:
    """16 random bytes of the operating system, at the desk and at the machine."""
    for file in ("cloud/queues/service/tickets.py", "edge_agent/local_flows/ticket.py"):
        assert "secrets.token_urlsafe(16)" in (repo_root / file).read_text()


async def test_codes_do_not_follow_from_each_other(halls: TwoHalls) -> None:
    def issue(tx: Tx) -> list[str]:
        return [halls.cloud.queues.tickets.issue(tx, HALL, "household").token for _ in range(300)]

    codes = await halls.cloud.db.write(issue)
    assert len({code[:4] for code in codes}) > 290, "even four characters tell them apart"
    assert {len(code) for code in codes} == {22}
    for place in range(21):  # the last character holds two bits only
        assert len({code[place] for code in codes}) > 40, f"character {place} hardly changes"


async def test_a_code_ends_with_the_halls_day(halls: TwoHalls) -> None:
    code = halls.things[HALL]["token"]
    for path in (f"{API}/{code}", f"/t/{code}", f"/t/{code}/part", f"/t/{code}/stream"):
        assert (await halls.http.get(path)).status_code == 200, path
    halls.clock.advance(24 * 3600)
    await halls.cloud.db.write(halls.cloud.queues.days.roll)
    for path in (f"{API}/{code}", f"/t/{code}", f"/t/{code}/part", f"/t/{code}/stream"):
        over, never = await halls.http.get(path), await halls.http.get(path.replace(code, "never-issued-anywhere"))
        assert over.status_code == never.status_code == 404, path
        assert over.text.replace(code, "") == never.text.replace("never-issued-anywhere", ""), path


async def test_a_code_shows_no_person(halls: TwoHalls) -> None:
    twin = await halls.cloud.db.read(lambda conn: read_twin(conn, "ticket-1"))
    wanted = DesiredAgent.model_validate(twin["desired"])
    offer = wanted.services["household"]
    data = {
        "ticket_id": "a-visit-of-somebody",
        "service": "household",
        "number": f"{offer.prefix}{offer.blocks[0][0]:03d}",
        "token": "a-code-of-a-swiped-card",
        "day": wanted.day,
        "subject": SUBJECT,
    }
    await tell(halls.cloud, "ticket-1", "ticket.issued", data)
    kept = await halls.cloud.db.read(lambda conn: halls.cloud.queues.ticket(conn, "a-visit-of-somebody"))
    assert kept.subject == SUBJECT, "otherwise this proves nothing"
    for path in (f"{API}/{data['token']}", f"/t/{data['token']}", f"/t/{data['token']}/part"):
        answer = await halls.http.get(path)
        assert answer.status_code == 200
        for hidden in (SUBJECT, "a-visit-of-somebody", "ticket-1", "subject"):
            assert hidden not in answer.text, f"{hidden} in {path}"
    page = await halls.http.get(f"/t/{data['token']}")
    assert page.headers["referrer-policy"] == "no-referrer", "the address goes to nobody"
    assert page.headers["cache-control"] == "no-store"
    assert "noindex" in page.headers["x-robots-tag"]


async def test_who_serves_a_citizen_does_not_see_the_code(halls: TwoHalls) -> None:
    things, staff = halls.things[HALL], await browser_of(halls.cloud, "lin", Role.COUNTER_STAFF, HALL)
    for path in (f"tickets/{things['ticket_id']}", f"halls/{HALL}/queue", f"halls/{HALL}/live"):
        answer = await halls.http.get(f"/api/v1/{path}", headers=staff)
        assert answer.status_code == 200
        assert things["token"] not in answer.text, path
