"""The event loop of a simulated world: its hosts can be paused, wait for a thread, and end.

Rules of this file: what is private in asyncio and ``simloop`` is touched here, in `scheduling` and in
`network` alone.
"""

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from functools import partial
from typing import Any, NoReturn

import simloop
from simloop._loop import _host_of
from simloop._net import DRIVER, SimNetwork, _current_host

from fanin.harness.world.app_modules import AppModules
from fanin.harness.world.places import place_of_task
from fanin.harness.world.process_state import ProcessStates
from fanin.harness.world.scheduling import SeededLoop, label_of
from fanin.harness.world.simulated_threads import ProcessEndedError, SimulatedThreads, Turn
from fanin.harness.world.thread_pools import ThreadPools

# So many steps without time passing: work that never ends. The largest of the pack's scenarios takes a tenth.
INSTANT_STEPS_MAX = 1_000_000
# So many steps in all: what would take hours to play.
STEPS_MAX = 30_000_000
# The trace is hashed after so many steps.
STEPS_HASHED = 1_000
_swap_current_task: Callable[[asyncio.AbstractEventLoop, object], object] = asyncio.tasks._swap_current_task  # type: ignore[attr-defined]  # noqa: SLF001 - as eager tasks do


class RunawayError(Exception):
    """The run does not end by itself; the message says what goes on."""


def elapsed_ms() -> int:
    """The running loop's time, in whole milliseconds."""
    return in_ms(asyncio.get_running_loop().time())


def in_ms(seconds: float) -> int:
    """Seconds of a loop's time as whole milliseconds.

    Rounded to microseconds first: 1.001 s is 1001 ms, though 1.001 * 1000 is a little less.
    """
    return round(seconds * 1_000_000) // 1000


def clock_offset_ms() -> int:
    """By how much the application's wall clock was set; 0 outside a simulated world."""
    return getattr(asyncio.get_running_loop(), "clock_offset_ms", 0)


class HostLoop(SeededLoop):
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
        self.states: ProcessStates | None = None
        self.modules: AppModules | None = None  # where lives import the application anew
        self._executors: dict[str, ThreadPoolExecutor] = {}  # by host: what it has set as its default
        self._signals: set[tuple[str, int]] = set()  # by host: those that it would handle
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
            self._follow(host)
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
        executor = executor or self._executors.get(self.current_host())
        return self.pools.run(executor, partial(func, *args))

    def set_default_executor(self, executor: ThreadPoolExecutor) -> None:  # type: ignore[override]
        """Each process has one of its own."""
        if not isinstance(executor, ThreadPoolExecutor):
            raise TypeError("executor must be ThreadPoolExecutor instance")  # as asyncio says it
        self._executors[self.current_host()] = executor

    def add_signal_handler(  # type: ignore[override]  # as above
        self, sig: int, callback: Callable[..., object], *args: Any
    ) -> None:
        """No signal comes: a process is killed without a word, or its lifespan ends, as servers do it."""
        del callback, args
        self._signals.add((self.current_host(), sig))

    def remove_signal_handler(self, sig: int) -> bool:
        """Whether there was one."""
        handled = (self.current_host(), sig)
        known = handled in self._signals
        self._signals.discard(handled)
        return known

    def call_soon_threadsafe(  # type: ignore[override]  # as above
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """From a simulated thread as well: the loop waits for it."""
        if self.threads is not None and self.threads.inside:
            return self.call_soon(callback, *args, context=context)
        return super().call_soon_threadsafe(callback, *args, context=context)

    def has_stopped(self) -> None:
        """Take note that it does not run, however it was left.

        An interrupt at the jump back of a ``while`` is outside of what its ``try`` covers (CPython 3.13), so
        that ``run_forever`` may be left without its ``finally``.
        """
        self._running = self._stopping = False
        asyncio._set_running_loop(None)  # noqa: SLF001 - as its ``finally`` does

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
        seq, _, handle, callback = ready.pop(index)
        host = handle._context.get(_current_host, DRIVER)  # type: ignore[attr-defined]  # noqa: SLF001
        # At the instant of its end, tasks of a process unwind; its timers never ring.
        if handle._cancelled or (host in self.ended and self._now > self.ended[host]):  # noqa: SLF001
            return
        self._note((seq, label_of(callback), host))
        self._follow(host)
        handle._run()  # noqa: SLF001 - the loop's own business

    def _follow(self, host: str) -> None:
        """Let code of this host find what is its own."""
        if self.states is not None:
            self.states.follow(host)
        if self.modules is not None:
            self.modules.follow(host)

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
