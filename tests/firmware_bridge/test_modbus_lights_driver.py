from typing import Any

import pytest

from device_profiles.errors import ProfileError
from firmware_bridge.errors import LinkTimeout, UnsupportedCommand
from tests.builders.bench import Bench, open_bench
from tests.builders.tampered import losing, open_tampered

BOARD = "modbus-lights"


def seen(bench: Bench, light: str) -> Any:
    return bench.peer.snapshot()["lights"][light]


async def test_a_light_is_switched_with_the_published_frame() -> None:
    bench, line = await open_tampered(BOARD, options={"unit": 1, "lights": {"printer": {"coils": {"default": 0}}}})
    await bench.run("set", light="printer", flash="continuous")
    assert line.heard[-1] == bytes.fromhex("01 05 00 00 FF 00 8C 3A")
    assert seen(bench, "printer") == {"lit": ["default"], "rhythm": "continuous"}


@pytest.mark.parametrize("flash", ["slow", "medium", "quick", "continuous"])
async def test_the_rhythm_goes_into_the_blink_register_before_the_light_is_lit(flash: str) -> None:
    bench, line = await open_tampered(BOARD)
    await bench.run("set", light="printer", flash=flash)
    assert seen(bench, "printer") == {"lit": ["default"], "rhythm": flash}
    assert [data[1] for data in line.heard] == [0x06, 0x05]


async def test_a_colour_puts_the_others_out() -> None:
    bench = await open_bench(BOARD)
    await bench.run("set", light="card_reader", flash="continuous", color="green")
    await bench.run("set", light="card_reader", flash="quick", color="red")
    assert seen(bench, "card_reader") == {"lit": ["red"], "rhythm": "quick"}
    await bench.run("set", light="card_reader", flash="off")
    assert seen(bench, "card_reader")["lit"] == []


async def test_a_light_that_the_board_flashes_by_itself_takes_every_rhythm() -> None:
    bench = await open_bench(BOARD)
    await bench.run("set", light="scanner", flash="quick")
    assert seen(bench, "scanner")["lit"] == ["default"]


async def test_all_off_writes_neighbours_in_one_step() -> None:
    bench, line = await open_tampered(BOARD)
    for light in ("card_reader", "printer", "scanner"):
        await bench.run("set", light=light, flash="continuous")
    line.heard.clear()
    await bench.run("all_off")
    assert [seen(bench, light)["lit"] for light in ("card_reader", "printer", "scanner")] == [[], [], []]
    assert [data[1] for data in line.heard] == [0x0F]


async def test_closing_darkens_the_board() -> None:
    bench = await open_bench(BOARD)
    await bench.run("set", light="scanner", flash="slow")
    await bench.driver.close()
    assert seen(bench, "scanner")["lit"] == []


@pytest.mark.parametrize(
    ("args", "told"),
    [
        pytest.param({"light": "cellar", "flash": "slow"}, "card_reader, printer, scanner", id="light"),
        pytest.param({"light": "printer", "flash": "slow", "color": "blue"}, "one of default", id="colour"),
    ],
)
async def test_what_is_not_wired_is_refused_with_words(args: dict[str, str], told: str) -> None:
    bench, line = await open_tampered(BOARD)
    with pytest.raises(UnsupportedCommand, match=told):
        await bench.run("set", **args)
    assert line.heard == []


async def test_a_rhythm_that_the_board_lacks_is_refused_before_anything_is_written() -> None:
    lamp = {"coils": {"default": 0}, "blink": {"register": 16, "values": {"continuous": 0, "slow": 1}}}
    bench, line = await open_tampered(BOARD, options={"lights": {"printer": lamp}})
    with pytest.raises(UnsupportedCommand, match="off, continuous, slow"):
        await bench.run("set", light="printer", flash="quick")
    assert line.heard == []


async def test_a_lost_answer_is_asked_for_again() -> None:
    bench, line = await open_tampered(BOARD)
    line.change = losing("04 05", 0)
    await bench.run("set", light="scanner", flash="slow")
    assert bench.driver.counters()["retries"] == 1
    line.change = losing("04 05", 0, times=9)
    with pytest.raises(LinkTimeout):
        await bench.run("set", light="scanner", flash="off")


async def test_a_board_without_lights_is_refused() -> None:
    with pytest.raises(ProfileError, match="lights"):
        await open_bench(BOARD, options={"lights": {}}, device={"lights": {"a": {"coils": {"default": 0}}}})
