"""Work in several processes: order, errors, Ctrl-C, and that no process is left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest

from fanin.harness.parallel import WorkerError, WorkerKilledError, _complete, _Raised, run_ordered
from tests.harness.terminal import started

LIMIT_S = 60  # a limit, not a measure


class UnpicklableError(Exception):
    """Its constructor takes what pickle does not give it."""

    def __init__(self, name: str, *, value: int) -> None:
        super().__init__(f"{name} is {value}")


def later_is_faster(item: int) -> tuple[int, int]:
    time.sleep(0.02 * (5 - item % 5))
    return item, os.getpid()


def fail_at_three(item: int) -> int:
    if item == 3:
        try:
            os.environ["NOWHERE TO BE FOUND"]
        except KeyError as exc:
            raise ValueError(f"item {item}") from exc
    return item


def fail_unpicklably(item: int) -> int:
    raise UnpicklableError("item", value=item)


def kill_itself(item: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return item


def slow_after_four(item: int) -> int:
    if item >= 4:
        with tempfile.TemporaryDirectory(dir=os.environ["SCRATCH"]):
            time.sleep(LIMIT_S)
    return item


def drain(work: Callable[[int], int]) -> None:
    list(run_ordered(work, range(8), jobs=2))


def test_results_come_in_the_order_of_the_items() -> None:
    """Whichever process finished first."""
    results = list(run_ordered(later_is_faster, range(40), jobs=2))

    assert [item for item, _ in results] == list(range(40))
    assert os.getpid() not in {process for _, process in results}
    assert len({process for _, process in results}) == 2


@pytest.mark.parametrize(("jobs", "pool_from"), [(1, 2), (None, 9)])
def test_little_work_is_done_in_this_process(jobs: int | None, pool_from: int) -> None:
    """Starting an interpreter costs more than it saves."""
    results = list(run_ordered(later_is_faster, range(8), jobs=jobs, pool_from=pool_from))

    assert {process for _, process in results} == {os.getpid()}


def test_what_was_asked_for_wins_over_what_is_worth_it() -> None:
    """``--jobs 2`` is two processes."""
    results = list(run_ordered(later_is_faster, range(8), jobs=2, pool_from=100))

    assert os.getpid() not in {process for _, process in results}


def test_an_exception_arrives_with_its_cause_after_the_results_before_it() -> None:
    """With the traceback of the other process as a note, since its frames are gone."""
    results = run_ordered(fail_at_three, range(8), jobs=2)

    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="item 3") as caught:
        next(results)

    assert isinstance(caught.value.__cause__, KeyError)
    assert "in fail_at_three" in caught.value.__notes__[0]


def test_an_exception_that_cannot_be_sent_is_told_in_words() -> None:
    """Its type, its message and its traceback."""
    with pytest.raises(WorkerError) as caught:
        drain(fail_unpicklably)

    assert str(caught.value) == "UnpicklableError: item is 0"
    assert "in fail_unpicklably" in caught.value.__notes__[0]


def test_a_process_that_is_killed_is_one_sentence() -> None:
    """Not a stack of futures."""
    with pytest.raises(WorkerKilledError, match="a process was killed before it had a result"):
        drain(kill_itself)


def test_an_iteration_that_stops_early_leaves_no_process_behind() -> None:
    """Nor does it wait for results that are no longer wanted."""
    began = time.monotonic()
    results = run_ordered(slow_after_four, range(8), jobs=2)

    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    results.close()  # type: ignore[attr-defined]

    assert multiprocessing.active_children() == []
    assert time.monotonic() - began < LIMIT_S


def test_what_is_complete_is_kept_even_behind_what_is_not() -> None:
    """A later item may have ended before an earlier one."""
    futures: list[Future[int | _Raised]] = [Future() for _ in range(5)]
    futures[1].set_result(1)
    futures[2].set_result(_Raised(ValueError("x"), None))
    futures[3].cancel()
    futures[4].set_result(4)

    assert list(_complete(futures)) == [1, 4]


INTERRUPTED = """
import sys
from fanin.harness.parallel import run_ordered
from tests.harness.test_parallel import slow_after_four

if __name__ == "__main__":
    done = []
    try:
        for result in run_ordered(slow_after_four, range(8), jobs=2):
            done.append(result)
            print(result, flush=True)
    except KeyboardInterrupt:
        print("interrupted after", len(done), flush=True)
"""


def begin(tmp_path: Path) -> "subprocess.Popen[str]":
    """A program that has four results, and waits for four more."""
    program = tmp_path / "program.py"
    program.write_text(INTERRUPTED, encoding="utf-8")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "SCRATCH": str(scratch)}
    process = started([sys.executable, str(program)], env=os.environ | paths, text=True)
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(4)] == ["0\n", "1\n", "2\n", "3\n"]
    while not any(scratch.iterdir()):
        time.sleep(0.02)
    return process


def is_empty(group: int) -> bool:
    """Whether every process of the group has ended within the limit."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("signalled", ["the whole group", "the first process"])
def test_ctrl_c_keeps_what_is_done_and_ends_every_process(tmp_path: Path, signalled: str) -> None:
    """At a terminal all processes get the signal, from `kill -INT` only one does."""
    process = begin(tmp_path)

    (os.killpg if signalled == "the whole group" else os.kill)(process.pid, signal.SIGINT)
    said, complaints = process.communicate(timeout=LIMIT_S)

    assert (said, complaints) == ("interrupted after 4\n", "")
    assert is_empty(process.pid)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_no_process_outlives_one_that_is_killed(tmp_path: Path) -> None:
    """The processes end by themselves, because the one that would end them is gone."""
    process = begin(tmp_path)

    process.kill()
    process.communicate(timeout=LIMIT_S)

    assert is_empty(process.pid)
    assert list((tmp_path / "scratch").iterdir()) == []
