"""Virtual time: an event loop whose clock jumps to the next timer, and whose every choice comes from a seed.

This file, `scheduling`, `network` and `hashing_trace` are the only ones that import ``simloop``
(docs/decisions/0002-simulation-kernel.md). It is young and has one maintainer, so it is pinned, and little of
it is used: the loop, named hosts, their network.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import Context
from functools import partial
from typing import Any, NoReturn

import simloop
from simloop._loop import _host_of
from simloop._net import DRIVER, SimNetwork, _current_host

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
from fanin.harness.world.places import place_in, place_of_task
from fanin.harness.world.process_state import ProcessState, restored
from fanin.harness.world.process_table import ProcessTable
from fanin.harness.world.scheduling import SeededLoop
from fanin.harness.world.simulated_locks import simulated
from fanin.harness.world.simulated_threads import (
    ProcessEndedError,
    SimulatedThreads,
    ThreadStuckError,
    Turn,
)
from fanin.harness.world.thread_pools import ThreadPools

# So many steps without time passing: work that never ends. The largest of the pack's scenarios takes a tenth.
INSTANT_STEPS_MAX = 1_000_000
# So many steps in all: what would take hours to play.
STEPS_MAX = 30_000_000
# The trace is hashed after so many steps.
STEPS_HASHED = 1_000
# How long tasks may take to end when they are cancelled, in virtual time.
_CANCEL_S = 60

network.mend()

_swap_current_task: Callable[[asyncio.AbstractEventLoop, object], object] = asyncio.tasks._swap_current_task  # type: ignore[attr-defined]  # noqa: SLF001 - as eager tasks do


class RunawayError(Exception):
    """The run does not end by itself; the message says what goes on."""


def elapsed_ms() -> int:
    """The running loop's time, in whole milliseconds.

    Rounded to microseconds first: 1.001 s is 1001 ms, though 1.001 * 1000 is a little less.
    """
    return _in_ms(asyncio.get_running_loop().time())


def _in_ms(seconds: float) -> int:
    return round(seconds * 1_000_000) // 1000


def clock_offset_ms() -> int:
    """By how much the application's wall clock was set; 0 outside a simulated world."""
    return getattr(asyncio.get_running_loop(), "clock_offset_ms", 0)


