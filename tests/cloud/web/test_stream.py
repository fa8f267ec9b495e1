"""The stream of changes: nothing that changed is missed, and a slow listener costs little."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime

import pytest

from cloud.core.facts import Fact
from cloud.web.stream import PARTS, LiveStream

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def fact(fact_type: str, hall: str = "north", machine: str = "") -> Fact:
    return Fact(fact_type, NOW, hall=hall, machine=machine)


@pytest.fixture
def stream() -> LiveStream:
    return LiveStream(["north", "south"], beat_s=0.05, gather_s=0.01)


async def next_change(events: AsyncIterator[str]) -> tuple[int, set[str]]:
    """The id and the parts of the next change; beats are passed over."""
    async with asyncio.timeout(5):
        async for event in events:
            lines = dict(line.partition(": ")[::2] for line in event.strip().splitlines())
            if lines.get("event") == "changed":
                return int(lines["id"]), set(lines["data"].split())
    raise AssertionError("the stream ended")


async def opened(events: AsyncIterator[str]) -> None:
    assert (await anext(events)).startswith("retry:")


async def test_changes_of_one_moment_are_one_event(stream: LiveStream) -> None:
    async with aclosing(stream.events(["north"])) as events:
        await opened(events)
        stream.hear([fact("ticket.called"), fact("alert.opened"), fact("ticket.called")])
        stream.hear([fact("dispatch.proposed")])
        revision, parts = await next_change(events)
    assert parts == {"queue", "counters", "machines", "tickets", "alerts", "proposals"}
    assert revision == stream.revision("north")


async def test_a_hall_hears_of_itself_only(stream: LiveStream) -> None:
    async with aclosing(stream.events(["south"])) as events:
        await opened(events)
        stream.hear([fact("ticket.called", "north"), fact("printer.paper_out", "south", "kiosk-9")])
        assert (await next_change(events))[1] == {"machines"}


async def test_a_listener_may_ask_for_some_parts(stream: LiveStream) -> None:
    async with aclosing(stream.events(["north"], only={"tickets"})) as events:
        await opened(events)
        stream.hear([fact("alert.opened")])
        stream.hear([fact("ticket.called")])
        assert (await next_change(events))[1] == {"tickets"}


async def test_it_beats_when_there_is_nothing_to_tell(stream: LiveStream) -> None:
    async with aclosing(stream.events(["north"])) as events:
        await opened(events)
        assert await anext(events) == "event: beat\ndata:\n\n"


async def test_who_comes_back_hears_what_changed_meanwhile(stream: LiveStream) -> None:
    stream.hear([fact("ticket.called")])
    seen = stream.revision("north")
    stream.hear([fact("alert.opened")])
    async with aclosing(stream.events(["north"], str(seen))) as events:
        await opened(events)
        assert (await next_change(events))[1] == {"alerts", "machines"}


async def test_after_a_restart_everything_may_have_changed(stream: LiveStream) -> None:
    async with aclosing(stream.events(["north"], "12")) as events:
        await opened(events)
        assert (await next_change(events))[1] == set(PARTS)


@pytest.mark.parametrize("nonsense", ["", "abc", "-1", "1.5", "٣", "9" * 5000])
async def test_an_id_that_is_none_is_a_first_visit(stream: LiveStream, nonsense: str) -> None:
    async with aclosing(stream.events(["north"], nonsense)) as events:
        await opened(events)
        assert "beat" in await anext(events)


async def test_a_listener_that_never_reads_holds_one_entry_per_part(stream: LiveStream) -> None:
    async with aclosing(stream.events(["north"])) as events:
        await opened(events)
        for _ in range(1000):
            stream.hear([fact("ticket.called"), fact("alert.opened")])
        (listener,) = stream._listeners
        assert len(listener.changed) <= len(PARTS)
    assert not stream._listeners, "who goes is forgotten"


async def test_closing_ends_every_stream(stream: LiveStream) -> None:
    async with aclosing(stream.events(["north"])) as events:
        await opened(events)
        stream.close()
        async with asyncio.timeout(5):
            assert [event async for event in events if "changed" in event] == []
