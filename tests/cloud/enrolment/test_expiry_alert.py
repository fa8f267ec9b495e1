"""A certificate that is not renewed in time is an alert; a renewal closes it."""

from pathlib import Path

from cloud.core.facts import Fact
from tests.cloud.enrolment.fleet_office import NOW
from tests.cloud.house import House, open_house

MACHINE = "ticket-1"


async def test_an_expiring_certificate_opens_an_alert_and_its_successor_closes_it(tmp_path: Path) -> None:
    async with open_house(tmp_path, connect=False) as house:
        assert await alerts_after(house, "certificate.expiring") == ["certificate_expiring"]
        assert await alerts_after(house, "certificate.renewed") == []


async def alerts_after(house: House, fact_type: str) -> list[str]:
    """The codes of the machine's alerts once this has happened."""
    fact = Fact(fact_type, NOW, {"serial": "1"}, MACHINE, hall="demo-hall")
    await house.cloud.db.write(lambda tx: tx.publish(fact))
    answer = await house.get("/alerts", machine=MACHINE, active="true")
    return [alert["code"] for alert in answer.json()["items"]]
