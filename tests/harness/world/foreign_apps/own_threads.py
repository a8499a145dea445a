"""The right aggregator of `right`, with threads of its own beside the event loop.

Each variant is a factory. Run as a script, the module serves the one that its argument names.
"""

import asyncio
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from threading import Lock
from typing import Any

from right import FanIn, app_of
from starlette.applications import Starlette


def with_timers() -> Starlette:
    """Waits for what is due with a `threading.Timer`."""

    class Timers(FanIn):
        async def rest(self, until: float | None) -> None:
            loop = asyncio.get_running_loop()
            left = 3_600.0 if until is None else max(until - time.time(), 0.001)
            timer = threading.Timer(left, lambda: loop.call_soon_threadsafe(self.woken.set))
            timer.daemon = True
            timer.start()
            try:
                await self.woken.wait()
            finally:
                timer.cancel()

    return app_of(Timers())


def with_background_thread() -> Starlette:
    """Looks at what is due in a thread, under a lock; the loop waits for that thread when it stops."""

    class Background(FanIn):
        def __init__(self) -> None:
            super().__init__()
            self.lock, self.stop = threading.Lock(), threading.Event()

        def arrive(self, region: str, event: dict[str, Any]) -> None:
            with self.lock:
                super().arrive(region, event)

        async def run(self) -> None:
            thread = threading.Thread(target=self.watch, args=(asyncio.get_running_loop(),))
            thread.start()
            try:
                await asyncio.Event().wait()
            finally:
                self.stop.set()
                thread.join()

        def watch(self, loop: asyncio.AbstractEventLoop) -> None:
            running: set[str] = set()
            while not self.stop.wait(0.25):
                with self.lock:
                    self.db.execute(
                        "UPDATE operation SET outcome = 'timed_out' WHERE outcome IS NULL AND until <= ?",
                        (time.time(),),
                    )
                    time.sleep(0.01)  # it does not hurry, and the loop waits for the lock
                    rows = self.db.execute(
                        "SELECT id FROM operation WHERE outcome IS NOT NULL AND NOT notified"
                    ).fetchall()
                for (id_,) in rows:
                    if id_ not in running:
                        running.add(id_)
                        with suppress(RuntimeError):  # the loop is closed
                            asyncio.run_coroutine_threadsafe(self.notify(id_), loop)

    return app_of(Background())


LOCK, POOL = Lock(), ThreadPoolExecutor(1)
JOBS: SimpleQueue[tuple[FanIn, tuple[Any, ...], asyncio.Future[None]]] = SimpleQueue()


def work() -> None:
    while True:
        fan_in, arrived, done = JOBS.get()
        with LOCK:
            time.sleep(0.01)
            fan_in.arrive(*arrived)
        done.get_loop().call_soon_threadsafe(done.set_result, None)


def with_a_queue_and_a_pool() -> Starlette:
    """Has both, and a lock, in global variables, which were imported by name."""
    fan_in = FanIn()
    threading.Thread(target=work, daemon=True).start()

    async def arrive(*arrived: Any) -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        JOBS.put((fan_in, arrived, done))
        await done
        await loop.run_in_executor(POOL, time.sleep, 0.01)
        with LOCK:
            pass

    return app_of(fan_in, arrive=arrive)


def with_a_default_pool() -> Starlette:
    """Sets the pool of the loop, handles a signal, and reads its clock by number."""

    class Boot(FanIn):
        async def run(self) -> None:
            loop = asyncio.get_running_loop()
            loop.set_default_executor(ThreadPoolExecutor(2, thread_name_prefix="store"))
            loop.add_signal_handler(signal.SIGUSR1, self.woken.set)
            try:
                await super().run()
            finally:
                loop.remove_signal_handler(signal.SIGUSR1)

        async def rest(self, until: float | None) -> None:
            wakes = time.clock_gettime(time.CLOCK_MONOTONIC) + (until or time.time() + 3_600) - time.time()
            while not self.woken.is_set() and time.clock_gettime(time.CLOCK_MONOTONIC) < wakes:
                with suppress(TimeoutError):
                    left = wakes - time.clock_gettime(time.CLOCK_MONOTONIC)
                    await asyncio.wait_for(self.woken.wait(), left)

    fan_in = Boot()

    async def arrive(*arrived: Any) -> None:
        await asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.01)
        fan_in.arrive(*arrived)

    return app_of(fan_in, arrive=arrive)


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(globals()[sys.argv[1]](), host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
