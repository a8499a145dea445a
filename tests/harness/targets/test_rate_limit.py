"""How much goes to a deployment in a second."""

import asyncio
from collections import Counter

import pytest

from fanin.harness.targets.rate_limit import Load, RateLimiter, estimate_load, start_times
from fanin.harness.world.host_loop import elapsed_ms
from fanin.harness.world.kernel import VirtualKernel
from fanin.simulator.delivery import PROFILES
from fanin.simulator.language.load import loads

SCENARIO = loads("""
scenario: s
title: t
regions: [a, b]
operations:
  - {image: "x:{n}", repeat: 3, every: 500ms, reaches: {a: 0s, b: 1500ms}}
faults:
  - {fault: sink-refuses, until: 20s}
""")


def test_a_scenarios_load_is_what_it_will_send() -> None:
    """In each second, and until its last fault is over."""
    load = estimate_load(SCENARIO, seed=0, profile=PROFILES["acr"])

    assert load == Load({0: 2, 1: 2, 2: 2}, 20_000)


@pytest.mark.parametrize(("fault", "unanswered_ms"), [("lose-response", 0), ("lose-request", 30_000)])
def test_what_is_lost_makes_a_scenario_longer(fault: str, unanswered_ms: int) -> None:
    """The sender waits before it tries again, and for the response to a request that was lost."""
    lossy = loads(f"""
scenario: s
title: t
sender: retry
operations: [{{image: "x:1", reaches: {{northeurope: 0s, westeurope: 0s, eastus: 1s}}}}]
faults: [{{fault: {fault}, region: eastus, attempts: 2}}]
""")

    duration_ms = estimate_load(lossy, seed=0, profile=PROFILES["retry"]).duration_ms

    assert duration_ms == 1_000 + 5_000 + 300_000 + unanswered_ms


def test_scenarios_begin_when_there_is_room_for_them() -> None:
    """The first at once, the next when no second carries too much."""
    busy = Load({0: 6, 1: 6}, 2_000)

    assert start_times([busy, busy, Load({0: 4}, 0), busy], per_second=10) == [0, 2_000, 0, 4_000]


def test_one_that_is_too_much_alone_is_spread() -> None:
    """It begins, too, and fills as many seconds as it takes."""
    flood, late = Load({0: 25}, 0), Load({0: 1}, 0)

    assert start_times([flood, late], per_second=10) == [0, 2_000]


def test_the_gate_lets_a_seconds_worth_through_at_once_and_then_keeps_the_rate() -> None:
    """Requests pass in the order in which they come, and idleness saves up one second, no more."""
    kernel = VirtualKernel(0)
    passed: list[tuple[int, int]] = []

    async def through(limiter: RateLimiter, number: int) -> None:
        await limiter.acquire()
        passed.append((elapsed_ms(), number))

    async def main() -> None:
        limiter = RateLimiter(10)
        await asyncio.sleep(60)
        for number in range(35):
            asyncio.get_running_loop().create_task(through(limiter, number))
        await asyncio.sleep(10)

    kernel.run(main())

    seconds = Counter((at - 60_000) // 1000 for at, _ in passed)
    assert len(passed) == 35
    assert sum(at == 60_000 for at, _ in passed) == 10
    assert max(seconds.values()) <= 20
    assert max(at for at, _ in passed) == 62_500
