"""Virtual time and seeded scheduling, as far as the harness relies on them."""

import asyncio
from collections.abc import Awaitable, Callable

from fanin.harness.world.kernel import VirtualKernel, elapsed_ms


def run(main: Callable[[], Awaitable[None]], *, seed: int = 0) -> str:
    kernel = VirtualKernel(seed)

    async def whole() -> None:
        await main()

    kernel.run(whole())
    return kernel.trace_hash()


def test_a_month_of_waiting_costs_nothing_and_is_exact() -> None:
    """The clock jumps to the next timer, to the millisecond."""
    seen: list[int] = []

    async def main() -> None:
        for seconds in (1.001, 0.0005, 30 * 86_400):
            await asyncio.sleep(seconds)
            seen.append(elapsed_ms())

    run(main)

    assert seen == [1_001, 1_001, 1_001 + 30 * 86_400_000]


async def two_racers(finish: list[str]) -> None:
    async def racer(name: str) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        finish.append(name)

    await asyncio.gather(racer("a"), racer("b"))


def test_the_seed_decides_who_wins_a_race() -> None:
    """Same seed, same winner; over some seeds, both win."""
    winners = []
    for seed in [*range(12), *range(12)]:
        finish: list[str] = []
        run(lambda finish=finish: two_racers(finish), seed=seed)  # type: ignore[misc]
        winners.append(finish[0])

    assert winners[:12] == winners[12:]
    assert set(winners) == {"a", "b"}


def test_the_trace_hash_tells_schedules_apart() -> None:
    """Equal for the same seed, different for another."""
    hashes = [run(lambda: two_racers([]), seed=seed) for seed in (1, 1, 2)]

    assert hashes[0] == hashes[1] != hashes[2]


def test_tasks_left_behind_are_ended() -> None:
    """A judged application may leave anything running; nothing of it outlives the run."""
    ended: list[bool] = []

    async def stubborn() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(True)

    async def main() -> None:
        main.task = asyncio.create_task(stubborn())  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)

    run(main)

    assert ended == [True]
