"""Virtual time and seeded scheduling, as far as the harness relies on them."""

import asyncio
import subprocess
import sys
import time
import weakref
from collections.abc import Awaitable, Callable

import pytest
from simloop._loop import SimLoop

from fanin.harness.world.host_loop import clock_offset_ms, elapsed_ms
from fanin.harness.world.kernel import VirtualKernel
from fanin.harness.world.scheduling import TASKS_KNOWN


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


def test_an_interrupt_that_python_lets_past_the_loop_s_finally_ends_the_world(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CPython 3.13 does so at the jump back of its ``while``: it seems to run on, and closes all the same."""
    ended: list[str] = []
    kernel = VirtualKernel(0)

    async def stubborn() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("left behind")

    async def main() -> None:
        ended.append("begun")
        main.task = asyncio.create_task(stubborn())  # type: ignore[attr-defined]
        await asyncio.sleep(1)
        raise KeyboardInterrupt

    run_forever = SimLoop.run_forever

    def interrupted(loop: SimLoop) -> None:
        monkeypatch.setattr(SimLoop, "run_forever", run_forever)
        try:
            run_forever(loop)
        finally:
            loop._running = True  # as it is left

    monkeypatch.setattr(SimLoop, "run_forever", interrupted)
    with pytest.raises(KeyboardInterrupt):
        kernel.run(main())

    assert ended == ["begun", "left behind"]


# --- paused hosts, and a clock that is set ---


def test_a_crash_ends_every_task_of_its_machine_and_no_other() -> None:
    """However many have come and ended before, of which only a few are still known."""
    kernel = VirtualKernel(0)
    ended: list[str] = []

    async def wait(name: str, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            ended.append(name)
            raise

    async def main() -> None:
        host = kernel.host("crashes")
        tasks = [host.create_task(wait("first", 3_600))]
        for n in range(5 * TASKS_KNOWN):
            tasks.append(host.create_task(wait(f"late {n}", 3_600 if n % 40 == 0 else 1)))
            await asyncio.sleep(0.1)
        other = asyncio.ensure_future(wait("elsewhere", 3_600))
        await asyncio.sleep(10)
        kernel.kill_process(host)
        await asyncio.wait(tasks)
        other.cancel()

    kernel.run(main())

    assert set(ended[:-1]) == {"first", *(f"late {n}" for n in range(0, 5 * TASKS_KNOWN, 40))}
    assert ended[-1] == "elsewhere"


def test_a_task_that_has_ended_is_forgotten() -> None:
    """Whatever lives long is kept, and memory does not grow with what was there once."""
    kernel = VirtualKernel(0)
    gone: list[weakref.ref[asyncio.Task[None]]] = []

    async def main() -> None:
        host = kernel.host("busy")
        for _ in range(20 * TASKS_KNOWN):
            gone.append(weakref.ref(host.create_task(asyncio.sleep(0.1))))
            await asyncio.sleep(1)

    kernel.run(main())

    assert sum(each() is not None for each in gone) <= 2 * TASKS_KNOWN


def test_tasks_and_timers_wait_and_then_are_overdue() -> None:
    """What was due meanwhile happens when the machine goes on, and what was not yet due, on time."""
    kernel = VirtualKernel(0)
    seen: list[tuple[str, int]] = []

    async def tick(name: str, every_s: float) -> None:
        for _ in range(3):
            await asyncio.sleep(every_s)
            seen.append((name, elapsed_ms()))

    async def main() -> None:
        still = kernel.host("still")
        ticking = [still.create_task(tick("still", 1)), asyncio.ensure_future(tick("world", 2))]
        await asyncio.sleep(1.5)
        kernel.pause(still)
        await asyncio.sleep(3)
        kernel.resume(still)
        await asyncio.gather(*ticking)

    kernel.run(main())

    assert seen == [
        ("still", 1_000), ("world", 2_000), ("world", 4_000),
        ("still", 4_500), ("still", 5_500), ("world", 6_000),
    ]  # fmt: skip


def test_what_the_network_brings_waits_in_the_socket() -> None:
    """A packet that has left arrives; a machine that stands still does not read it before it goes on."""
    kernel = VirtualKernel(0)
    read: list[tuple[bytes, int]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(100):
            read.append((content, elapsed_ms()))
        writer.close()

    async def listen() -> None:
        await asyncio.start_server(serve, "0.0.0.0", 80)  # noqa: S104 - a simulated network

    async def main() -> None:
        server = kernel.host("server")
        await server.create_task(listen())
        _, writer = await asyncio.open_connection("server", 80)
        writer.write(b"before")
        await asyncio.sleep(1)
        kernel.pause(server)
        writer.write(b"during")
        await asyncio.sleep(9)
        assert [content for content, _ in read] == [b"before"]
        kernel.resume(server)
        await asyncio.sleep(1)
        writer.close()

    kernel.run(main())

    assert read[1] == (b"during", 10_000)


def test_a_world_ends_although_a_machine_stands_still() -> None:
    """What the judged application left behind is ended, wherever it stands."""
    kernel = VirtualKernel(0)
    ended: list[bool] = []

    async def for_ever() -> None:
        try:
            await asyncio.sleep(10**6)
        finally:
            ended.append(True)

    async def main() -> None:
        still = kernel.host("still")
        still.create_task(for_ever())
        await asyncio.sleep(1)
        kernel.pause(still)

    kernel.run(main())

    assert ended == [True]


def test_the_same_seed_wakes_up_in_the_same_way() -> None:
    """Many timers are overdue at once; the seed decides their order, and nothing else does."""

    def play(seed: int) -> list[int]:
        kernel, woken = VirtualKernel(seed), list[int]()

        async def sleep(number: int) -> None:
            await asyncio.sleep(2)
            woken.append(number)

        async def main() -> None:
            still = kernel.host("still")
            tasks = [still.create_task(sleep(number)) for number in range(8)]
            await asyncio.sleep(1)
            kernel.pause(still)
            await asyncio.sleep(9)
            kernel.resume(still)
            await asyncio.gather(*tasks)

        kernel.run(main())
        return woken

    assert play(3) == play(3)
    assert len({tuple(play(seed)) for seed in range(5)}) > 1
    assert sorted(play(0)) == list(range(8))


def test_the_wall_clock_is_set_and_time_goes_on_evenly() -> None:
    """For what reads the time of day, and not for what measures it."""
    kernel = VirtualKernel(0)
    seen: list[tuple[int, int, float]] = []

    async def main() -> None:
        for by_ms in (0, 3_600_000, -3_600_000):
            kernel.set_clock(by_ms)
            await asyncio.sleep(10)
            seen.append((elapsed_ms(), clock_offset_ms(), time.time()))

    with kernel.foreign_app_sandbox(1_000_000_000_000, run="by-hand"):
        kernel.run(main())

    assert seen == [
        (10_000, 0, 1_000_000_010),
        (20_000, 3_600_000, 1_000_003_620),
        (30_000, 0, 1_000_000_030),
    ]


def test_the_wall_clock_has_whole_milliseconds() -> None:
    """A float of today's dates is often a little less, and a deadline made of it came a millisecond early."""
    kernel, epoch_ms = VirtualKernel(0), 1_767_225_600_123
    shown: list[int] = []

    async def main() -> None:
        for _ in range(500):
            await asyncio.sleep(0.001)
            shown.append(time.time_ns() // 1_000_000)

    with kernel.foreign_app_sandbox(epoch_ms, run="by-hand"):
        kernel.run(main())

    assert shown == [epoch_ms + passed_ms for passed_ms in range(1, 501)]


def test_what_sets_the_wall_clock_is_imported_when_an_application_needs_it() -> None:
    """Few scenarios need it."""
    code = "import sys, fanin.harness.world.play; sys.exit('time_machine' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603 - our own
