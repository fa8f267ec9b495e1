"""A bad line does what it says, for as long as it says."""

import pytest

from simulators.errors import ButtonRefused, UnknownName
from simulators.faults import FaultyPeer, LineFault
from tests.simulators.bench import Bench

FIND = bytes.fromhex("AAAAAA96690003200122")
NO_CARD = bytes.fromhex("AAAAAA9669000400008084")


def _faulty(kind: str, **how: float) -> FaultyPeer:
    peer = FaultyPeer(Bench("sdt-sam-v").peer, 1)
    peer.buttons["line_fault"](kind=kind, **how)
    return peer


def test_split_sends_every_byte_alone() -> None:
    output = _faulty("split", delay_s=0.01).receive(FIND, 0.0)
    assert [len(data) for _, data in output] == [1] * len(NO_CARD)
    assert b"".join(data for _, data in output) == NO_CARD
    assert output[-1][0] == pytest.approx(0.03 + 0.01 * (len(NO_CARD) - 1))


def test_drop_and_mute_send_nothing() -> None:
    assert _faulty("drop").receive(FIND, 0.0) == []
    assert _faulty("mute").receive(FIND, 0.0) == []


def test_corrupt_turns_one_bit_over() -> None:
    ((_, data),) = _faulty("corrupt").receive(FIND, 0.0)
    assert sum((one ^ two).bit_count() for one, two in zip(data, NO_CARD, strict=True)) == 1


def test_delay_duplicate_and_echo() -> None:
    assert _faulty("delay", delay_s=2.0).receive(FIND, 0.0) == [(2.03, NO_CARD)]
    assert [data for _, data in _faulty("duplicate").receive(FIND, 0.0)] == [NO_CARD, NO_CARD]
    assert [data for _, data in _faulty("echo").receive(FIND, 0.0)] == [FIND, NO_CARD]


def test_fault_ends_after_its_count() -> None:
    peer = _faulty("drop", count=2)
    answers = [peer.receive(FIND, float(n)) for n in range(3)]
    assert [len(answer) for answer in answers] == [0, 0, 1]
    assert peer.snapshot()["line_spoiled"] == 2
    assert peer.snapshot()["line_fault"] == ""


def test_muted_device_does_not_hear_either() -> None:
    bench = Bench("sdt-sam-v")
    peer = FaultyPeer(bench.peer, 1, LineFault("mute", count=1))
    peer.receive(FIND, 0.0)
    assert bench.see()["finds"] == 0


def test_line_can_be_mended() -> None:
    peer = _faulty("drop")
    peer.buttons["line_ok"]()
    assert len(peer.receive(FIND, 0.0)) == 1


def test_unknown_fault_is_refused() -> None:
    with pytest.raises(UnknownName, match="mute"):
        _faulty("gremlin")
    with pytest.raises(ButtonRefused, match="chance"):
        _faulty("drop", chance=0)


def test_half_a_frame_and_a_lie() -> None:
    assert [data for _, data in _faulty("half_frame").receive(FIND, 0.0)] == [NO_CARD[: len(NO_CARD) // 2 + 1]]
    peer = FaultyPeer(Bench("sdt-sam-v").peer, 1)
    assert peer.receive(FIND, 0.0) == [(0.03, NO_CARD)]
    peer.buttons["insert_card"](person="p001")
    peer.buttons["line_fault"](kind="lie")
    ((at, data),) = peer.receive(FIND, 5.0)
    assert (round(at, 6), data) == (5.03, NO_CARD)
    peer.buttons["line_ok"]()
    assert peer.receive(FIND, 6.0)[0][1] != NO_CARD


def test_a_clock_that_jumps_does_not_stop_the_device() -> None:
    peer = FaultyPeer(Bench("sdt-sam-v").peer, 1)
    peer.buttons["clock_jump"](seconds=3600)
    ((at, data),) = peer.receive(FIND, 1.0)
    assert (round(at, 6), data) == (1.03, NO_CARD)
    with pytest.raises(ButtonRefused, match="year"):
        peer.buttons["clock_jump"](seconds=-1)