class _Loop(SeededLoop):
    """Reports when the clock has moved, and can pause single hosts.

    What is ready to run on a paused host is held back: its tasks, its timers, and what the network brings it.
    All of that becomes ready at once when the host is resumed, as for a process after SIGCONT: overdue
    timers, full socket buffers. The order in which it then runs is chosen by the seed.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.on_clock_moved: Callable[[float], None] | None = None
        self.clock_offset_ms = 0
        # Where the application is not ours.
        self.threads: SimulatedThreads | None = None
        self.pools: ThreadPools | None = None
        self.modules: AppModules | None = None  # where lives import the application anew
        self.breach: str | None = None  # of the sandbox: nothing that follows matters
        self.ended: dict[str, float] = {}  # by host whose process has ended: when
        self.steps = self._steps_before = 0  # all so far, and those before this instant
        self._draw_bits = random.Random(seed).getrandbits
        self._held: dict[str, list[Any]] = {}  # by host that is paused or blocked: what is ready there
        self._paused: set[str] = set()
        self._blocked: set[str] = set()  # hosts whose loop waits for a thread

    def pause(self, host: str) -> None:
        """Hold back everything that is ready on a host, from now on."""
        self._paused.add(host)
        self._held.setdefault(host, [])

    def resume(self, host: str) -> None:
        """Make everything ready that was held back."""
        self._paused.discard(host)
        self._release(host)

    def resume_all(self) -> None:
        """Resume every paused host."""
        for host in tuple(self._paused):
            self.resume(host)

    def step_while_blocked(self, host: str, turn: Turn) -> None:
        """Run everything else until the turn has come, while code of a host blocks its loop there.

        Of this host only threads go on. The task that blocks is none that runs: others run meanwhile.

        Raises:
            ProcessEndedError: the world ends before.
        """
        task = _swap_current_task(self, None)
        self._blocked.add(host)
        self._held.setdefault(host, [])
        try:
            while not turn.over:
                if self._stopping:
                    raise ProcessEndedError
                self._step()
        except (RunawayError, simloop.SimulationDeadlockError) as exc:
            raise ProcessEndedError from exc  # the loop notices it again, outside of the application
        finally:
            self._blocked.discard(host)
            self._release(host)
            if self.modules is not None:
                self.modules.follow(host)
            _swap_current_task(self, task)

    def set_clock(self, by_ms: int) -> None:
        """Set the wall clock."""
        self.clock_offset_ms += by_ms
        if self.on_clock_moved is not None:
            self.on_clock_moved(self._now)

    def current_host(self) -> str:
        """The host on which the running code runs."""
        return _current_host.get()

    def run_on_host(self, context: Context) -> None:
        """Let a context belong to the host on which the running code runs."""
        context.run(_current_host.set, _current_host.get())

    def run_in_executor(  # type: ignore[override]  # as loosely typed as what it passes on
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run the function in a simulated thread; of our own aggregator, at a step of the loop."""
        if self.pools is None:
            return super().run_in_executor(executor, func, *args)
        return self.pools.run(executor, partial(func, *args))

    def call_soon_threadsafe(  # type: ignore[override]  # as above
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """From a simulated thread as well: the loop waits for it."""
        if self.threads is not None and self.threads.inside:
            return self.call_soon(callback, *args, context=context)
        return super().call_soon_threadsafe(callback, *args, context=context)

    def allow_steps(self) -> None:
        """Begin to count again."""
        self.steps = self._steps_before = 0
        self.breach = None
        self.ended.clear()

    def _step(self) -> None:
        if self._held:
            self._hold_back()
        self.steps += 1
        if self.steps - self._steps_before > INSTANT_STEPS_MAX or self.steps > STEPS_MAX or self.breach:
            self._run_away()
        if self.steps % STEPS_HASHED == 0:
            self._trace.hash_whole_parts()
        ready = self._ready
        if not ready:
            self._advance_clock()
        # One of them, as ``randrange`` draws it.
        count = len(ready)
        bits = count.bit_length()
        index = self._draw_bits(bits)
        while index >= count:
            index = self._draw_bits(bits)
        seq, label, handle, _ = ready.pop(index)
        host = handle._context.get(_current_host, DRIVER)  # type: ignore[attr-defined]  # noqa: SLF001
        # At the instant of its end, tasks of a process unwind; its timers never ring.
        if handle._cancelled or (host in self.ended and self._now > self.ended[host]):  # noqa: SLF001
            self._note(("cancel", self._now, seq, label, host))
            return
        self._note(("run", self._now, seq, label, host))
        if self.modules is not None:
            self.modules.follow(host)
        handle._run()  # noqa: SLF001 - the loop's own business

    def _run_away(self) -> NoReturn:
        if self.breach:
            raise RunawayError(self.breach)
        tasks = (callback.__self__ for *_, callback in self._ready if hasattr(callback, "__self__"))
        places = filter(None, (place_of_task(task) for task in tasks if isinstance(task, asyncio.Task)))
        where = next(places, "")
        if self.steps > STEPS_MAX:
            raise RunawayError(f"it took {STEPS_MAX:,} steps, more than can be played{where}")
        raise RunawayError(
            f"it took {INSTANT_STEPS_MAX:,} steps while no time passed{where}: is there a pause?"
        )

    def _advance_clock(self) -> None:
        self._steps_before = self.steps
        super()._advance_clock()
        if self._held:
            self._hold_back()
            while not self._ready:
                super()._advance_clock()
                self._hold_back()
        if self.on_clock_moved is not None:
            self.on_clock_moved(self._now)

    def _hold_back(self) -> None:
        kept: list[Any] = []
        for entry in self._ready:
            host = _host_of_entry(entry)
            goes_on = host in self._blocked and host not in self._paused and isinstance(entry[3], Turn)
            (kept if goes_on else self._held.get(host, kept)).append(entry)
        self._ready[:] = kept  # in place: simloop keeps a view of it

    def _release(self, host: str) -> None:
        """Make ready what was held back; what still has to wait is held back anew."""
        self._ready.extend(self._held.pop(host, []))
        if host in self._paused or host in self._blocked:
            self._held[host] = []


def _host_of_entry(entry: Any) -> str:
    """The host on which a ready entry runs. A packet runs on the one at which it arrives."""
    _, _, handle, callback = entry
    if getattr(callback, "__func__", None) is SimNetwork._deliver:  # noqa: SLF001 - as above
        destination: str = handle._args[0].dst  # noqa: SLF001 - asyncio offers no other way
        return destination
    return _host_of(handle)


class VirtualKernel:
    """One simulated world's loop. Its clock starts at 0 and costs nothing to wait for."""

    def __init__(self, seed: int) -> None:
        self._loop = _Loop(seed)
        # A task of the application that fails is judged by what can be seen from outside.
        self._loop.set_exception_handler(lambda _loop, context: self.on_app_error(context.get("exception")))
        self.app_errors = AppErrors()
        self.sandbox_breach: str | None = None  # what the application used that a simulation does not have
        self.origin_ms: int | None = None  # the loop's time at which the scenario began
        self.load_error: AppLoadError | None = None
        self._breach: Exception | None = None
        self._seed = seed
        self._processes: ProcessTable | None = None
        self._state: ProcessState | None = None

    def begin_scenario(self) -> None:
        """Let scenario time begin."""
        self.origin_ms = _in_ms(self._loop.time())

    def now_ms(self) -> int:
        """Scenario time, in whole milliseconds: 0 until it begins."""
        return 0 if self.origin_ms is None else self.elapsed_ms() - self.origin_ms

    def elapsed_ms(self) -> int:
        """The loop's time, in whole milliseconds."""
        return _in_ms(self._loop.time())

    def host(self, name: str) -> simloop.Host:
        """A host on the simulated network; code in its tasks listens and connects as this host."""
        return self._loop.net.host(name)

    def start_process(self, host: simloop.Host) -> None:
        """A process of the application begins on a host."""
        self.app_errors.begin_life()
        if self._processes is not None:
            self._processes.begin(host.name)
        if self._state is not None:
            self._state.restore()
        if self._loop.modules is not None:
            self._loop.modules.begin(host.name)

    def kill_process(self, host: simloop.Host) -> None:
        """The process on a host ends, as with ``kill -9``."""
        self.app_errors.end_life()
        host.crash()
        if self._processes is not None:
            self._processes.end(host.name)
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
            where = place_in(exc.__traceback__) if fenced else ""
            self._breach = exc
            self.sandbox_breach = self._loop.breach = str(exc) + where
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
            self._state = surroundings.enter_context(restored())
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
        """Let ``time.time()`` and ``datetime.now()`` follow virtual time."""
        with clocks.time_machine().travel(epoch_ms / 1000, tick=False) as clock:
            self._loop.on_clock_moved = lambda now_s: clock.move_to(
                (epoch_ms + self._loop.clock_offset_ms) / 1000 + now_s
            )
            yield

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        """Run ``main`` to its end, then cancel the tasks that the application left behind.

        Raises:
            RunawayError: it does not end.
        """
        with garbage.left_out():
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
        """What does not end even then is left alone: the history is closed."""
        with suppress(
            RunawayError, stuck_step.StuckError, simloop.SimulationDeadlockError, ProcessEndedError
        ):
            self._loop.run_until_complete(_cancel_all_tasks())

    def trace_hash(self) -> str:
        """Digest of every scheduling choice so far."""
        return self._loop.trace_hash()


async def _cancel_all_tasks() -> None:
    pending = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in pending:
        task.cancel()
    if pending:
        await asyncio.wait(pending, timeout=_CANCEL_S)
