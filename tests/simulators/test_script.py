"""A script says what happens to a device and when; it is refused with words when it cannot."""

import asyncio
from pathlib import Path

import pytest

from device_profiles.catalog import load_catalog
from device_profiles.schema.peripheral import FaultButton
from simulators.errors import SimulatorError, UnknownName
from simulators.faults import FaultyPeer
from simulators.pty_port import PtyPort
from simulators.script import Act, plan, play
from tests.simulators.bench import Bench

PRINTER = (
    load_catalog()
    .peripheral("epson-compatible-80")
    .model_copy(update={"faults": [FaultButton(press="paper_out", status={"paper": "out"}, clear="load_paper")]})
)


def _planned(*script: str, seed: int = 1) -> list[tuple[float, str, dict[str, object]]]:
    buttons = FaultyPeer(Bench("epson-compatible-80").peer, 1).buttons
    return [(act.at_s, act.button, dict(act.args)) for act in plan(script, PRINTER, buttons, seed)]


def test_acts_come_in_the_order_of_their_times() -> None:
    assert _planned("open_cover@2m", "paper_out@1.5s") == [(1.5, "paper_out", {}), (120.0, "open_cover", {})]


def test_what_lasts_is_ended() -> None:
    assert _planned("paper_out@30s+10s") == [(30, "paper_out", {}), (40, "load_paper", {})]
    assert _planned("unplug@1s+2s") == [(1, "unplug", {}), (3, "plug", {})]
    assert _planned("delay:delay_s=0.5@1s+1s") == [
        (1, "line_fault", {"kind": "delay", "delay_s": 0.5}),
        (2, "line_ok", {}),
    ]


def test_the_seed_chooses_the_moment() -> None:
    ((first, _, _),), ((again, _, _),), ((other, _, _),) = (_planned("jam@10s..60s", seed=seed) for seed in (1, 1, 2))
    assert 10 <= first <= 60
    assert first == again != other


@pytest.mark.parametrize("text", ["paper_out", "paper_out@", "paper_out@3h", "@3s", "paper_out@3", "a b@3s"])
def test_a_step_that_cannot_be_read_shows_one_that_can(text: str) -> None:
    with pytest.raises(SimulatorError, match="paper_out@30s"):
        _planned(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("explode@1s", "not known"),
        ("paper_oat@1s", "paper_out"),
        ("jam@1s+2s", "clear by itself"),
        ("delay:2@1s", "KEY=VALUE"),
        ("jam@9s..3s", "earlier"),
    ],
)
def test_a_script_that_makes_no_sense_is_refused(text: str, told: str) -> None:
    with pytest.raises((UnknownName, SimulatorError), match=told):
        _planned(text)


async def test_a_script_is_played_on_a_device(tmp_path: Path) -> None:
    port = PtyPort(FaultyPeer(Bench("epson-compatible-80").peer, 1), tmp_path / "printer")
    port.plug()
    told: list[str] = []
    try:
        async with asyncio.timeout(10):
            await play(port, [Act(0, "paper_out"), Act(0.01, "unplug")], told.append)
            seen = [(port.plugged, port.snapshot()["paper"])]
            await play(port, [Act(0, "plug"), Act(0, "load_paper"), Act(0, "load_paper", {"ink": 1})], told.append)
            seen.append((port.plugged, port.snapshot()["paper"]))
        assert seen == [(False, "out"), (True, "full")]
        assert len(told) == 1
        assert "ink" in told[0]
    finally:
        port.unplug()
