"""Threads that an application starts itself, in virtual time: in lock-step, when the seed says."""

import asyncio
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from fanin.harness.world.host_loop import elapsed_ms
from fanin.harness.world.kernel import VirtualKernel
from tests.harness.world.living import live


@pytest.fixture
def module() -> Iterator[ModuleType]:
    """A module that has imported by name."""
    made = ModuleType("an_application")
    exec(  # noqa: S102 - imports
        "from queue import SimpleQueue\nfrom threading import Lock\nfrom time import sleep", made.__dict__
    )
    sys.modules["an_application"] = made
    yield made
    del sys.modules["an_application"]


def test_a_thread_runs_beside_the_loop_and_sleeps_in_virtual_time() -> None:
    """It reaches the loop by ``call_soon_threadsafe``, as ever."""
    seen: list[tuple[str, int]] = []

    async def main() -> None:
        loop, ready = asyncio.get_running_loop(), asyncio.Event()

        def work() -> None:
            for _ in range(3):
                time.sleep(3_600)
                seen.append((threading.current_thread().name, round(time.monotonic() * 1_000)))
            loop.call_soon_threadsafe(ready.set)

        thread = threading.Thread(target=work)
        thread.start()
        assert thread.is_alive()
        await asyncio.sleep(5_000)
        seen.append(("loop", elapsed_ms()))
        await ready.wait()
        thread.join()
        assert not thread.is_alive()

    assert live(main) is None
    assert [at for _, at in seen] == [3_600_000, 5_000_000, 7_200_000, 10_800_000]
    assert {name for name, _ in seen} == {"Thread-1 (work)", "loop"}


def test_timers_fire_in_virtual_time_or_are_cancelled() -> None:
    """`threading.Timer` waits for an event."""
    fired: list[tuple[str, int]] = []

    async def main() -> None:
        timers = {
            name: threading.Timer(s, lambda name=name: fired.append((name, elapsed())))
            for name, s in (("late", 86_400), ("early", 60), ("never", 120))
        }

        def elapsed() -> int:
            return round(time.time())

        for timer in timers.values():
            timer.start()
        await asyncio.sleep(100)
        timers["never"].cancel()
        await asyncio.sleep(86_400)

    assert live(main) is None
    assert fired == [("early", 60), ("late", 86_400)]


type Wait = tuple[Callable[[], Any], Callable[[], Any], Callable[[float], Any]]


def fails(with_error: type[Exception], wait: Callable[..., Any], *args: Any) -> Callable[[float], Any]:
    def wait_in_vain(timeout: float) -> None:
        with pytest.raises(with_error):
            wait(*args, timeout=timeout)

    return wait_in_vain


def of_event() -> Wait:
    event = threading.Event()
    return event.wait, event.set, threading.Event().wait


def of_queue() -> Wait:
    its: queue.Queue[int] = queue.Queue()
    return its.get, lambda: its.put(1), fails(queue.Empty, its.get)


def of_full_queue() -> Wait:
    its: queue.Queue[int] = queue.Queue(1)
    its.put(1)
    return lambda: its.put(2), its.get, fails(queue.Full, its.put, 2)


def of_simple_queue() -> Wait:
    its: queue.SimpleQueue[int] = queue.SimpleQueue()
    return its.get, lambda: its.put(1), fails(queue.Empty, its.get)


def of_lock() -> Wait:
    lock = threading.Lock()
    lock.acquire()
    return lock.acquire, lock.release, lambda s: lock.acquire(timeout=s)


def of_semaphore() -> Wait:
    its = threading.Semaphore(0)
    return its.acquire, its.release, lambda s: its.acquire(timeout=s)


def of_condition() -> Wait:
    condition, done = threading.Condition(), list[int]()

    def wait(timeout: float | None = None) -> bool:
        with condition:
            return bool(condition.wait_for(lambda: bool(done and done.pop()), timeout))

    def wake() -> None:
        with condition:
            done.append(1)
            condition.notify_all()

    return wait, wake, wait


def of_barrier() -> Wait:
    barrier = threading.Barrier(2)
    return barrier.wait, barrier.wait, fails(threading.BrokenBarrierError, barrier.wait)


# Each: how to wait for something, how another thread makes it true, and how to wait for it in vain.
WAITS = (of_event, of_queue, of_full_queue, of_simple_queue, of_lock, of_semaphore, of_condition, of_barrier)


