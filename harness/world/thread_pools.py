"""Thread pools in virtual time: those of asyncio, `concurrent.futures` and anyio.

Their work is done by threads in lock-step (`simulated_threads`), which begin at a step that the seed decides.
A `ThreadPoolExecutor` has in each process as many threads as it was made with, and does its work in the
order in which it came. The others have as many as they need.
"""

import asyncio
import concurrent.futures
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import Context, copy_context
from functools import partial
from typing import Any

from anyio import CancelScope
from anyio._backends._asyncio import AsyncIOBackend
from anyio._core._eventloop import claim_worker_thread, set_current_async_library, threadlocals

from fanin.harness.world.replaced import replaced
from fanin.harness.world.simulated_threads import (
    STUCK_S,
    LockstepThread,
    ProcessEndedError,
    SimulatedThreads,
    Turn,
)

type _Future = asyncio.Future[Any] | concurrent.futures.Future[Any]


class _Job:
    """One piece of work, and where its result goes."""

    def __init__(self, work: Callable[[], Any], future: _Future, context: Context) -> None:
        self.work, self.future, self.context = work, future, context
        self.result: Any = None
        self.error: BaseException | None = None

    def begins(self) -> bool:
        """Whether its result is still wanted."""
        if isinstance(self.future, asyncio.Future):
            return not self.future.cancelled()
        return self.future.set_running_or_notify_cancel()

    def run(self, prepare: Callable[[], object] | None = None) -> None:
        try:
            if prepare is not None:
                self.context.run(prepare)
            self.result = self.context.run(self.work)
        except BaseException as exc:  # noqa: BLE001 - as an executor: whatever it is, the future has it
            self.error = exc

    def deliver(self) -> None:
        if self.future.done():
            return
        if isinstance(self.error, ProcessEndedError):
            self.future.cancel()
        elif self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class _PoolThread(LockstepThread):
    """Does one piece of work after the other."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.Thread(target=self._serve, name="fanin-pool", daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self.dismiss()
        self._thread.join(STUCK_S)

    def _serve(self) -> None:
        while self.serve():
            pass


class _Pool:
    """One pool in one process: its threads, and what waits for one of them."""

    def __init__(self, size: int | None, prepare: Callable[[], object] | None = None) -> None:
        self.size, self.prepare = size, prepare
        self.idle: list[_PoolThread] = []
        self.queue: deque[_Job] = deque()
        self.busy = 0
        self.leaving: deque[Turn] = deque()  # what waits until it is idle

    @property
    def has_room(self) -> bool:
        return self.size is None or self.busy < self.size


class ThreadPools:
    """The pools of one world."""

    def __init__(self, threads: SimulatedThreads) -> None:
        self._threads = threads
        self._pools: dict[tuple[object, str], _Pool] = {}  # by executor and host

    def run(self, executor: Any, work: Callable[[], Any]) -> asyncio.Future[Any]:
        """Do the work in a thread of a pool; an executor of another kind does it itself."""
        if not isinstance(executor, concurrent.futures.ThreadPoolExecutor | None):
            return asyncio.wrap_future(executor.submit(work))
        future: asyncio.Future[Any] = self._threads.loop.create_future()
        self.submit(work, future, executor)
        return future

    def submit(
        self,
        work: Callable[[], Any],
        future: _Future,
        executor: concurrent.futures.ThreadPoolExecutor | None = None,
    ) -> None:
        """Do the work at a step of the loop, by a thread of the executor; ``future`` gets its result."""
        context = Context()
        self._threads.loop.run_on_host(context)
        pool = self._pool(executor)
        pool.queue.append(_Job(work, future, context))
        if pool.has_room:
            pool.busy += 1
            self._threads.start_later(partial(self._find_thread, pool))

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Inside, pools of the standard library and of anyio work like this; at the end no thread is left."""
        pool = concurrent.futures.ThreadPoolExecutor
        with ExitStack() as patches:
            patches.callback(self._dismiss)
            shutdown = self._shutdown_pool(pool.shutdown)
            patches.enter_context(replaced(pool, submit=self._submit_to_pool(), shutdown=shutdown))
            run_sync = classmethod(self._run_sync)
            patches.enter_context(replaced(AsyncIOBackend, run_sync_in_worker_thread=run_sync))
            yield

    def _pool(self, executor: concurrent.futures.ThreadPoolExecutor | None) -> _Pool:
        key = (executor, self._threads.loop.current_host())
        if key not in self._pools:
            self._pools[key] = _Pool(None) if executor is None else _Pool(*_shape(executor))
        return self._pools[key]

    def _find_thread(self, pool: _Pool) -> LockstepThread | None:
        while pool.queue:
            job = pool.queue.popleft()
            if job.begins():
                return self._thread_for(pool, job)
        self._rest(pool)
        return None

    def _thread_for(self, pool: _Pool, job: _Job) -> LockstepThread:
        if pool.idle:
            thread = pool.idle.pop()
            thread.work = job.run
        else:
            thread = _PoolThread()
            self._threads.aside(thread.begin)
            thread.work = partial(job.run, pool.prepare)
        thread.on_done = partial(self._done, pool, thread, job)
        return thread

    def _done(self, pool: _Pool, thread: _PoolThread, job: _Job) -> None:
        job.deliver()
        if thread.ended:
            thread.end()
            return
        pool.idle.append(thread)
        if pool.queue and pool.busy == pool.size:
            self._threads.start_later(partial(self._find_thread, pool))
        else:
            self._rest(pool)

    def _rest(self, pool: _Pool) -> None:
        pool.busy -= 1
        while not pool.busy and pool.leaving:
            pool.leaving.popleft().soon()

    def _dismiss(self) -> None:
        for pool in self._pools.values():
            while pool.idle:
                pool.idle.pop().end()

    # --- what is replaced ---

    def _submit_to_pool(self) -> Callable[..., concurrent.futures.Future[Any]]:
        def submit(
            executor: concurrent.futures.ThreadPoolExecutor,
            work: Callable[..., Any],
            /,
            *args: Any,
            **kwargs: Any,
        ) -> concurrent.futures.Future[Any]:
            future: concurrent.futures.Future[Any] = concurrent.futures.Future()
            if executor._shutdown:  # noqa: SLF001 - as its own `submit` does
                raise RuntimeError("cannot schedule new futures after shutdown")
            self.submit(partial(work, *args, **kwargs), future, executor)
            return future

        return submit

    def _shutdown_pool(self, shutdown: Callable[..., None]) -> Callable[..., None]:
        def shut(
            executor: concurrent.futures.ThreadPoolExecutor,
            wait: bool = True,  # noqa: FBT001, FBT002 - its signature
            *,
            cancel_futures: bool = False,
        ) -> None:
            shutdown(executor, wait, cancel_futures=cancel_futures)
            pool = self._pools.get((executor, self._threads.loop.current_host()))
            if pool is None or not self._threads.are_here():
                return
            for job in pool.queue if cancel_futures else ():
                job.future.cancel()
            while wait and pool.busy:
                self._threads.block(pool.leaving)

        return shut

    async def _run_sync(
        self,
        backend: Any,
        work: Callable[..., Any],
        args: tuple[Any, ...],
        abandon_on_cancel: bool = False,  # noqa: FBT001, FBT002 - anyio's signature
        limiter: Any = None,
    ) -> Any:
        """Do what anyio's own does, without its threads."""
        await backend.checkpoint()
        async with limiter or backend.current_default_thread_limiter():
            with CancelScope(shield=not abandon_on_cancel) as scope:
                context = copy_context()
                context.run(set_current_async_library, None)

                def in_thread() -> Any:
                    with claim_worker_thread(backend, self._threads.loop):
                        threadlocals.current_cancel_scope = scope
                        try:
                            return context.run(work, *args)
                        finally:
                            del threadlocals.current_cancel_scope

                future: asyncio.Future[Any] = self._threads.loop.create_future()
                self.submit(in_thread, future)
                return await future


def _shape(executor: concurrent.futures.ThreadPoolExecutor) -> tuple[int, Callable[[], object] | None]:
    """How many threads it has, and what each of them does first."""
    its: Any = executor  # it shows neither
    size: int = its._max_workers  # noqa: SLF001
    initializer = getattr(its, "_initializer", None)  # Python 3.14 keeps it elsewhere
    return size, partial(initializer, *its._initargs) if initializer else None  # noqa: SLF001
