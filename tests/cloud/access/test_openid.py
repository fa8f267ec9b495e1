"""Log-in at an identity provider, on real HTTP: what is believed, and what is not."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import sqlalchemy as sa

from cloud.access.states import AccountStep
from cloud.access.store.tables import accounts
from cloud.core.clock import SetClock
from cloud.web.cookies import SESSION, SIGN_ON
from tests.builders.clouds import HALL, MORNING
from tests.builders.people import browser
from tests.builders.two_halls import OTHER, TwoHalls, open_two_halls
from tests.servers import openid
from tests.servers.openid import CLIENT_ID, CLIENT_SECRET, OpenIdProvider

PERSON = {"sub": "person-7", "name": "林晓禾", "groups": ["staff", "managers"]}
RULES = [
    {"value": "managers", "role": "manager", "hall": HALL},
    {"claim": "department", "value": "it", "role": "administrator", "hall": "*"},
]


@pytest.fixture
async def provider() -> AsyncIterator[OpenIdProvider]:
    # Its clock goes with the cloud's own: both stand still.
    async with openid.serve(SetClock(MORNING), dict(PERSON)) as running:
        yield running


@pytest.fixture
async def halls(tmp_path: Path, provider: OpenIdProvider) -> AsyncIterator[TwoHalls]:
    settings = {
        "issuer": provider.url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "roles": RULES,
    }  # fmt: skip
    async with open_two_halls(tmp_path, openid=settings, password_log_in=False) as opened:
        yield opened


async def go(halls: TwoHalls, way_on: str = f"/halls/{HALL}") -> tuple[str, dict[str, str], str]:
    """To the provider and back: the address of the return, the browser's cookie, where it was sent."""
    begun = await halls.http.get("/login/openid", params={"next": way_on})
    assert begun.status_code == 303, begun.text
    cookie = {"Cookie": f"{SIGN_ON}={begun.cookies[SIGN_ON]}"}
    halls.http.cookies.clear()
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(begun.headers["location"])
    back = urlsplit(answer.headers["location"])
    return f"{back.path}?{back.query}", cookie, begun.headers["location"]


async def arrive(halls: TwoHalls) -> httpx.Response:
    back, cookie, _ = await go(halls)
    answer = await halls.http.get(back, headers=cookie)
    halls.http.cookies.clear()
    return answer


def refused(answer: httpx.Response, status: int = 401) -> None:
    assert answer.status_code == status, answer.text
    assert SESSION not in answer.cookies
    assert "text/html" in answer.headers["content-type"]


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_whoever_the_provider_vouches_for_comes_in(
    halls: TwoHalls, provider: OpenIdProvider, algorithm: str
) -> None:
    provider.algorithm = algorithm
    answer = await arrive(halls)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/halls/{HALL}")
    who = browser(answer.cookies[SESSION])
    me = (await halls.http.get("/api/v1/me", headers=who)).json()
    assert (me["name"], me["permissions"]["hall.see"]) == ("林晓禾", [HALL])
    assert (await halls.http.get(f"/halls/{OTHER}", headers=who)).status_code == 404


async def test_what_is_asked_of_the_provider(halls: TwoHalls, provider: OpenIdProvider) -> None:
    _, _, address = await go(halls)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"] == "openid profile"
    assert asked["redirect_uri"] == "http://127.0.0.1:8080/login/openid/back"
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 43
    await go(halls)
    first, second = provider.asked
    assert all(first[name] != second[name] for name in ("state", "nonce", "code_challenge"))


def claims_with(**changes: Any) -> Any:
    return lambda claims: {name: value for name, value in {**claims, **changes}.items() if value is not None}


NOW = int(MORNING.timestamp())


