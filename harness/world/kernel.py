"""Virtual time: an event loop whose clock jumps to the next timer, and whose every choice comes from a seed.

This file, `host_loop`, `scheduling`, `network` and `hashing_trace` are the only ones that import ``simloop``
(docs/decisions/0002-simulation-kernel.md). It is young and has one maintainer, so it is pinned, and little of
it is used: the loop, named hosts, their network.
"""

import asyncio
import re
import warnings
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from typing import Any

import simloop

from fanin.harness import alarm
from fanin.harness.world import (
    clocks,
    entropy,
    garbage,
    missing_modules,
    network,
    sandbox,
    sqlite_time,
    stuck_step,
    tls,
)
from fanin.harness.world.app_errors import AppErrors
from fanin.harness.world.app_modules import AppModules
from fanin.harness.world.app_threads import AppThreads
from fanin.harness.world.asgi import AppLoadError
from fanin.harness.world.host_loop import HostLoop, RunawayError, in_ms
from fanin.harness.world.places import place_in
from fanin.harness.world.process_state import restored
from fanin.harness.world.process_table import ProcessTable
from fanin.harness.world.simulated_locks import simulated
from fanin.harness.world.simulated_threads import (
    ProcessEndedError,
    SimulatedThreads,
    ThreadStuckError,
)
from fanin.harness.world.thread_pools import ThreadPools

# How long tasks may take to end when they are cancelled, in virtual time.
_CANCEL_S = 60

network.mend()


