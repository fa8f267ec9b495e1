"""Our documents, byte for byte beside what python-escpos makes of the same document."""

import warnings
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.capabilities.printer import FeedBlock, PrintArgs, QrBlock, TextBlock
from firmware_bridge.codecs.escpos import INITIALISE, WATCH_ALL
from firmware_bridge.codecs.escpos_document import render

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from escpos.printer import Dummy

START = INITIALISE + WATCH_ALL + b"\x1c&"
LEVELS = {"L": 0, "M": 1, "Q": 2, "H": 3}


def ours(*blocks: TextBlock | QrBlock | FeedBlock, cut: bool = False) -> bytes:
    made = b"".join(render(PrintArgs(blocks=list(blocks), cut=cut), "gb18030", 96))
    assert made.startswith(START)
    return made[len(START) :]


@pytest.mark.parametrize(
    ("size", "bold", "align"), list(product(range(1, 9), (False, True), ("left", "center", "right")))
)
def test_modes_and_text(size: int, bold: bool, align: str) -> None:
    oracle = Dummy()
    oracle.set(align=align, bold=bold, custom_size=True, width=size, height=size)
    oracle._raw(b"A012\n")
    assert ours(TextBlock.model_validate({"text": "A012", "size": size, "bold": bold, "align": align})) == oracle.output


def test_chinese_text() -> None:
    oracle = Dummy()
    oracle.set(align="left", bold=False, custom_size=True, width=1, height=1)
    oracle.text("办事大厅")
    assert ours(TextBlock(text="办事大厅")) == oracle.output + b"\n"


@given(st.text(min_size=1, max_size=200), st.integers(1, 16), st.sampled_from("LMQH"))
def test_qr_codes(data: str, module: int, level: str) -> None:
    oracle = Dummy()
    oracle.set(align="center")
    oracle.qr(data, ec=LEVELS[level], size=module, model=2, native=True)
    assert ours(QrBlock.model_validate({"data": data, "module": module, "level": level})) == oracle.output


@pytest.mark.parametrize("lines", range(1, 21))
def test_feeds(lines: int) -> None:
    oracle = Dummy()
    oracle.print_and_feed(lines)
    assert ours(FeedBlock(lines=lines)) == oracle.output


def test_the_cut() -> None:
    oracle = Dummy()
    oracle.print_and_feed(1)
    oracle.cut(mode="PART")
    assert ours(FeedBlock(lines=1), cut=True) == oracle.output