@pytest.mark.parametrize(
    "alter",
    [
        claims_with(iss="https://evil.example"),
        claims_with(iss=None),
        claims_with(aud="another-client"),
        claims_with(aud=["another-client"]),
        claims_with(aud=[CLIENT_ID, "another-client"]),
        claims_with(aud=[CLIENT_ID, "another-client"], azp="another-client"),
        claims_with(aud=None),
        claims_with(nonce="that of another log-in"),
        claims_with(nonce=None),
        claims_with(exp=NOW - 120, iat=NOW - 400),
        claims_with(exp=None),
        claims_with(exp="tomorrow"),
        claims_with(iat=NOW + 600),
        claims_with(nbf=NOW + 600),
        claims_with(sub=None),
        claims_with(sub=""),
        claims_with(at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
    ],
    ids=[
        "wrong issuer", "no issuer", "wrong audience", "wrong audiences", "audiences without azp", "wrong azp",
        "no audience", "wrong nonce", "no nonce", "expired", "never expires", "odd expiry", "from the future",
        "not valid yet", "nobody", "an empty name", "for another access token",
    ],
)  # fmt: skip
async def test_claims_that_are_not_meant_for_this_log_in(halls: TwoHalls, provider: OpenIdProvider, alter: Any) -> None:
    provider.alter = alter
    refused(await arrive(halls))


@pytest.mark.parametrize("kind", ["none", "stranger", "public key as secret", "not a token"])
async def test_signatures_that_are_not_the_providers(halls: TwoHalls, provider: OpenIdProvider, kind: str) -> None:
    provider.sign = {
        "none": openid.unsigned,
        "stranger": provider.signed_by_a_stranger,
        "public key as secret": provider.signed_with_the_public_key,
        "not a token": lambda _: "a.b.c",
    }[kind]
    refused(await arrive(halls))


async def test_new_keys_of_the_provider_are_fetched(halls: TwoHalls, provider: OpenIdProvider) -> None:
    assert (await arrive(halls)).status_code == 303
    provider.new_keys()
    assert (await arrive(halls)).status_code == 303


async def test_a_return_works_once_and_in_the_same_browser(halls: TwoHalls) -> None:
    back, cookie, _ = await go(halls)
    refused(await halls.http.get(back, headers={"Cookie": f"{SIGN_ON}=another"}))
    refused(await halls.http.get(back, headers=cookie))  # the first try has used it up
    back, cookie, _ = await go(halls)
    assert (await halls.http.get(back, headers=cookie)).status_code == 303
    halls.http.cookies.clear()
    refused(await halls.http.get(back, headers=cookie))


async def test_a_return_that_never_began_or_comes_too_late(halls: TwoHalls) -> None:
    refused(await halls.http.get("/login/openid/back?state=guess&code=x", headers={"Cookie": f"{SIGN_ON}=x"}))
    refused(await halls.http.get("/login/openid/back"))
    back, cookie, _ = await go(halls)
    halls.clock.advance(601)
    refused(await halls.http.get(back, headers=cookie))


async def test_a_code_of_another_log_in_does_not_fit(halls: TwoHalls) -> None:
    mine, cookie, _ = await go(halls)
    other, _, _ = await go(halls)
    code = parse_qs(urlsplit(other).query)["code"][0]
    state = parse_qs(urlsplit(mine).query)["state"][0]
    refused(await halls.http.get("/login/openid/back", params={"state": state, "code": code}, headers=cookie))


async def test_an_answer_of_another_provider_is_refused(halls: TwoHalls) -> None:
    back, cookie, _ = await go(halls)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
    mixed = {**asked, "iss": "https://evil.example"}
    refused(await halls.http.get("/login/openid/back", params=mixed, headers=cookie))


async def test_a_person_without_a_role_here_stays_outside(halls: TwoHalls, provider: OpenIdProvider) -> None:
    provider.claims["groups"] = ["staff", "managers-of-something-else"]
    refused(await arrive(halls), 403)


async def test_the_provider_decides_anew_at_every_log_in(halls: TwoHalls, provider: OpenIdProvider) -> None:
    first = browser((await arrive(halls)).cookies[SESSION])
    provider.claims.update(groups=[], department="it")
    second = browser((await arrive(halls)).cookies[SESSION])
    assert (await halls.http.get(f"/halls/{OTHER}", headers=second)).status_code == 200
    assert (await halls.http.get("/crew", headers=first)).status_code == 401, "its rights have changed"
    known = await halls.cloud.db.read(
        lambda conn: conn.execute(sa.select(sa.func.count()).select_from(accounts)).scalar()
    )
    assert known == 1


async def test_a_disabled_person_stays_outside_whatever_the_provider_says(halls: TwoHalls) -> None:
    await arrive(halls)
    (person,) = await halls.cloud.db.read(halls.cloud.access.accounts.everybody)
    name = person.account.name
    await halls.cloud.db.write(lambda tx: halls.cloud.access.accounts.step(tx, name, AccountStep.DISABLE))
    refused(await arrive(halls), 403)


async def test_a_name_of_the_provider_is_no_name_of_ours(halls: TwoHalls, provider: OpenIdProvider) -> None:
    provider.claims.update(sub="chief", preferred_username="chief")
    await arrive(halls)
    names = [person.account.name for person in await halls.cloud.db.read(halls.cloud.access.accounts.everybody)]
    assert "chief" not in names


@pytest.mark.parametrize(
    "lie",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": None},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
)
async def test_a_description_that_leads_elsewhere_is_not_followed(
    halls: TwoHalls, provider: OpenIdProvider, lie: dict[str, Any]
) -> None:
    provider.discovered = lie
    refused(await halls.http.get("/login/openid"), 503)


async def test_without_passwords_none_is_taken(halls: TwoHalls) -> None:
    assert (await halls.http.post("/login", data={"name": "a", "password": "b"})).status_code == 404
    page = (await halls.http.get("/login")).text
    assert "/login/openid?next=" in page
    assert 'type="password"' not in page
