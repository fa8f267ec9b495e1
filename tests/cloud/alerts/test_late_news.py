"""News goes before history: an old fault opens no alert that the present denies, and clocks decide nothing."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from cloud.ingest.pipeline import ingest
from cloud.ingest.reading import read_message
from device_profiles.messages.facts import FaultBody, StatusChanged
from device_profiles.messages.topics import Up
from device_profiles.messages.twin import Twin
from tests.builders.facts import AT, Sender
from tests.cloud.house import House, open_house

KIOSK = "kiosk-1"


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path / "cloud", database_url=database_url, connect=False) as found:
        yield found


async def take(house: House, *messages: tuple[str, bytes]) -> None:
    items = [item for message in messages for item in read_message(*message, house.cloud.register)]
    await house.cloud.db.write(partial(ingest, items=items, now=AT))


def history(sender: Sender, value: str, code: str = "") -> tuple[str, bytes]:
    fault = FaultBody(code=code, action="clear") if code else None
    data = StatusChanged(field="paper", value=value, fault=fault).model_dump(mode="json")
    return sender.batch(sender.envelope(f"printer.paper_{value}", data, slot="printer").as_historical())


def reported(paper: str) -> tuple[str, bytes]:
    status = {"printer": {"device": "online", "paper": paper}}
    return Sender(KIOSK).topic(Up.REPORTED), Twin(version=1, values=status).to_bytes()


async def open_codes(house: House) -> list[str]:
    items = (await house.get("/alerts")).json()["items"]
    return [item["code"] for item in items if item["state"] != "closed"]


async def test_a_fault_that_is_over_opens_no_alert(house: House) -> None:
    await take(house, reported("full"), history(Sender(KIOSK), "out", "paper_out"))
    assert await open_codes(house) == []


async def test_a_fault_that_lasts_opens_its_alert_and_old_good_news_does_not_close_it(house: House) -> None:
    kiosk = Sender(KIOSK)
    await take(house, reported("out"), history(kiosk, "out", "paper_out"))
    assert await open_codes(house) == ["paper_out"]
    await take(house, history(kiosk, "full"))
    assert await open_codes(house) == ["paper_out"]


async def test_an_agent_whose_clock_was_set_back_is_there_and_a_late_will_of_the_earlier_one_is_not_heard(
    house: House,
) -> None:
    kiosk, a_year_later = Sender(KIOSK), AT + timedelta(days=365)
    await take(house, kiosk.presence(since=a_year_later), kiosk.presence("offline", since=a_year_later))
    await take(house, kiosk.presence(since=AT))
    assert (await house.get(f"/machines/{KIOSK}")).json()["state"] == "online"
    await take(house, kiosk.presence(since=a_year_later), kiosk.presence("offline", since=AT))
    assert (await house.get(f"/machines/{KIOSK}")).json()["state"] == "online"
