"""Virtual time: an event loop whose clock jumps to the next timer, and whose every choice comes from a seed.

The only file that imports ``simloop`` (docs/decisions/0002-simulation-kernel.md). It is young and has one
maintainer, so it is pinned, and little of it is used: the loop, named hosts, their network.
"""

import asyncio
import gc
import hashlib
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import simloop
import time_machine
from simloop._loop import _host_of
from simloop._net import SimNetwork
from simloop._trace import TraceRecorder

from fanin.harness.world import sandbox
from fanin.harness.world.app_errors import AppErrors


def elapsed_ms() -> int:
    """The running loop's time, in whole milliseconds.

    Rounded to microseconds first: 1.001 s is 1001 ms, though 1.001 * 1000 is a little less.
    """
    return round(asyncio.get_running_loop().time() * 1_000_000) // 1000


class _HashingTrace(TraceRecorder):
    """Hashes the trace as it grows: kept whole, it would be most of a long run's memory."""

    _FLUSH_AT = 4096

    def __init__(self) -> None:
        super().__init__()
        self._digest = hashlib.sha256()
        self._choices: list[tuple[str, float, int, str, str]] = []
        self._hashed = 0
        self._encode = msgspec.msgpack.Encoder().encode

    def record(self, kind: str, when: float, seq: int, label: str, host: str = "") -> None:
        self._choices.append((kind, when, seq, label, host))
        if len(self._choices) >= self._FLUSH_AT:
            self._flush()

    def __len__(self) -> int:
        return self._hashed + len(self._choices)

    def hash(self) -> str:
        self._flush()
        return self._digest.hexdigest()

    def _flush(self) -> None:
        self._digest.update(self._encode(self._choices))
        self._hashed += len(self._choices)
        self._choices.clear()


def clock_offset_ms() -> int:
    """By how much the application's wall clock was set; 0 outside a simulated world."""
    return getattr(asyncio.get_running_loop(), "clock_offset_ms", 0)


class _Loop(simloop.SimLoop):
    """Reports when the clock has moved, and can pause single hosts.

    What is ready to run on a paused host is held back: its tasks, its timers, and what the network brings it.
    All of that becomes ready at once when the host is resumed, as for a process after SIGCONT: overdue
    timers, full socket buffers. The order in which it then runs is chosen by the seed.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.on_clock_moved: Callable[[float], None] | None = None
        self.clock_offset_ms = 0
        self._held: dict[str, list[Any]] = {}  # by paused host: what is ready there

    def pause(self, host: str) -> None:
        """Hold back everything that is ready on a host, from now on."""
        self._held.setdefault(host, [])

    def resume(self, host: str) -> None:
        """Make everything ready that was held back."""
        self._ready.extend(self._held.pop(host, []))

    def resume_all(self) -> None:
        """Resume every paused host."""
        for host in tuple(self._held):
            self.resume(host)

    def set_clock(self, by_ms: int) -> None:
        """Set the wall clock."""
        self.clock_offset_ms += by_ms
        if self.on_clock_moved is not None:
            self.on_clock_moved(self._now)

    def _step(self) -> None:
        if self._held:
            self._hold_back()
        super()._step()

    def _advance_clock(self) -> None:
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
            self._held.get(_host_of_entry(entry), kept).append(entry)
        self._ready[:] = kept  # in place: simloop keeps a view of it


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
        # Private, and the reason why the version is pinned: simloop offers no other way to a flat memory.
        self._loop._recorder = _HashingTrace()  # noqa: SLF001
        # A task of the application that fails is judged by what can be seen from outside.
        self._loop.set_exception_handler(lambda _loop, context: self.on_app_error(context.get("exception")))
        self.app_errors = AppErrors()
        self.sandbox_breach: str | None = None  # what the application used that a simulation does not have

    def host(self, name: str) -> simloop.Host:
        """A host on the simulated network; code in its tasks listens and connects as this host."""
        return self._loop.net.host(name)

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

        The first of each life is kept, and the first that is a breach of the sandbox.
        """
        breaches = (simloop.SimulationFenceError, sandbox.SandboxBreachError)
        if isinstance(exc, breaches) and self.sandbox_breach is None:
            self.sandbox_breach = str(exc)
        if isinstance(exc, BaseException):
            self.app_errors.take(exc, round(self._loop.time() * 1000))

    @contextmanager
    def foreign_app_sandbox(self, epoch_ms: int) -> Iterator[None]:
        """For unmodified code: let the wall clock follow virtual time, and enforce the sandbox."""
        with self.virtual_wall_clock(epoch_ms), sandbox.enforced(self.on_app_error):
            yield

    @contextmanager
    def virtual_wall_clock(self, epoch_ms: int) -> Iterator[None]:
        """Let ``time.time()`` and ``datetime.now()`` follow virtual time."""
        with time_machine.travel(epoch_ms / 1000, tick=False) as clock:
            self._loop.on_clock_moved = lambda now_s: clock.move_to(
                (epoch_ms + self._loop.clock_offset_ms) / 1000 + now_s
            )
            yield

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        """Run ``main`` to its end, then cancel the tasks that the application left behind.

        simloop collects garbage twice in that time, to find tasks whose exception was never retrieved. What
        is there before the run is frozen: looking through all imported modules took longer than a small run.
        """
        asyncio.set_event_loop(self._loop)
        gc.freeze()
        try:
            self._loop.run_until_complete(main)
        finally:
            self._loop.resume_all()
            try:
                self._loop.run_until_complete(_cancel_all_tasks())
            finally:
                gc.unfreeze()
                asyncio.set_event_loop(None)
                self._loop.close()

    def trace_hash(self) -> str:
        """Digest of every scheduling choice so far."""
        return self._loop.trace_hash()


async def _cancel_all_tasks() -> None:
    pending = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
