"""Lives of threads in a simulated world: killed, paused, blocked, stopped in order, and outside of it."""

import asyncio
import contextlib
import fcntl
import queue
import threading
import time
from pathlib import Path

import pytest

from fanin.harness.world.host_loop import RunawayError, elapsed_ms
from fanin.harness.world.kernel import VirtualKernel
from tests.harness.world.living import live


def test_threads_of_a_killed_process_never_go_on() -> None:
    """Whatever they wait for or catch; nothing is left of them when the world ends."""
    went_on: list[str] = []
    before = threading.active_count()

    def sleep() -> None:
        time.sleep(50)
        went_on.append("slept")

    def get() -> None:
        queue.SimpleQueue[int]().get()
        went_on.append("got")

    def catch() -> None:
        while True:
            with contextlib.suppress(ValueError):
                time.sleep(50)
            went_on.append("slept")

    kernel = VirtualKernel(0)

    async def app() -> None:
        for target in (sleep, get, catch):
            threading.Thread(target=target).start()
        await asyncio.sleep(5)
        threading.Thread(target=went_on.append, args=("begun",)).start()
        await asyncio.Event().wait()

    async def play() -> None:
        host = kernel.host("aggregator")
        kernel.start_process(host)
        host.create_task(app())
        await asyncio.sleep(4.9999)
        kernel.kill_process(host)
        await asyncio.sleep(1_000)

    with kernel.foreign_app_sandbox(0, run="by-hand"):
        kernel.run(play())

    assert went_on == []
    assert threading.active_count() == before


def test_a_thread_that_catches_everything_is_left_lying() -> None:
    """It cannot be ended, but it does not run again, and the world ends."""
    rounds: list[int] = []
    kernel = VirtualKernel(0)

    def stubborn() -> None:
        while True:
            try:
                time.sleep(50)
            except:  # noqa: E722 - that it catches everything is the point
                rounds.append(len(rounds))

    async def play() -> None:
        host = kernel.host("aggregator")
        kernel.start_process(host)

        async def app() -> None:
            threading.Thread(target=stubborn).start()
            await asyncio.Event().wait()

        host.create_task(app())
        await asyncio.sleep(5)
        kernel.kill_process(host)
        rounds.append(100)
        await asyncio.sleep(1_000)

    with kernel.foreign_app_sandbox(0, run="by-hand"):
        kernel.run(play())

    assert rounds == [0, 1, 2, 100]


def test_a_blocked_loop_ends_with_its_process() -> None:
    """And is named: a real one would wait for ever as well."""
    kernel, seen = VirtualKernel(0), []

    async def app() -> None:
        try:
            threading.Event().wait()
        finally:
            seen.append(elapsed_ms())

    async def play() -> None:
        host = kernel.host("aggregator")
        kernel.start_process(host)
        host.create_task(app())
        await asyncio.sleep(5)
        kernel.kill_process(host)
        await asyncio.sleep(1_000)
        seen.append(elapsed_ms())

    with kernel.foreign_app_sandbox(0, run="by-hand"):
        kernel.run(play())

    assert seen == [5_000, 1_005_000]
    (error,) = kernel.app_errors.found
    assert error.summary.startswith(
        "fanin.harness.world.simulated_threads.LoopBlockedError: the event loop waits for ever at"
        " test_simulated_threads.py:"
    )


def test_a_world_in_which_nothing_can_go_on_ends() -> None:
    """Without an end of its own."""

    async def main() -> None:
        threading.Event().wait()

    with pytest.raises(RunawayError, match="nothing was left that could go on"):
        live(main)


def test_a_paused_process_has_paused_threads() -> None:
    """They go on when it does, late."""
    kernel, instants = VirtualKernel(0), []

    async def app() -> None:
        threading.Timer(10, lambda: instants.append(elapsed())).start()
        threading.Event().wait(20)
        instants.append(elapsed())

    def elapsed() -> int:
        return round(time.time())

    async def play() -> None:
        host = kernel.host("aggregator")
        kernel.start_process(host)
        running = host.create_task(app())
        await asyncio.sleep(5)
        kernel.pause(host)
        await asyncio.sleep(10)
        kernel.resume(host)
        await running

    with kernel.foreign_app_sandbox(0, run="by-hand"):
        kernel.run(play())

    assert instants == [15, 20]


def test_a_process_that_ends_in_order_waits_for_its_threads() -> None:
    """As Python does when the interpreter exits; daemons are not waited for."""
    kernel, instants = VirtualKernel(0), list[int]()

    async def play() -> None:
        host = kernel.host("aggregator")
        kernel.start_process(host)

        async def app() -> None:
            threading.Timer(5, lambda: None).start()
            threading.Thread(target=time.sleep, args=(1_000,), daemon=True).start()

        await host.create_task(app())
        await kernel.threads_ended(host)
        instants.append(elapsed_ms())

    with kernel.foreign_app_sandbox(0, run="by-hand"):
        kernel.run(play())

    assert instants == [5_000]


def test_threads_of_the_harness_wait_in_real_time() -> None:
    """While a world runs, what is made by other threads works as ever."""
    kernel = VirtualKernel(0)
    asked: queue.Queue[threading.Event] = queue.Queue()
    helper = threading.Thread(target=lambda: asked.get().set())
    helper.start()

    with kernel.foreign_app_sandbox(0, run="by-hand"):
        done = threading.Event()
        asked.put(done)
        assert done.wait(60)
        assert not threading.Event().wait(0.01)

    helper.join()


def test_a_loop_may_wait_for_a_lock_on_a_file(tmp_path: Path) -> None:
    """Of another process, in virtual time: it is blocked until that is killed."""
    kernel, instants = VirtualKernel(0), list[int]()

    async def app() -> None:
        with (tmp_path / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            instants.append(elapsed_ms() // 1_000)
            await asyncio.Event().wait()

    async def play() -> None:
        hosts = [kernel.host(name) for name in ("one", "other")]
        for host in hosts:
            kernel.start_process(host)
            host.create_task(app())
            await asyncio.sleep(1)
        await asyncio.sleep(8)
        kernel.kill_process(hosts[0])
        await asyncio.sleep(5)

    with kernel.foreign_app_sandbox(0, run="by-hand"):
        kernel.run(play())

    assert instants == [0, 10]