class VirtualKernel:
    """One simulated world's loop. Its clock starts at 0 and costs nothing to wait for."""

    def __init__(self, seed: int) -> None:
        self._loop = HostLoop(seed)
        # A task of the application that fails is judged by what can be seen from outside.
        self._loop.set_exception_handler(lambda _loop, context: self.on_app_error(context.get("exception")))
        self.app_errors = AppErrors()
        self.sandbox_breach: str | None = None  # what the application used that a simulation does not have
        self.origin_ms: int | None = None  # the loop's time at which the scenario began
        self.load_error: AppLoadError | None = None
        self._breach: Exception | None = None
        self._seed = seed
        self._processes: ProcessTable | None = None

    def begin_scenario(self) -> None:
        """Let scenario time begin."""
        self.origin_ms = in_ms(self._loop.time())

    def now_ms(self) -> int:
        """Scenario time, in whole milliseconds: 0 until it begins."""
        return 0 if self.origin_ms is None else self.elapsed_ms() - self.origin_ms

    def elapsed_ms(self) -> int:
        """The loop's time, in whole milliseconds."""
        return in_ms(self._loop.time())

    def host(self, name: str) -> simloop.Host:
        """A host on the simulated network; code in its tasks listens and connects as this host."""
        return self._loop.net.host(name)

    def start_process(self, host: simloop.Host) -> None:
        """A process of the application begins on a host."""
        self.app_errors.begin_life()
        if self._processes is not None:
            self._processes.begin(host.name)
        if self._loop.states is not None:
            self._loop.states.begin(host.name)
        if self._loop.modules is not None:
            self._loop.modules.begin(host.name)

    def kill_process(self, host: simloop.Host) -> None:
        """The process on a host ends, as with ``kill -9``."""
        self.app_errors.end_life()
        # It is no mistake of the application that some of its coroutines never began.
        warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
        host.crash()
        if self._processes is not None:
            self._processes.end(host.name)
        if self._loop.states is not None:
            self._loop.states.end(host.name)
        if self._loop.modules is not None:
            self._loop.modules.end(host.name)
        if self._loop.threads is not None:
            self._loop.threads.end(host.name)
            self._loop.ended[host.name] = self._loop.time()

    async def threads_ended(self, host: simloop.Host) -> None:
        """Wait until the process on a host, which ends in order, has no threads."""
        if self._loop.threads is not None:
            await self._loop.threads.ended(host.name)

    def pause(self, host: simloop.Host) -> None:
        """Pause a host, while the world goes on."""
        self._loop.pause(host.name)

    def resume(self, host: simloop.Host) -> None:
        """Resume a paused host. It finds its timers overdue and its sockets full."""
        self._loop.resume(host.name)

    def set_clock(self, by_ms: int) -> None:
        """Set the application's wall clock. The loop's time goes on evenly."""
        self._loop.set_clock(by_ms)

    def on_app_error(self, exc: object) -> None:
        """Take an exception of the application.

        The first of each life is kept, and the first that is a breach of the sandbox. One that says that
        there is no such application ends the run.
        """
        breaches = (simloop.SimulationFenceError, sandbox.SandboxBreachError, ThreadStuckError)
        if isinstance(exc, breaches) and self._breach is None:
            fenced = isinstance(exc, simloop.SimulationFenceError)
            self._breach = exc
            self.sandbox_breach = self._loop.breach = _fenced(exc) if fenced else str(exc)
        elif isinstance(exc, sandbox.SandboxBreachError) and exc is not self._breach and self._loop.breach:
            raise stuck_step.StuckError(self.sandbox_breach)  # it tries again and again, perhaps
        if isinstance(exc, AppLoadError):
            self.load_error, self._loop.breach = exc, str(exc)
        if isinstance(exc, BaseException) and not isinstance(exc, ProcessEndedError):
            self.app_errors.take(exc, self.now_ms())

    @contextmanager
    def foreign_app_sandbox(self, epoch_ms: int, *, run: str) -> Iterator[None]:
        """For unmodified code: what it finds around it is simulated, and the sandbox enforced.

        Args:
            epoch_ms: What its wall clock shows at 0.
            run: Names the run; process ids depend on it.
        """
        loop = self._loop

        loop.threads = threads = SimulatedThreads(loop, self.on_app_error)
        loop.pools = ThreadPools(threads)
        self._processes = ProcessTable(run, loop.current_host, threads.sleep)
        with ExitStack() as surroundings:
            loop.states = surroundings.enter_context(restored())
            for each in (
                self.virtual_wall_clock(epoch_ms),
                clocks.virtual(loop.time),
                entropy.pinned(self._seed),
                tls.shared_contexts(),
                missing_modules.found_out_once(),
                self._processes.installed(),
                loop.pools.installed(),
                AppThreads(threads).installed(),
                sandbox.enforced(self.on_app_error),
                sqlite_time.virtual(),
                simulated(threads),
            ):
                surroundings.enter_context(each)
            yield

    @contextmanager
    def imported_anew(self, module: str) -> Iterator[None]:
        """Let each life import an application's own modules anew.

        Args:
            module: Where the application is.
        """
        self._loop.modules = modules = AppModules(module)
        with modules.installed():
            yield

    @contextmanager
    def virtual_wall_clock(self, epoch_ms: int) -> Iterator[None]:
        """Let ``time.time()`` and ``datetime.now()`` follow virtual time.

        In whole microseconds: as a float, a date is a little less than it was set to, and what an application
        has of it in whole milliseconds is one of them too early.
        """
        at_us = epoch_ms // 1_000 * 1_000_000
        with clocks.time_machine().travel(epoch_ms // 1_000, tick=False) as clock:

            def follow(now_s: float) -> None:
                nonlocal at_us
                before_us = at_us
                at_us = (epoch_ms + self._loop.clock_offset_ms) * 1_000 + round(now_s * 1_000_000)
                clock.shift(timedelta(microseconds=at_us - before_us))

            follow(0)
            self._loop.on_clock_moved = follow
            yield

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        """Run ``main`` to its end, then cancel the tasks that the application left behind.

        Raises:
            RunawayError: it does not end.
        """
        with garbage.left_out(), warnings.catch_warnings():
            self._run(main)

    def _run(self, main: Coroutine[Any, Any, None]) -> None:
        asyncio.set_event_loop(self._loop)
        watch = stuck_step.StepWatch(lambda: self._loop.steps)
        try:
            alarm.guarded(lambda: self._loop.run_until_complete(main), watch)
        except (simloop.SimulationDeadlockError, ProcessEndedError):
            raise RunawayError("nothing was left that could go on") from None
        except stuck_step.StuckError as exc:
            raise RunawayError(str(exc)) from None
        finally:
            self._loop.has_stopped()
            self._loop.resume_all()
            self._loop.allow_steps()
            try:
                if not watch.stuck:
                    alarm.guarded(self._cancel_all_tasks, watch)
                elif self._loop.threads is not None:
                    self._loop.threads.close()
            finally:
                asyncio.set_event_loop(None)
                self._loop.close()

    def _cancel_all_tasks(self) -> None:
        """What does not end even then is left alone: the history is closed.

        The loop is not run by ``run_until_complete``, which would collect garbage once more.
        """
        cancel = _cancel_all_tasks()
        try:
            with suppress(
                RunawayError, stuck_step.StuckError, simloop.SimulationDeadlockError, ProcessEndedError
            ):
                cancelling = self._loop.create_task(cancel)
                cancelling.add_done_callback(lambda _: self._loop.stop())
                self._loop.run_forever()
        finally:
            cancel.close()  # it may not even have begun

    def trace_hash(self) -> str:
        """Digest of every scheduling choice so far."""
        return self._loop.trace_hash()


def _fenced(exc: BaseException) -> str:
    """What the application asked of the event loop; simloop speaks of a page of its own."""
    asked = re.search(r"'(\w+)'", str(exc))
    name = asked[1] if asked else ""
    what = sandbox.PROCESS if name.startswith("subprocess") else f"asyncio's {name}" if name else str(exc)
    return f"it uses {what}{place_in(exc.__traceback__)}"


async def _cancel_all_tasks() -> None:
    pending = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in pending:
        task.cancel()
    if pending:
        await asyncio.wait(pending, timeout=_CANCEL_S)
