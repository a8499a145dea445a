"""Runs independent pieces of work in several processes; their results come in the order of the items.

Rules of this file: a result depends on its item alone, so it is the same in any process, and with any number
of them; each process is a fresh interpreter (a fork would copy this one's threads and event loops); none of
them outlives the iteration, however it ends.
"""

import os
import pickle
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import active_children, connection, get_context, parent_process

from fanin.harness import interrupts

_worker = interrupts.Worker()  # in a process that was started
_CLEANS_UP_S = 5.0  # so long its work may take to end in order
_exit, _kill = os._exit, os.kill  # as they are outside of simulated worlds
# So many items per process are begun before a result is waited for: one long run must not idle the others.
_AHEAD = 8


class WorkerError(Exception):
    """A process raised an exception that cannot be sent to another process; the message names it."""


class WorkerKilledError(Exception):
    """A process ended before it had a result."""


@dataclass(frozen=True, slots=True)
class _Raised:
    """An exception on its way to the process that asked for the work."""

    exception: Exception
    cause: BaseException | None


def cores() -> int:
    """How many processes this one may run at the same time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_ordered[Item, Result](
    work: Callable[[Item], Result],
    items: Collection[Item],
    *,
    jobs: int | None = None,
    pool_from: int = 2,
    preload: Sequence[str] = (),
) -> Iterator[Result]:
    """Apply ``work`` to every item, in up to ``jobs`` processes.

    On Ctrl-C, what was complete by then is still yielded, then the interrupt is raised again.

    Args:
        work: A function of a module; it is imported anew in every process.
        items: Each is pickled.
        jobs: How many processes; None: one per core. With 1, all work is done in this process.
        pool_from: With fewer items than this, starting processes costs more than it saves.
        preload: Modules that every process imports before it begins.

    Raises:
        Exception: whatever ``work`` raises, with its cause; a note holds the traceback of the other process.
        WorkerError: it raised what cannot be pickled.
        WorkerKilledError: a process was killed.
    """
    processes = min(jobs or cores(), len(items))
    if processes <= 1 or (jobs is None and len(items) < pool_from):
        yield from map(work, items)
        return
    with _pool(processes, preload) as pool:
        begun: deque[Future[Result | _Raised]] = deque()
        try:
            for item in items:
                begun.append(_submit(pool, work, item))
                if len(begun) >= _AHEAD * processes:
                    yield _result(begun[0])
                    begun.popleft()
            while begun:
                yield _result(begun[0])
                begun.popleft()
        except KeyboardInterrupt:
            yield from list(_complete(begun))  # what ends while they are taken is left out
            raise


@contextmanager
def _pool(processes: int, preload: Sequence[str]) -> Iterator[ProcessPoolExecutor]:
    others = set(active_children())
    pool = ProcessPoolExecutor(processes, get_context("spawn"), initializer=_prepare, initargs=(preload,))
    try:
        yield pool
    except BaseException:
        for child in set(active_children()) - others:
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _submit[Item, Result](
    pool: ProcessPoolExecutor, work: Callable[[Item], Result], item: Item
) -> "Future[Result | _Raised]":
    """Submit an item; this may start a process."""
    with interrupts.held_back():
        return pool.submit(_attempt, work, item)


def _result[Result](future: "Future[Result | _Raised]") -> Result:
    try:
        result = future.result()
    except BrokenProcessPool as exc:
        raise WorkerKilledError(
            "a process was killed before it had a result; if memory is short, --jobs 1 needs the least"
        ) from exc
    if isinstance(result, _Raised):
        raise result.exception from result.cause
    return result


def _complete[Result](begun: "Iterable[Future[Result | _Raised]]") -> Iterator[Result]:
    """The results that are there, in order."""
    for future in begun:
        if future.done() and not future.cancelled() and future.exception() is None:
            result = future.result()
            if not isinstance(result, _Raised):
                yield result


# --- in the other process ---


def _prepare(preload: Sequence[str]) -> None:
    """Import what every run needs, and end with the first process."""
    _worker.prepare()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for module in preload:
        import_module(module)


def _end_with_parent() -> None:
    """End when the first process is killed: one that waits for work does not notice otherwise."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        _kill(os.getpid(), signal.SIGTERM)
        time.sleep(_CLEANS_UP_S)
        _exit(1)


def _attempt[Item, Result](work: Callable[[Item], Result], item: Item) -> Result | _Raised:
    try:
        return _worker.do(lambda: work(item))
    except Exception as exc:  # noqa: BLE001 - it is raised again where the result is asked for
        exc.add_note(f"in another process:\n{traceback.format_exc()}")
        raised = _Raised(exc, exc.__cause__)
        try:
            pickle.loads(pickle.dumps(raised))  # noqa: S301 - our own bytes
        except Exception:  # noqa: BLE001 - a foreign __reduce__ may raise anything
            lost = WorkerError(f"{type(exc).__name__}: {exc}")
            lost.add_note(exc.__notes__[-1])
            return _Raised(lost, None)
        return raised
