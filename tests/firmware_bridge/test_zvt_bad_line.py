"""On a bad line money still moves once, and what the driver tells is true."""

from typing import Any

import pytest

from device_profiles.capabilities.payment import PaymentOutput
from firmware_bridge.errors import BridgeError, OutcomeUnknown
from simulators.faults import FaultyPeer, LineFault
from simulators.peripherals.peer import Peer
from tests.builders.bench import Bench, open_bench

SEEDS = range(25)


async def bad_line(seed: int) -> tuple[Bench, FaultyPeer]:
    """A registered terminal; its line gets its fault later."""
    lines: list[FaultyPeer] = []

    def wrap(peer: Peer) -> FaultyPeer:
        lines.append(FaultyPeer(peer, seed))
        return lines[0]

    bench = await open_bench("zvt-terminal", wrap=wrap)
    await bench.driver.identify()
    return bench, lines[0]


async def run(bench: Bench, command: str, **args: Any) -> PaymentOutput:
    output = await bench.run(command, **args)
    assert isinstance(output, PaymentOutput)
    return output


@pytest.mark.parametrize("kind", ["drop", "corrupt", "duplicate", "delay"])
async def test_a_payment_is_booked_at_most_once_and_told_as_it_is(kind: str) -> None:
    seen: set[str] = set()
    for seed in SEEDS:
        bench, line = await bad_line(seed)
        bench.press("present_card")
        await run(bench, "pay", amount_minor=100)
        # A copy comes right behind its frame, as from a terminal that missed our ACK: a line keeps the order of bytes.
        line.fault = LineFault(kind, delay_s=0.4 if kind == "delay" else 0.0, chance=0.25)
        bench.press("present_card", at=bench.clock.monotonic() + 2)
        outcome: str
        try:
            outcome = (await run(bench, "pay", amount_minor=250, wait_s=20)).outcome
        except OutcomeUnknown:
            outcome = "unknown"
        except BridgeError:
            outcome = "not begun"
        line.fault = None
        booked = bench.peer.snapshot()["booked_total"] - 1
        assert booked in (0, 1), f"seed {seed}"
        if outcome == "approved":
            assert booked == 1, f"seed {seed}"
        elif outcome == "unknown":
            await bench.clock.sleep(30)  # the terminal ends what it has begun
            booked = bench.peer.snapshot()["booked_total"] - 1
            last = await run(bench, "last")
            assert last.unseen is (booked == 1), f"seed {seed}"
        else:
            assert booked == 0, f"seed {seed}: {outcome}"
        seen.add(outcome)
        bench.press("present_card", at=bench.clock.monotonic() + 2)
        assert (await run(bench, "pay", amount_minor=70)).outcome == "approved", f"seed {seed}: the next payment"
    assert "approved" in seen
