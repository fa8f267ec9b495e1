"""Claims, certificates, renewal and revocation on both databases."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cloud.core.errors import Conflict, Forbidden, Invalid, NotFound
from cloud.core.facts import Fact
from cloud.enrolment import store
from cloud.enrolment.jobs import ExpiryWatch
from cloud.enrolment.model import CertificateState, Standing
from cloud.enrolment.service.authority import machine_of, read_certificate
from device_profiles.messages.enrolment import CertificateRenewed, read_code
from edge_agent.identity.keys import new_key
from tests.cloud.enrolment.fleet_office import Office, open_office

DAY_S = 86_400.0


@pytest.fixture
async def office(tmp_path: Path, database_url: str) -> AsyncIterator[Office]:
    async with open_office(tmp_path, database_url) as opened:
        yield opened


async def states(office: Office, machine: str = "m1") -> list[CertificateState]:
    found = await office.db.read(lambda conn: store.of_machine(conn, machine))
    return sorted(one.state for one in found)


async def test_a_code_works_once_and_its_lost_answer_can_be_had_again(office: Office) -> None:
    code, key = await office.claim(), new_key()
    first = await office.enrol(code, key)
    assert await office.enrol(code, key) == first
    with pytest.raises(Forbidden, match="not one that is open for this machine"):
        await office.enrol(code, new_key())
    assert machine_of(read_certificate(first.pem)) == ("m1", 1)
    assert office.told() == ["machine.claim_made", "certificate.issued"]


async def test_a_code_is_for_one_machine_and_expires_and_is_replaced(office: Office) -> None:
    old = await office.claim()
    code = await office.claim()
    for wrong, machine in ((old, "m1"), (code, "m2")):
        with pytest.raises(Forbidden):
            await office.enrol(wrong, new_key(), machine)
    office.clock.advance(25 * 3600)
    with pytest.raises(Forbidden, match="expired"):
        await office.enrol(code, new_key())
    with pytest.raises(Invalid, match="mistyped"):
        await office.enrol(code[:-1] + ("0" if code[-1] != "0" else "1"), new_key())
    with pytest.raises(NotFound):
        await office.claim("m9")


async def test_only_a_hash_of_the_code_is_stored(office: Office, tmp_path: Path) -> None:
    code = await office.claim()
    rows = await office.db.read(lambda conn: conn.execute(store.claims.select()).mappings().all())
    assert read_code(code) not in str(rows)
    assert code not in str(office.facts)


async def test_enrolling_anew_ends_the_old_disk(office: Office) -> None:
    key = new_key()
    old = await office.enrol(await office.claim(), key)
    new = await office.enrol(await office.claim(), new_key())
    assert (old.epoch, new.epoch) == (1, 2)
    assert await states(office) == [CertificateState.ACTIVE, CertificateState.REVOKED]
    with pytest.raises(Forbidden, match="enrolled anew since"):
        await office.renew(old, key, new_key())


async def test_renewal_keeps_the_old_one_until_the_new_one_is_in_use(office: Office) -> None:
    key, second_key = new_key(), new_key()
    first = await office.enrol(await office.claim(), key)
    second = await office.renew(first, key, second_key)
    assert await states(office) == [CertificateState.ACTIVE, CertificateState.ACTIVE]
    body = CertificateRenewed(
        serial=second.serial, previous=first.serial, not_after=read_certificate(second.pem).not_valid_after_utc
    )
    data = body.model_dump(mode="json")
    for liar in ("m2", "m1"):  # the word of another machine ends nothing
        fact = Fact("agent.certificate_renewed", office.clock.now(), data, liar, hall="demo-hall")
        await office.publish(fact)
        ended = liar == "m1"
        expected = CertificateState.SUPERSEDED if ended else CertificateState.ACTIVE
        assert await states(office) == [CertificateState.ACTIVE, expected]
    with pytest.raises(Forbidden, match="its successor is in use"):
        await office.renew(first, key, new_key())


async def test_a_second_renewal_revokes_the_first_successor(office: Office) -> None:
    key, stolen = new_key(), new_key()
    first = await office.enrol(await office.claim(), key)
    one = await office.renew(first, key, stolen)
    assert await office.renew(first, key, stolen) == one  # the same request: its answer got lost
    two = await office.renew(first, key, new_key())
    found = await office.db.read(lambda conn: store.find_certificate(conn, one.serial))
    assert found is not None
    assert (found.state, two.state) == (CertificateState.REVOKED, CertificateState.ACTIVE)
    assert office.facts[-1].data["again"] is True


async def test_renewal_after_the_end_only_within_the_grace(office: Office) -> None:
    key = new_key()
    first = await office.enrol(await office.claim(), key)
    office.clock.advance(100 * DAY_S)
    second_key = new_key()
    second = await office.renew(first, key, second_key)
    office.clock.advance(105 * DAY_S)
    with pytest.raises(Forbidden, match="expired more than 14 days ago"):
        await office.renew(second, second_key, new_key())


async def test_a_revoked_machine_is_out_until_it_is_enrolled_anew(office: Office) -> None:
    key, code = new_key(), await office.claim()
    first = await office.enrol(await office.claim(), key)
    waiting = await office.claim()
    identity = await office.do(lambda tx: office.service.revoke(tx, "m1", "stolen"))
    assert (identity.epoch, identity.standing) == (2, Standing.REVOKED)
    assert await office.do(lambda tx: office.service.revoke(tx, "m1", "again")) == identity
    for worthless in (code, waiting):
        with pytest.raises(Forbidden):
            await office.enrol(worthless, new_key())
    with pytest.raises(Forbidden, match="revoked"):
        await office.renew(first, key, new_key())
    with pytest.raises(Conflict, match="had a certificate before"):
        await office.enrol(await office.claim(), key)
    again = await office.enrol(await office.claim(), new_key())
    assert again.epoch == 3
    assert await office.db.read(store.revoked_machines) == {}


async def test_a_restored_store_takes_its_machines_back_but_none_that_the_list_names(
    office: Office, tmp_path: Path
) -> None:
    keys = [new_key(), new_key()]
    made = [await office.enrol(await office.claim(m), key, m) for m, key in zip(("m1", "m2"), keys, strict=True)]
    for table in (store.certificates, store.claims, store.identities):
        await office.forget(table)
    office.service.listed = frozenset({made[1].serial})
    renewed = await office.renew(made[0], keys[0], new_key())
    assert (renewed.predecessor, renewed.epoch) == (made[0].serial, 1)
    with pytest.raises(Forbidden, match="on the revocation list"):
        await office.renew(made[1], keys[1], new_key())


async def test_a_certificate_that_should_have_been_renewed_is_told(office: Office) -> None:
    await office.enrol(await office.claim(), new_key())
    watch = ExpiryWatch(office.db, office.service, lambda machine: "demo-hall", office.clock)
    assert await office.db.read(watch.facts) == []
    office.clock.advance(77 * DAY_S)
    (fact,) = await office.db.read(watch.facts)
    assert (fact.type, fact.machine, fact.hall) == ("certificate.expiring", "m1", "demo-hall")