@pytest.mark.parametrize("kind", WAITS)
def test_whatever_a_thread_waits_for_comes_from_the_loop_or_another_thread(kind: Callable[[], Wait]) -> None:
    """At the instant at which it comes, or not at all."""

    async def main() -> list[int]:
        wait, wake, wait_in_vain = kind()
        instants: list[int] = []

        def work() -> None:
            wait()
            instants.append(round(time.time()))
            wait_in_vain(50)
            instants.append(round(time.time()))

        thread = threading.Thread(target=work)
        thread.start()
        await asyncio.sleep(100)
        waker = threading.Timer(10, wake)
        waker.start()
        await asyncio.sleep(1_000)
        assert not thread.is_alive()
        return instants

    assert live(main) == [110, 160]


@pytest.mark.parametrize("kind", WAITS)
def test_a_loop_that_waits_for_a_thread_is_blocked_until_it_comes(kind: Callable[[], Wait]) -> None:
    """Everything else on its host waits; other hosts go on."""
    kernel, instants = VirtualKernel(0), dict[str, int]()

    async def app() -> None:
        wait, wake, wait_in_vain = kind()
        late = asyncio.create_task(asyncio.sleep(1))
        late.add_done_callback(lambda _: instants.setdefault("its own timer", elapsed_ms()))
        await asyncio.sleep(0)
        threading.Timer(10, wake).start()
        wait()
        instants["woken"] = elapsed_ms()
        wait_in_vain(5)
        instants["in vain"] = elapsed_ms()
        await late

    async def play() -> None:
        host = kernel.host("aggregator")
        kernel.start_process(host)
        running = host.create_task(app())
        await asyncio.sleep(3)
        instants["another host"] = elapsed_ms()
        await running

    with kernel.foreign_app_sandbox(0, run="by-hand"):
        kernel.run(play())

    assert instants == {
        "another host": 3_000,
        "woken": 10_000,
        "in vain": 15_000,
        "its own timer": 15_000,
    }


def test_a_lock_is_shared_by_loop_and_threads() -> None:
    """A lock that can be taken again by its holder as well."""

    async def main() -> list[str]:
        order: list[str] = []
        lock = threading.RLock()

        def work(name: str) -> None:
            with lock, lock:
                order.append(f"{name} in")
                time.sleep(1)
                order.append(f"{name} out")

        threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        await asyncio.sleep(0.5)
        work("loop")
        for thread in threads:
            thread.join(timeout=60)
        return order

    order = live(main)
    assert sorted(order) == sorted(f"{name} {what}" for name in ("a", "b", "loop") for what in ("in", "out"))
    assert [it.split()[0] for it in order[::2]] == [it.split()[0] for it in order[1::2]]


def test_one_seed_is_one_order_and_another_seed_another() -> None:
    """Of threads that are ready at the same time, the seed says which is next."""

    async def main() -> list[int]:
        order: list[int] = []
        its: queue.SimpleQueue[int] = queue.SimpleQueue()
        threads = [threading.Thread(target=lambda: order.append(its.get())) for _ in range(6)]
        for thread in threads:
            thread.start()
        feeders = [threading.Thread(target=its.put, args=(number,)) for number in range(6)]
        for feeder in feeders:
            feeder.start()
        for thread in threads:
            thread.join()
        return order

    assert live(main, seed=1) == live(main, seed=1)
    assert len({tuple(live(main, seed=seed)) for seed in range(6)}) > 1


def test_what_a_thread_raises_is_an_error_of_the_application() -> None:
    """The thread ends, the process goes on; ``sys.exit`` in a thread is no error."""
    kernel = VirtualKernel(0)

    def fail() -> None:
        raise LookupError("no such row")

    def leave() -> None:
        raise SystemExit(3)

    async def play() -> None:
        host = kernel.host("aggregator")
        kernel.start_process(host)

        async def app() -> None:
            for target in (leave, fail):
                thread = threading.Thread(target=target)
                thread.start()
                thread.join()

        await host.create_task(app())

    with kernel.foreign_app_sandbox(0, run="by-hand"):
        kernel.run(play())

    (error,) = kernel.app_errors.found
    assert error.summary.startswith("LookupError: no such row (test_app_threads.py:")


def test_what_was_imported_by_name_waits_in_virtual_time_too(module: ModuleType) -> None:
    """Inside a world; outside everything is as it was."""
    real = dict(vars(module))

    async def main() -> int:
        lock, its = module.Lock(), module.SimpleQueue()
        lock.acquire()
        threads = [
            threading.Thread(target=work)
            for work in (lambda: its.put(lock.acquire()), lambda: its.put(its.get()))
        ]
        for thread in threads:
            thread.start()
        await asyncio.sleep(1)
        lock.release()
        module.sleep(3_600)
        assert its.get() is True
        return elapsed_ms()

    assert live(main) == 3_600_000 + 1_000
    assert dict(vars(module)) == real
