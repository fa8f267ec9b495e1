"""After an outage: news first, the backlog behind it at its pace, and a cloud or a clock that went back."""

from datetime import timedelta

from device_profiles.messages.command import Ack, Replay
from device_profiles.messages.topics import Down
from edge_agent.outbox.memory import MemoryOutbox
from edge_agent.uplink.sender import NUDGE_S, READ_ROWS, WINDOW_ROWS
from tests.edge_agent.test_session import Cloud, announced
from tests.edge_agent.test_session import cloud as cloud

OUTAGE_S = 3600.0


async def cut_off(cloud: Cloud, rows: int) -> None:
    """An hour without a link during which ``rows`` facts were told; then the link is there again."""
    await announced(cloud)
    cloud.uplink.reachable = False
    cloud.uplink.cut()
    await cloud.append(rows)
    cloud.clock.advance(OUTAGE_S)
    cloud.uplink.published.clear()
    cloud.uplink.reachable = True


def asked(cloud: Cloud, first: int, last: int) -> None:
    cloud.tell(Down.REPLAY, Replay.model_validate({"epoch": 1, "from": first, "to": last}))


async def heard(cloud: Cloud, messages: int) -> None:
    await cloud.clock.until(lambda: len(cloud.uplink.confirmed) == messages)


async def test_a_fact_of_now_does_not_wait_behind_a_long_backlog(cloud: Cloud) -> None:
    await cut_off(cloud, WINDOW_ROWS + 1000)
    await cloud.clock.until(lambda: len(cloud.sequences()) >= READ_ROWS)
    before = len(cloud.sequences())
    await cloud.append(1)
    news = WINDOW_ROWS + 1001
    await cloud.clock.until(lambda: news in cloud.sequences())
    assert cloud.sequences().index(news) <= before + READ_ROWS
    await cloud.clock.until(lambda: len(cloud.sequences()) > WINDOW_ROWS)
    cloud.tell(Down.ACK, Ack(epoch=1, sequence=WINDOW_ROWS))
    await cloud.clock.until(lambda: WINDOW_ROWS + 1000 in cloud.sequences())
    assert sorted(cloud.sequences()) == list(range(1, news + 1))
    assert [fact.number for fact in cloud.facts() if not fact.historical] == [news]


async def test_a_short_backlog_goes_in_order(cloud: Cloud) -> None:
    await cut_off(cloud, READ_ROWS)
    await cloud.append(3)
    await cloud.clock.until(lambda: len(cloud.sequences()) == READ_ROWS + 3)
    assert cloud.sequences() == list(range(1, READ_ROWS + 4))


async def test_a_backlog_has_a_pace(cloud: Cloud) -> None:
    """Half of the pauses are drawn, so 5,000 rows a second means between 0.5 and 1.5 times that long."""
    await cut_off(cloud, 1900)
    await cloud.clock.until(lambda: bool(cloud.sequences()))
    began = cloud.clock.monotonic()
    await cloud.clock.until(lambda: len(cloud.sequences()) == 1900)
    assert 0.5 * (1900 - READ_ROWS) / 5000 * 0.9 <= cloud.clock.monotonic() - began <= 1.5 * 1900 / 5000


async def test_asking_for_a_backlog_that_is_on_its_way_repeats_nothing_until_it_is_asked_for_again(
    cloud: Cloud,
) -> None:
    await cut_off(cloud, WINDOW_ROWS + 1000)
    await cloud.clock.until(lambda: len(cloud.sequences()) >= WINDOW_ROWS)
    sent = cloud.sequences()
    asked(cloud, 501, WINDOW_ROWS + 1000)
    await heard(cloud, 1)
    assert cloud.sequences() == sent
    asked(cloud, 501, WINDOW_ROWS + 1000)
    await cloud.clock.until(lambda: cloud.sequences().count(501) == 2)
    assert cloud.sequences().count(500) == 1


