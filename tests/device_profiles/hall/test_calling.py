import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.errors import HallRuleError
from device_profiles.hall.calling import MAX_CALLS, InLine, check_recall, next_in_line, people_ahead

lines = st.lists(
    st.builds(InLine, st.text("abc", min_size=1, max_size=4), st.sampled_from("xyz"), st.integers(0, 9)),
    unique_by=lambda ticket: ticket.ticket_id,
)


def test_the_oldest_ticket_among_the_counters_services_is_next() -> None:
    line = [InLine("t1", "tax", 3), InLine("t2", "household", 2), InLine("t3", "tax", 1)]
    assert next_in_line(line, {"tax"}) == line[2]
    assert next_in_line(line, {"household"}) == line[1]
    assert next_in_line(line, {"exit-entry"}) is None


@given(lines, st.sets(st.sampled_from("xyz")))
def test_calling_empties_the_line_in_order(line: list[InLine], services: set[str]) -> None:
    called = []
    while (ticket := next_in_line(line, services)) is not None:
        assert people_ahead(line, ticket) == 0
        line = [other for other in line if other != ticket]
        called.append(ticket)
    assert called == sorted(called, key=lambda ticket: (ticket.issued_ms, ticket.ticket_id))
    assert not [ticket for ticket in line if ticket.service in services]


@given(lines)
def test_people_ahead_counts_every_place_of_a_service_once(line: list[InLine]) -> None:
    for service in "xyz":
        places = [people_ahead(line, ticket) for ticket in line if ticket.service == service]
        assert sorted(places) == list(range(len(places)))


def test_a_number_is_called_three_times() -> None:
    check_recall(MAX_CALLS - 1)
    with pytest.raises(HallRuleError, match="called 3 times already"):
        check_recall(MAX_CALLS)
