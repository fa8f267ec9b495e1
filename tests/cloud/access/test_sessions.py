"""Sessions, tokens, forms: what a browser or a program holds, how long it opens anything, and what it may not do."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from cloud.access.model import Grant, Role
from cloud.access.states import AccountStep
from cloud.core.actors import CURRENT, SYSTEM, Actor
from cloud.core.callers import CALLER, NOBODY, REACH, Permission
from cloud.core.errors import Conflict, Invalid
from cloud.core.facts import Fact
from cloud.storage.tx import Tx
from cloud.web.cookies import SESSION
from tests.builders.clouds import HALL
from tests.builders.people import PASSWORD, add_person, add_token, browser, browser_of, log_in, program
from tests.builders.two_halls import OTHER, TwoHalls, open_two_halls

API = "/api/v1"
HOUR_S = 3600.0


@pytest.fixture
async def halls(tmp_path: Path) -> AsyncIterator[TwoHalls]:
    async with open_two_halls(tmp_path) as opened:
        yield opened


async def status(halls: TwoHalls, who: dict[str, str], path: str = f"{API}/halls") -> int:
    return (await halls.http.get(path, headers=who)).status_code


async def post(halls: TwoHalls, path: str, who: dict[str, str], key: str = "k", **sent: object) -> httpx.Response:
    return await halls.http.post(path, headers={**who, "Idempotency-Key": key}, **sent)  # type: ignore[arg-type]


async def test_a_session_ends_when_it_is_not_used(halls: TwoHalls) -> None:
    who = await browser_of(halls.cloud, "lin", Role.MANAGER)
    for _ in range(3):
        halls.clock.advance(0.9 * HOUR_S)
        assert await status(halls, who) == 200
    halls.clock.advance(1.1 * HOUR_S)
    assert await status(halls, who) == 401


async def test_a_session_ends_after_a_shift_in_any_case(halls: TwoHalls) -> None:
    who = await browser_of(halls.cloud, "lin", Role.MANAGER)
    for _ in range(23):
        halls.clock.advance(0.5 * HOUR_S)
        assert await status(halls, who) == 200
    halls.clock.advance(0.5 * HOUR_S)
    assert await status(halls, who) == 401


@pytest.mark.parametrize("change", ["disable", "remove", "grant", "withdraw", "password"])
async def test_a_session_ends_with_every_change_of_the_account(halls: TwoHalls, change: str) -> None:
    people = halls.cloud.access.accounts
    account = await add_person(halls.cloud, "lin", Role.MANAGER, HALL)
    who = browser(await log_in(halls.cloud, account))
    same = browser(await log_in(halls.cloud, account))
    assert await status(halls, who) == await status(halls, same) == 200

    def do(tx: Tx) -> None:
        if change == "grant":
            people.grant(tx, "lin", Grant(Role.CREW, OTHER))
        elif change == "withdraw":
            people.withdraw(tx, "lin", Grant(Role.MANAGER, HALL))
        elif change == "password":
            people.set_password(tx, "lin", "another hash")
        else:
            people.step(tx, "lin", AccountStep(change))

    await halls.cloud.db.write(do)
    assert await status(halls, who) == await status(halls, same) == 401


async def test_log_in_gives_a_new_id_and_ends_the_one_before(halls: TwoHalls) -> None:
    await add_person(halls.cloud, "lin", Role.MANAGER, HALL)
    planted = "an-id-that-somebody-else-chose"
    form = {"name": "lin", "password": PASSWORD, "next": f"/halls/{HALL}"}
    first = await halls.http.post("/login", data=form, headers={"Cookie": f"{SESSION}={planted}"})
    assert (first.status_code, first.headers["location"]) == (303, f"/halls/{HALL}")
    one = first.cookies[SESSION]
    assert one != planted
    assert len(one) >= 43
    assert "HttpOnly" in first.headers["set-cookie"]
    assert "SameSite=lax" in first.headers["set-cookie"]
    second = await halls.http.post("/login", data=form, headers={"Cookie": f"{SESSION}={one}"})
    halls.http.cookies.clear()
    assert await status(halls, browser(planted)) == 401
    assert await status(halls, browser(one)) == 401
    assert await status(halls, browser(second.cookies[SESSION])) == 200


async def test_log_out_ends_the_session_in_the_cloud(halls: TwoHalls) -> None:
    who = await browser_of(halls.cloud, "lin", Role.MANAGER)
    assert (await halls.http.post("/logout", headers={"Cookie": who["Cookie"]})).status_code == 403
    assert await status(halls, who) == 200
    out = await halls.http.post("/logout", headers=who)
    assert (out.status_code, out.headers["location"]) == (303, "/login")
    assert await status(halls, who) == 401


async def test_with_https_the_cookie_stays_with_this_host_and_the_host_with_https(tmp_path: Path) -> None:
    async with open_two_halls(tmp_path, public_url="https://hall.example") as halls:
        await add_person(halls.cloud, "lin", Role.MANAGER, HALL)
        answer = await halls.http.post("/login", data={"name": "lin", "password": PASSWORD})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"__Host-{SESSION}=")
        assert all(word in cookie for word in ("Secure", "HttpOnly", "Path=/"))
        assert "Domain" not in cookie
        assert "max-age=31536000" in answer.headers["strict-transport-security"]
        assert "strict-transport-security" in (await halls.http.get("/healthz")).headers


async def test_a_write_needs_what_only_pages_of_this_session_hold(halls: TwoHalls) -> None:
    mine = await log_in(halls.cloud, await add_person(halls.cloud, "lin", Role.MANAGER, HALL))
    other = await log_in(halls.cloud, await add_person(halls.cloud, "wu", Role.MANAGER, HALL))
    alert = halls.things[HALL]["alert"]
    page, api = f"/alerts/{alert}/acknowledge", f"{API}/alerts/{alert}/acknowledge"
    stolen = browser(other)["X-CSRF-Token"]
    for csrf in ("", "guess", stolen):
        for path in (page, api):
            answer = await post(halls, path, browser(mine, csrf), data={"key": "k"} if path == page else None)
            assert (answer.status_code, answer.json()["code"]) == (403, "forged"), f"{path} {csrf}"
    answer = await post(halls, page, browser(mine, ""), data={"key": "k", "csrf": stolen})
    assert answer.status_code == 403
    right = browser(mine)["X-CSRF-Token"]
    assert mine not in right
    answer = await post(halls, page, browser(mine, ""), data={"key": "k", "csrf": right})
    assert answer.status_code == 303


async def test_a_token_does_what_it_is_for_and_no_more(halls: TwoHalls) -> None:
    await add_person(halls.cloud, "robot", Role.INTEGRATOR, HALL)
    token_id, text = await add_token(halls.cloud, "robot", [Permission.SEE_MACHINES], [HALL])
    who = program(text)
    assert await status(halls, who, f"{API}/machines/kiosk-1") == 200
    assert await status(halls, who, f"{API}/machines/o-kiosk-1") == 404
    assert await status(halls, who, f"{API}/halls/{HALL}") == 403, "a right of the account, not of the token"
    me = (await halls.http.get(f"{API}/me", headers=who)).json()
    assert me == {"kind": "token", "id": token_id, "name": "robot", "permissions": {"machines.see": [HALL]}}
    assert await status(halls, browser(text)) == 401, "a token is no session"
    halls.clock.advance(31 * 24 * HOUR_S)
    assert await status(halls, who, f"{API}/machines/kiosk-1") == 401


async def test_a_token_never_reaches_further_than_its_account(halls: TwoHalls) -> None:
    people = halls.cloud.access.accounts
    await add_person(halls.cloud, "robot", Role.INTEGRATOR, HALL)
    for scope, hall in ((Permission.SERVE, HALL), (Permission.SEE_HALL, OTHER), (Permission.SEE_HALL, "*")):
        with pytest.raises(Invalid):
            await add_token(halls.cloud, "robot", [scope], [hall])
    _, text = await add_token(halls.cloud, "robot", [Permission.SEE_HALL], [HALL])
    who = program(text)
    assert await status(halls, who) == 200
    await halls.cloud.db.write(lambda tx: people.withdraw(tx, "robot", Grant(Role.INTEGRATOR, HALL)))
    assert await status(halls, who) == 403
    await halls.cloud.db.write(lambda tx: people.step(tx, "robot", AccountStep.DISABLE))
    assert await status(halls, who) == 401


async def test_a_revoked_token_opens_nothing_and_its_last_use_is_known(halls: TwoHalls) -> None:
    await add_person(halls.cloud, "robot", Role.INTEGRATOR)
    token_id, text = await add_token(halls.cloud, "robot", [Permission.SEE_HALL])
    assert await status(halls, program(text)) == 200
    (kept,) = await halls.cloud.db.read(halls.cloud.access.keys.tokens)
    assert kept.used_ms is not None
    assert text not in str(kept)
    await halls.cloud.db.write(lambda tx: halls.cloud.access.keys.revoke(tx, token_id))
    assert await status(halls, program(text)) == 401


async def test_lists_hold_the_callers_halls_only(halls: TwoHalls) -> None:
    await add_person(halls.cloud, "all-in-one", None)
    people = halls.cloud.access.accounts
    for role in (Role.MANAGER, Role.CREW, Role.AUDITOR):
        await halls.cloud.db.write(partial(people.grant, name="all-in-one", grant=Grant(role, HALL)))
    person = await halls.cloud.db.read(lambda conn: people.named(conn, "all-in-one"))
    who = browser(await log_in(halls.cloud, person.account))
    for path in ("/halls", "/machines", "/alerts", "/cases", f"/alerts?hall={OTHER}", "/cases?machine=o-endorse-1"):
        answer = await halls.http.get(f"{API}{path}", headers=who)
        assert answer.status_code == 200
        assert OTHER not in answer.text, path
        assert '"o-' not in answer.text, path
        assert bool(answer.json()["items"]) is ("?" not in path), path
    assert await status(halls, who, f"{API}/machines?hall={OTHER}") == 404
    for page in (f"/halls/{HALL}", "/crew", "/crew/parts/faults"):
        answer = await halls.http.get(page, headers=who)
        assert answer.status_code == 200
        assert OTHER not in answer.text, page
        assert "o-kiosk" not in answer.text, page
    assert (await halls.http.get("/crew", headers=who)).text.count('class="card ') == 1


async def test_a_counter_by_its_short_id_says_nothing_of_other_halls(halls: TwoHalls) -> None:
    who = await browser_of(halls.cloud, "lin", Role.COUNTER_STAFF, HALL)
    assert (await post(halls, f"{API}/counters/{HALL}:c2/open", who)).status_code == 200
    assert (await post(halls, f"{API}/counters/{OTHER}:c2/open", who)).status_code == 404
    assert (await post(halls, f"{API}/counters/c99/open", who)).status_code == 404


async def test_what_is_elsewhere_is_answered_as_what_is_nowhere(halls: TwoHalls) -> None:
    who = await browser_of(halls.cloud, "lin", Role.MANAGER, HALL)
    there = halls.things[OTHER]
    for path, name in (("machines", there["machine"]), ("tickets", there["ticket_id"]), ("cases", there["case_id"])):
        elsewhere = await halls.http.get(f"{API}/{path}/{name}", headers=who)
        nowhere = await halls.http.get(f"{API}/{path}/no-such", headers=who)
        assert elsewhere.status_code == nowhere.status_code == 404
        assert elsewhere.text.replace(name, "X") == nowhere.text.replace("no-such", "X")


async def test_a_page_offers_what_its_reader_may_do(halls: TwoHalls) -> None:
    shown = {}
    for role in (Role.MANAGER, Role.COUNTER_STAFF, Role.AUDITOR):
        who = await browser_of(halls.cloud, role.replace("_", "-"), role, HALL)
        shown[role] = (await halls.http.get(f"/halls/{HALL}", headers=who)).text
    offers = {role: ("/accept" in text, "/acknowledge" in text) for role, text in shown.items()}
    assert offers == {
        Role.MANAGER: (True, True),
        Role.COUNTER_STAFF: (False, False),
        Role.AUDITOR: (False, False),
    }
    assert "manager 先生" in shown[Role.MANAGER]
    crew = await browser_of(halls.cloud, "mender", Role.CREW, HALL)
    assert (await halls.http.get("/", headers=crew)).headers["location"] == "/crew"
    page = (await halls.http.get("/crew", headers=crew)).text
    assert "/acknowledge" in page
    assert f'href="/halls/{HALL}"' not in page


async def test_who_acts_is_known_inside_and_forgotten_afterwards(halls: TwoHalls) -> None:
    account = await add_person(halls.cloud, "lin", Role.MANAGER, HALL)
    who = browser(await log_in(halls.cloud, account))
    acted: list[Actor] = []

    def note(tx: Tx, _fact: Fact) -> None:
        acted.append(tx.actor)

    halls.cloud.bus.on("alert.changed", note)
    alert = halls.things[HALL]["alert"]
    assert (await post(halls, f"{API}/alerts/{alert}/acknowledge", who)).status_code == 200
    assert acted == [Actor("person", account.account_id)]
    assert (CURRENT.get(), CALLER.get(), REACH.get().halls) == (SYSTEM, NOBODY, frozenset())


async def test_the_last_administrator_stays(halls: TwoHalls) -> None:
    people = halls.cloud.access.accounts
    await add_person(halls.cloud, "chief", Role.ADMINISTRATOR)
    await add_person(halls.cloud, "local", Role.ADMINISTRATOR, HALL)
    chief = Grant(Role.ADMINISTRATOR, "*")
    for step in (AccountStep.DISABLE, AccountStep.REMOVE):
        with pytest.raises(Conflict, match="last administrator"):
            await halls.cloud.db.write(partial(people.step, name="chief", step=step))
    with pytest.raises(Conflict, match="last administrator"):
        await halls.cloud.db.write(lambda tx: people.withdraw(tx, "chief", chief))
    await halls.cloud.db.write(lambda tx: people.grant(tx, "local", chief))
    await halls.cloud.db.write(lambda tx: people.step(tx, "chief", AccountStep.REMOVE))
    left = await halls.cloud.db.read(people.everybody)
    assert [person.account.name for person in left] == ["local"]
    await add_person(halls.cloud, "chief", Role.CREW)


async def test_a_demo_answers_to_this_computers_own_name_alone(tmp_path: Path) -> None:
    async with open_two_halls(tmp_path, demo=True) as halls:
        assert await status(halls, {}) == 200
        assert await status(halls, {"Host": "localhost:8080"}) == 200
        for host in ("evil.test", "127.0.0.1.evil.test", ""):
            assert await status(halls, {"Host": host}) == 403


async def test_the_log_in_is_slowed_for_an_address(halls: TwoHalls) -> None:
    seen = [
        (await halls.http.get("/login/openid")).status_code  # costs a request of the same kind, and no hash
        for _ in range(40)
    ]
    assert seen[:30] == [404] * 30
    assert 429 in seen[30:]
    answer = await halls.http.post("/login", data={"name": "lin", "password": PASSWORD})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1


async def test_public_pages_are_limited_for_an_address(tmp_path: Path) -> None:
    async with open_two_halls(tmp_path, public_requests_per_s=1) as halls:
        token = halls.things[HALL]["token"]
        seen = [await status(halls, {}, f"{API}/public/tickets/{token}") for _ in range(14)]
        assert seen[:10] == [200] * 10
        assert 429 in seen
        assert await status(halls, {}, "/healthz") == 200
