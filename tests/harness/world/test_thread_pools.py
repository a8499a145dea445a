"""Work of thread pools in virtual time: one at a time, when the seed says, without real waiting."""

import asyncio
import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import anyio.from_thread
import anyio.to_thread
import pytest

from fanin.harness.world.host_loop import elapsed_ms
from fanin.harness.world.kernel import VirtualKernel
from tests.harness.world.living import live


def test_work_is_done_in_a_thread_and_sleeps_in_virtual_time() -> None:
    """The loop goes on meanwhile, and no real time passes."""
    seen: list[tuple[str, int]] = []

    def work(name: str, seconds: float) -> str:
        time.sleep(seconds)
        assert threading.current_thread() is not threading.main_thread()
        return name

    async def main() -> list[str]:
        works = [
            asyncio.create_task(asyncio.to_thread(work, name, s)) for name, s in (("a", 3_600), ("b", 60))
        ]
        await asyncio.sleep(10)
        seen.append(("loop", elapsed_ms()))
        for each in asyncio.as_completed(works):
            name = await each
            seen.append((name, elapsed_ms()))
        return [name for name, _ in seen]

    began = time.monotonic()
    assert live(main) == ["loop", "b", "a"]
    assert seen == [("loop", 10_000), ("b", 60_000), ("a", 3_600_000)]
    assert time.monotonic() - began < 60


def test_what_work_raises_is_raised_to_who_waits() -> None:
    """An exception of the work reaches the code that waits for its result."""

    def work() -> None:
        raise LookupError("no such row")

    async def main() -> None:
        await asyncio.get_running_loop().run_in_executor(None, work)

    assert repr(live(main)) == "LookupError('no such row')"


def test_work_may_have_the_loop_do_something_and_wait_for_it() -> None:
    """`anyio.from_thread`, ``run_coroutine_threadsafe`` and futures of a pool."""

    async def later(value: int) -> int:
        await asyncio.sleep(5)
        return value

    def work(loop: asyncio.AbstractEventLoop) -> tuple[int, int, float]:
        first = anyio.from_thread.run(later, 1)
        second = asyncio.run_coroutine_threadsafe(later(2), loop).result(timeout=60)
        with pytest.raises(TimeoutError):
            asyncio.run_coroutine_threadsafe(later(3), loop).result(timeout=1)
        return first, second, anyio.from_thread.run_sync(loop.time)

    async def main() -> Any:
        return await anyio.to_thread.run_sync(work, asyncio.get_running_loop())

    assert live(main) == (1, 2, 11.0)


def test_a_pool_that_is_the_loops_default_does_the_work_of_no_pool() -> None:
    """With as many threads as it was made with."""

    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        with pytest.raises(TypeError, match="must be ThreadPoolExecutor"):
            loop.set_default_executor(Executor())
        await asyncio.gather(*(asyncio.to_thread(time.sleep, 10) for _ in range(3)))
        return [elapsed_ms()]

    assert live(main) == [30_000]


def test_a_pool_of_the_applications_own_is_one_of_these() -> None:
    """Whether it is given to the loop or work is submitted to it."""

    async def main() -> list[int]:
        with ThreadPoolExecutor(2) as pool:
            submitted = asyncio.wrap_future(pool.submit(int, "1"))
            return [await submitted, await asyncio.get_running_loop().run_in_executor(pool, int, "2")]

    assert live(main) == [1, 2]


def test_an_executor_of_another_kind_does_its_work_itself() -> None:
    """Only thread pools are replaced: what a process pool does must not be done in a thread in silence."""
    done: list[str] = []

    class AtOnce(Executor):
        def submit(self, work: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            done.append("submitted")
            future.set_result(work(*args, **kwargs))
            return future

    async def main() -> int:
        return await asyncio.get_running_loop().run_in_executor(AtOnce(), len, "four")

    assert live(main) == 4
    assert done == ["submitted"]


def test_a_loop_may_wait_for_a_pool() -> None:
    """It is blocked until the work is done, as it would be."""

    async def main() -> tuple[int, int]:
        pool = ThreadPoolExecutor(1)
        pool.submit(time.sleep, 3)
        return pool.submit(int, "1").result(), elapsed_ms()

    assert live(main) == (1, 3_000)


def test_code_that_blocks_the_loop_lets_time_pass() -> None:
    """Everything else is as late as it would be."""

    async def main() -> tuple[int, int]:
        timer = asyncio.create_task(asyncio.sleep(1))
        await asyncio.sleep(0)
        time.sleep(3)  # noqa: ASYNC251 - that it blocks is the point
        await timer
        with pytest.raises(ValueError, match="non-negative"):
            time.sleep(-1)  # noqa: ASYNC251 - as above
        return elapsed_ms(), round(time.monotonic())

    assert live(main) == (3_000, 3)


def test_threads_of_a_killed_process_end() -> None:
    """At the instant at which it is killed, and without a trace of their result."""
    ended: list[str] = []

    def work() -> None:
        try:
            time.sleep(3_600)
            ended.append("it slept to the end")
        finally:
            ended.append("cleaned up")

    kernel, before = VirtualKernel(0), threading.active_count()

    async def play() -> None:
        host = kernel.host("aggregator")
        kernel.start_process(host)
        host.create_task(asyncio.to_thread(work))
        await asyncio.sleep(10)
        kernel.kill_process(host)
        ended.append(f"at {elapsed_ms()}")
        await asyncio.sleep(7_200)

    with kernel.foreign_app_sandbox(0, run="by-hand"):
        kernel.run(play())

    assert ended == ["cleaned up", "at 10000"]
    assert threading.active_count() == before


def test_the_same_seed_does_the_same_work_in_the_same_order() -> None:
    """Another seed gives another order."""

    async def main() -> list[int]:
        order: list[int] = []
        await asyncio.gather(*(asyncio.to_thread(order.append, number) for number in range(8)))
        return order

    assert live(main, seed=1) == live(main, seed=1)
    assert len({tuple(live(main, seed=seed)) for seed in range(4)}) > 1


def test_a_pool_has_as_many_threads_as_it_was_made_with() -> None:
    """One thread does one thing after the other, also when it sleeps, and what it made is its own."""
    its = threading.local()

    def prepare() -> None:
        its.done = []

    def work(name: str) -> tuple[list[str], int]:
        time.sleep(10)
        its.done.append(name)
        return list(its.done), elapsed()

    def elapsed() -> int:
        return round(time.time())

    async def main() -> tuple[list[Any], int]:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, initializer=prepare) as pool:
            others = [asyncio.to_thread(time.sleep, 1) for _ in range(3)]
            works = [loop.run_in_executor(pool, work, name) for name in "abc"]
            await asyncio.gather(*others)
            done = await asyncio.gather(*works)
            pool.submit(work, "d")
        return done, elapsed_ms()

    assert live(main) == ([(["a"], 10), (["a", "b"], 20), (["a", "b", "c"], 30)], 40_000)


def test_a_pool_that_is_shut_down_takes_nothing_more() -> None:
    """What had not begun can be cancelled."""

    async def main() -> list[bool]:
        pool = ThreadPoolExecutor(1)
        futures = [pool.submit(time.sleep, 1) for _ in range(3)]
        await asyncio.sleep(0.5)
        pool.shutdown(cancel_futures=True)
        with pytest.raises(RuntimeError, match="after shutdown"):
            pool.submit(time.sleep, 1)
        return [future.cancelled() for future in futures]

    assert live(main) == [False, True, True]
