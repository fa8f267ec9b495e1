"""Every state and every fault has its words, and languages and times are told right."""

from datetime import UTC, datetime

import pytest
from starlette.datastructures import Headers
from starlette.requests import Request

from cloud.alerts.model import Who
from cloud.alerts.states.advice import CERTIFICATE_CODE, CLOCK_CODE, FACTS_CODE, OFFLINE_CODE
from cloud.commands.service import IN_DOUBT, UNPROVED
from cloud.core.facts import Fact
from cloud.queues.model import CounterState
from cloud.web.language import chinese_first
from cloud.web.safety import from_here
from cloud.web.stream import PARTS, parts_of
from cloud.web.templating import clock, minutes
from cloud.web.words import ACTORS, COUNTERS, FAULTS, KINDS, NEXT, TICKETS, WORDS
from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.model import DEVICE_FAULTS, REFUSALS
from device_profiles.catalog import load_catalog
from device_profiles.hall.ticket_states import OVER, TicketState


def test_every_state_has_words() -> None:
    assert set(COUNTERS) == set(CounterState)
    assert set(TICKETS) == set(TicketState)
    assert set(ACTORS) == set(Who)
    assert set(NEXT) == {*OVER, "serving"}
    assert set(KINDS) == {machine.kind for machine in load_catalog().machines.values()}


def test_every_fault_has_a_name() -> None:
    faults = [fault for each in CAPABILITIES.values() for fault in each.faults.values()]
    codes = {fault.code for fault in [*faults, *DEVICE_FAULTS.values(), *REFUSALS]}
    assert codes | {OFFLINE_CODE, FACTS_CODE, CLOCK_CODE, CERTIFICATE_CODE} | {IN_DOUBT.code, UNPROVED.code} == set(
        FAULTS
    )


def test_no_word_stands_without_a_shape() -> None:
    assert {word.shape for group in WORDS.values() for word in group.values()} <= {"ok", "warn", "bad", "idle"}


@pytest.mark.parametrize(
    ("accepted", "query", "chinese"),
    [
        ("", "", True),
        ("en-GB,en;q=0.9", "", False),
        ("zh-CN,zh;q=0.9,en;q=0.8", "", True),
        ("en;q=0.2,zh;q=0.9", "", True),
        ("de,en;q=0.5", "", False),
        ("en", "lang=zh", True),
        ("zh", "lang=en", False),
        ("en;q=nonsense", "", True),
        ("fr", "lang=<script>", True),
    ],
)
def test_the_reader_decides_which_language_comes_first(accepted: str, query: str, chinese: bool) -> None:
    headers = [(b"accept-language", accepted.encode())]
    request = Request({"type": "http", "headers": headers, "query_string": query.encode()})
    assert chinese_first(request) is chinese


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"host": "hall"}, True),
        ({"host": "hall", "origin": "http://hall"}, True),
        ({"host": "hall", "origin": "http://evil"}, False),
        ({"host": "hall", "origin": "null"}, False),
        ({"host": "hall:80", "origin": "http://hall"}, False),
        ({"host": "hall", "sec-fetch-site": "same-origin", "origin": "null"}, True),
        ({"host": "hall", "sec-fetch-site": "none"}, True),
        ({"host": "hall", "sec-fetch-site": "same-site", "origin": "http://hall"}, False),
        ({"host": "hall", "sec-fetch-site": "cross-site"}, False),
    ],
)
def test_only_our_own_pages_may_write(headers: dict[str, str], allowed: bool) -> None:
    assert from_here(Headers(headers)) is allowed


def test_a_fact_changes_known_parts_only() -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    for fact_type in ("ticket.called", "counter.opened", "alert.closed", "dispatch.proposed", "machine.online", "x.y"):
        assert set(parts_of(Fact(fact_type, at, machine="m"))) <= set(PARTS)
    assert parts_of(Fact("command.settled", at)) == ()


def test_times_are_those_of_the_hall_and_waits_are_never_told_short() -> None:
    assert clock(datetime(2026, 3, 2, 1, 5, tzinfo=UTC), "Asia/Shanghai") == "09:05"
    assert [minutes(seconds) for seconds in (0, 1, 60, 61, 660)] == [0, 1, 1, 2, 11]
