"""What an operating system gives each process for itself, in a world whose processes are one: ids and locks.

Each life of an application has a process id of its own, as a process that is started again has: a pid file
that a killed life left behind names a process that does not run. Its locks on files end with it.

Rules of this file: a process id is one that no real process can have; what belongs to no life is real.
"""

import errno
import fcntl
import os
import signal
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any, NoReturn, Protocol

from fanin.harness.world import sandbox
from fanin.harness.world.replaced import replaced

# Linux gives out smaller ones only (PID_MAX_LIMIT), and ids that fit into 31 bits fit anywhere.
_PIDS_FROM, _PIDS = 4_194_305, 1_000_000
_POLL_S = 0.05
_getpid, _kill, _flock, _lockf = os.getpid, os.kill, fcntl.flock, fcntl.lockf

# What ends or signals a process, and would end or signal this one.
_OF_ALL_LIVES = (
    (os, "_exit"),
    (os, "abort"),
    (os, "killpg"),
    (signal, "raise_signal"),
    (signal, "pthread_kill"),
)

_pids_given: set[int] = set()  # in this process: a file of an earlier run names none that runs again


def _refuse_process(_: BaseProcess) -> NoReturn:
    sandbox.refuse("it uses a process of its own")


class _File(Protocol):
    def fileno(self) -> int: ...


class ProcessTable:
    """The simulated processes of one run, by host: each start of an application has a host of its own.

    Args:
        run: Names the run; with it and the life's number the process id is the same every time.
        host: Returns the host on which the running code runs.
        wait: Lets time pass for the code that waits for a lock.
    """

    def __init__(
        self,
        run: str,
        host: Callable[[], str],
        wait: Callable[[float], None],
    ) -> None:
        self._run, self._host, self._wait = run, host, wait
        self._pids: dict[str, int] = {}  # by host: of all lives so far
        self._ended: set[str] = set()
        # What flock() has locked: by host, a descriptor and the file that it was of.
        self._flocked: dict[str, dict[int, tuple[int, int]]] = {}
        self._record_locks: dict[tuple[int, int], str] = {}  # by file: the host that lockf() locked it for

    def begin(self, host: str) -> None:
        """A process begins on this host."""
        drawn = zlib.crc32(f"{self._run}/{len(self._pids)}".encode())
        pid = _PIDS_FROM + drawn % _PIDS
        while pid in _pids_given:
            pid += 1
        _pids_given.add(pid)
        self._pids[host] = pid

    def end(self, host: str) -> None:
        """The process on this host ends, and its locks with it."""
        self._ended.add(host)
        for descriptor, file in self._flocked.pop(host, {}).items():
            with suppress(OSError):  # it was closed, and its number may be another file's by now
                if _file_of(descriptor) == file:
                    _flock(descriptor, fcntl.LOCK_UN)
        for file in [file for file, holder in self._record_locks.items() if holder == host]:
            del self._record_locks[file]

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Inside, applications see these processes."""
        with (
            replaced(os, getpid=self._getpid, kill=self._kill),
            replaced(fcntl, flock=self._flock, lockf=self._lockf),
            replaced(BaseProcess, start=_refuse_process),  # not all of its ways are audited
            ExitStack() as stack,
        ):
            for module, name in _OF_ALL_LIVES:
                stack.enter_context(replaced(module, **{name: self._refusing(module, name)}))
            yield

    def _getpid(self) -> int:
        return self._pids.get(self._host()) or _getpid()

    def _kill(self, pid: int, signal: int, /) -> None:
        host = next((host for host, its in self._pids.items() if its == pid), None)
        if host is None and signal == 0 and pid not in _pids_given:
            _kill(pid, signal)
        elif host is None or host in self._ended:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        elif signal:
            sandbox.refuse(f"it sends signal {int(signal)} to a process")

    def _refusing(self, module: ModuleType, name: str) -> Callable[..., Any]:
        """What is refused to a life, and not to the harness itself."""
        real = getattr(module, name)

        def refuse(*args: Any) -> Any:
            if self._host() in self._pids:
                sandbox.refuse(f"it calls {module.__name__}.{name}")
            return real(*args)

        return refuse

    def _flock(self, file: int | _File, operation: int, /) -> None:
        descriptor = file if isinstance(file, int) else file.fileno()
        self._until_free(lambda: _flock(descriptor, _without_waiting(operation)), operation)
        if operation & fcntl.LOCK_UN:
            self._flocked.get(self._host(), {}).pop(descriptor, None)
        else:
            self._flocked.setdefault(self._host(), {})[descriptor] = _file_of(descriptor)

    def _lockf(self, file: int | _File, operation: int, /, *where: int) -> Any:
        """Lock for a life. The system would let each of them have it: they are one process to it."""
        descriptor = file if isinstance(file, int) else file.fileno()
        its, host = _file_of(descriptor), self._host()

        def lock() -> None:
            if self._record_locks.get(its, host) != host:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            _lockf(descriptor, _without_waiting(operation), *where)

        self._until_free(lock, operation)
        if operation & fcntl.LOCK_UN:
            self._record_locks.pop(its, None)
        else:
            self._record_locks[its] = host

    def _until_free(self, lock: Callable[[], None], operation: int) -> None:
        """Lock at once, or wait in virtual time: a wait of the system's would stop the whole world."""
        while True:
            try:
                return lock()
            except BlockingIOError:
                if operation & fcntl.LOCK_NB:
                    raise
            self._wait(_POLL_S)


def _without_waiting(operation: int) -> int:
    return operation if operation & fcntl.LOCK_UN else operation | fcntl.LOCK_NB


def _file_of(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino
