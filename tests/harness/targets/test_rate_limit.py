"""How much goes to a deployment in a second."""

import asyncio

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


def test_a_flood_lasts_as_long_as_the_rate_makes_it() -> None:
    """What is sent later ends later; what fits into its seconds ends when it would anyway."""
    flood = Load({0: 20, 1: 5}, 1_500)

    assert flood.duration_ms_at(per_second=5) == 4_500
    assert flood.duration_ms_at(per_second=20) == flood.duration_ms


@pytest.mark.parametrize("pause_s", [60, 0.5])
def test_no_second_has_more_requests_than_the_rate_wherever_it_begins(pause_s: float) -> None:
    """Requests pass in the order in which they come, and idleness saves nothing up."""
    kernel = VirtualKernel(0)
    came: list[int] = []
    passed: list[tuple[int, int]] = []

    async def through(limiter: RateLimiter, number: int) -> None:
        came.append(number)
        await limiter.acquire()
        passed.append((elapsed_ms(), number))

    async def main() -> None:
        limiter = RateLimiter(10)
        for number in range(5):
            await through(limiter, number)
        await asyncio.sleep(pause_s)
        for number in range(5, 40):
            asyncio.get_running_loop().create_task(through(limiter, number))
        await asyncio.sleep(10)

    kernel.run(main())

    at = [instant for instant, _ in passed]
    assert [number for _, number in passed] == came
    assert len(came) == 40
    assert all(later - earlier >= 1000 for earlier, later in zip(at, at[10:], strict=False))
    assert at[-1] - at[5] <= 4_000