async def test_a_hole_in_what_was_sent_is_filled_while_the_backlog_goes_on(cloud: Cloud) -> None:
    await cut_off(cloud, WINDOW_ROWS + 1000)
    await cloud.clock.until(lambda: len(cloud.sequences()) >= WINDOW_ROWS)
    asked(cloud, 501, 502)
    await cloud.clock.until(lambda: cloud.sequences()[-2:] == [501, 502])


async def test_a_cloud_that_went_back_is_told_once_that_the_rows_are_freed(cloud: Cloud) -> None:
    await announced(cloud)
    await cloud.append(20)
    cloud.tell(Down.ACK, Ack(epoch=1, sequence=20))
    await cloud.append(1)
    await cloud.clock.until(lambda: 21 in cloud.sequences())
    cloud.uplink.published.clear()
    asked(cloud, 5, 20)  # it has 1 to 4, and 21
    await heard(cloud, 2)
    assert cloud.sequences() == []  # it may have crossed the acknowledgement
    for _ in range(3):
        asked(cloud, 5, 20)
    await cloud.clock.until(lambda: len(cloud.facts()) == 4)
    assert {(fact.type, fact.number) for fact in cloud.facts()} == {("agent.freed", 22)}
    assert cloud.facts()[0].data == {"from_sequence": 1, "to_sequence": 20}


async def test_when_the_end_of_what_was_sent_is_lost_everything_behind_the_answer_goes_again(cloud: Cloud) -> None:
    """A broker that drops in silence: no link breaks, and the cloud sees no gap since nothing came behind it."""
    await announced(cloud)
    await cloud.append(50)
    await cloud.clock.until(lambda: len(cloud.sequences()) == 50)
    cloud.uplink.published.clear()
    cloud.clock.advance(2 * NUDGE_S)
    await cloud.clock.until(lambda: cloud.sequences() == [1])
    cloud.tell(Down.ACK, Ack(epoch=1, sequence=1))
    await cloud.clock.until(lambda: cloud.sequences() == [1, *range(2, 51)])


async def test_a_clock_set_back_a_year_makes_no_history_of_the_present(cloud: Cloud) -> None:
    outbox = cloud.outbox
    assert isinstance(outbox, MemoryOutbox)
    await announced(cloud)
    cloud.uplink.cut()
    await cloud.clock.until(lambda: cloud.uplink.link is None)
    a_year_ahead = cloud.clock.now() + timedelta(days=365)
    await outbox.append("printer", "printer.paper_low", {}, a_year_ahead)  # then the clock was set right
    await cloud.append(1)
    await cloud.clock.until(lambda: cloud.sequences()[-2:] == [1, 2])
    a_year_ago = cloud.clock.now() - timedelta(days=365)
    await outbox.append("printer", "printer.paper_low", {}, a_year_ago)
    await cloud.clock.until(lambda: cloud.sequences()[-1] == 3)
    assert [fact.historical for fact in cloud.facts()][-3:] == [True, False, False]


async def test_a_cloud_that_comes_after_the_machine_is_told_what_was_sent_before(cloud: Cloud) -> None:
    """A broker that forgets: what came before the cloud had subscribed met nobody, and no link broke."""
    await announced(cloud)
    await cloud.append(3)
    await cloud.clock.until(lambda: len(cloud.sequences()) == 3)
    cloud.uplink.published.clear()
    cloud.be_born("the first that this agent hears of")
    await cloud.clock.until(lambda: cloud.sequences() == [1, 2, 3])


async def test_a_cloud_that_kept_its_session_is_not_told_twice(cloud: Cloud) -> None:
    await announced(cloud)
    cloud.be_born("one")
    await heard(cloud, 1)
    cloud.uplink.cut()
    await cloud.clock.until(lambda: cloud.uplink.link is None)
    await cloud.append(2)
    await cloud.clock.until(lambda: len(cloud.sequences()) == 2)
    cloud.be_born("one")
    await heard(cloud, 2)
    cloud.clock.advance(5)
    await cloud.append(1)
    await cloud.clock.until(lambda: cloud.sequences() == [1, 2, 3])
