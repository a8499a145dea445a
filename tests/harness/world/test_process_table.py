"""Each life has a process id and locks of its own, and loses them when it is killed."""

import fcntl
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import IO

import pytest

from fanin.harness.world.process_table import ProcessTable
from fanin.harness.world.sandbox import SandboxBreachError


class Lives:
    """Two lives; code runs in the one that `now` names."""

    def __init__(self) -> None:
        self.now = "first"
        self.waited: list[float] = []
        self.table = ProcessTable("a-run", lambda: self.now, self.wait)
        self.table.begin("first")

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.table.end("first")

    def restart(self) -> None:
        self.table.end("first")
        self.begin_second()

    def begin_second(self) -> None:
        self.table.begin("second")
        self.now = "second"


@pytest.fixture
def lives() -> Iterator[Lives]:
    made = Lives()
    with made.table.installed():
        yield made


@pytest.fixture
def files(tmp_path: Path) -> Iterator[tuple[IO[str], IO[str]]]:
    """The same file, opened by each life."""
    path = tmp_path / "lock"
    with path.open("w", encoding="utf-8") as first, path.open("w", encoding="utf-8") as second:
        yield first, second


def test_a_process_id_is_of_one_life(lives: Lives) -> None:
    """No real process has it, and of what belongs to no life it is the real one."""
    first = os.getpid()
    os.kill(first, 0)
    lives.restart()
    second = os.getpid()
    lives.now = "the harness"

    assert first != second
    assert min(first, second) > 4_194_304  # the largest that Linux gives out
    assert os.getpid() not in (first, second)
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


def test_a_run_has_the_same_ids_in_every_process_but_not_twice_in_one() -> None:
    """A pid file that the last run left behind names no process of this one."""
    again = Lives()

    with again.table.installed():
        first = os.getpid()
    with Lives().table.installed():
        second = os.getpid()

    assert first != second


def test_signals_to_processes_are_refused_by_name(lives: Lives) -> None:
    """Nothing here could obey; to look whether one is there is no signal."""
    os.kill(os.getppid(), 0)

    with pytest.raises(
        SandboxBreachError, match=r"it sends signal 15 to a process at test_process_table.py:\d+"
    ):
        os.kill(os.getpid(), 15)
    assert lives.waited == []


@pytest.mark.parametrize(
    ("module", "name", "args"),
    [
        (os, "_exit", (3,)),
        (os, "abort", ()),
        (os, "killpg", (os.getpgrp(), signal.SIGKILL)),
        (signal, "raise_signal", (signal.SIGKILL,)),
        (signal, "pthread_kill", (threading.get_ident(), signal.SIGKILL)),
    ],
)
def test_what_would_end_the_harness_is_refused_to_a_life(
    lives: Lives, module: ModuleType, name: str, args: tuple[int, ...]
) -> None:
    """By name, file and line; the harness itself may signal."""
    called = re.escape(f"{module.__name__}.{name}")
    with pytest.raises(SandboxBreachError, match=rf"it calls {called} at test_process_table.py:\d+"):
        getattr(module, name)(*args)

    lives.now = "the harness"
    os.killpg(os.getpgrp(), 0)


@pytest.mark.parametrize("lock", ["flock", "lockf"])
def test_a_lock_ends_with_its_life(lives: Lives, files: tuple[IO[str], IO[str]], lock: str) -> None:
    """Until then another life does not get it, though both are one process to the system."""
    take = getattr(fcntl, lock)
    take(files[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
    lives.begin_second()
    with pytest.raises(BlockingIOError):
        take(files[1], fcntl.LOCK_EX | fcntl.LOCK_NB)

    lives.table.end("first")

    take(files[1], fcntl.LOCK_EX | fcntl.LOCK_NB)
    take(files[1].fileno(), fcntl.LOCK_UN)


@pytest.mark.parametrize("lock", ["flock", "lockf"])
def test_who_waits_for_a_lock_waits_in_virtual_time(
    lives: Lives, files: tuple[IO[str], IO[str]], lock: str
) -> None:
    """A wait of the system's would stop the whole world."""
    take = getattr(fcntl, lock)
    take(files[0], fcntl.LOCK_EX)
    lives.begin_second()

    take(files[1], fcntl.LOCK_EX)

    assert len(lives.waited) == 1


def test_a_descriptor_that_is_another_files_by_now_is_left_alone(lives: Lives, tmp_path: Path) -> None:
    """Its number was given again after it was closed."""
    with (tmp_path / "one").open("w", encoding="utf-8") as one:
        fcntl.flock(one, fcntl.LOCK_EX)
    with (
        (tmp_path / "two").open("w", encoding="utf-8") as two,
        (tmp_path / "two").open(encoding="utf-8") as other,
    ):
        lives.now = "the harness"
        fcntl.flock(two, fcntl.LOCK_EX)
        lives.table.end("first")
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
