"""Virtual time: an event loop whose clock jumps to the next timer, and whose every choice comes from a seed.

The only file that knows ``simloop`` (docs/decisions/0002-simulation-kernel.md). It is young and has one
maintainer, so it is pinned, and what is taken from it is small: the loop, named hosts, their network.
"""

import asyncio
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


def elapsed_ms() -> int:
    """The running loop's time, in whole milliseconds.

    Rounded to microseconds first: 1.001 s is 1001 ms, though 1.001 * 1000 is a little less.
    """
    return round(asyncio.get_running_loop().time() * 1_000_000) // 1000


class _DigestingTrace(TraceRecorder):
    """Hashes the trace as it grows: kept whole, it is most of a long run's memory."""

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


def ahead_ms() -> int:
    """By how much the judged application's wall clock was set, in a world where it is."""
    return getattr(asyncio.get_running_loop(), "ahead_ms", 0)


class _Loop(simloop.SimLoop):
    """Tells when the clock has moved, and lets single machines stand still.

    What is ready to run on a machine that stands still is set aside: its tasks, its timers, and what the
    network brings it. All of that becomes ready at once when the machine goes on, as a process finds it after
    SIGCONT: overdue timers, full socket buffers. In which order it then runs is the seed's choice.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.moved: Callable[[float], None] | None = None
        self.ahead_ms = 0
        self._still: dict[str, list[Any]] = {}  # by machine: what waits there

    def hold(self, host: str) -> None:
        """Let this machine stand still."""
        self._still.setdefault(host, [])

    def release(self, host: str) -> None:
        """Let it go on."""
        self._ready.extend(self._still.pop(host, []))

    def release_all(self) -> None:
        """Let all of them go on."""
        for host in tuple(self._still):
            self.release(host)

    def set_clock(self, by_ms: int) -> None:
        """Set the wall clock."""
        self.ahead_ms += by_ms
        if self.moved is not None:
            self.moved(self._now)

    def _step(self) -> None:
        if self._still:
            self._set_aside()
        super()._step()

    def _advance_clock(self) -> None:
        super()._advance_clock()
        if self._still:
            self._set_aside()
            while not self._ready:
                super()._advance_clock()
                self._set_aside()
        if self.moved is not None:
            self.moved(self._now)

    def _set_aside(self) -> None:
        kept: list[Any] = []
        for entry in self._ready:
            self._still.get(_runs_on(entry), kept).append(entry)
        self._ready[:] = kept  # in place: simloop keeps a view of it


def _runs_on(entry: Any) -> str:
    """The machine that something ready will run on. A packet runs on the one that it arrives at."""
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
        self._loop._recorder = _DigestingTrace()  # noqa: SLF001
        # A failing task of the judged application is the oracle's business by what the world sees of it.
        self._loop.set_exception_handler(lambda _loop, context: self.saw(context.get("exception")))
        self.left: str | None = None  # what the judged application used that no simulation has

    def host(self, name: str) -> simloop.Host:
        """A machine of its own on the simulated network; code in its tasks listens and connects as it."""
        return self._loop.net.host(name)

    def pause(self, host: simloop.Host) -> None:
        """Let a machine stand still, while the world goes on."""
        self._loop.hold(host.name)

    def resume(self, host: simloop.Host) -> None:
        """Let it go on. It finds its timers overdue and its sockets full."""
        self._loop.release(host.name)

    def set_clock(self, by_ms: int) -> None:
        """Set the judged application's wall clock. Time itself goes on evenly."""
        self._loop.set_clock(by_ms)

    def saw(self, exc: object) -> None:
        """Take note of an exception of the judged application: did it try to leave the simulation?"""
        if isinstance(exc, (simloop.SimulationFenceError, sandbox.SandboxBreachError)) and self.left is None:
            self.left = str(exc)

    @contextmanager
    def foreign_app_sandbox(self, epoch_ms: int) -> Iterator[None]:
        """What unmodified code needs: a wall clock that follows virtual time, and walls around the world."""
        with time_machine.travel(epoch_ms / 1000, tick=False) as clock, sandbox.raised(self.saw):
            self._loop.moved = lambda now_s: clock.move_to((epoch_ms + self._loop.ahead_ms) / 1000 + now_s)
            yield

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        """Run to the end of ``main``, then end whatever the judged application left behind."""
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(main)
        finally:
            self._loop.release_all()
            try:
                self._loop.run_until_complete(_end_all_tasks())
            finally:
                asyncio.set_event_loop(None)
                self._loop.close()

    def trace_hash(self) -> str:
        """Digest of every scheduling choice so far."""
        return self._loop.trace_hash()


async def _end_all_tasks() -> None:
    pending = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
