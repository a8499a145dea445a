"""Plays and judges one run, or several side by side, and says what there is to print about each.

Rules of this file: results come in the order of the jobs, whichever process finished first; a run depends on
nothing but its job, so it gives the same result in any process.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from signal import SIG_DFL, SIGINT, signal

from fanin.harness import history as histories
from fanin.harness.history import History
from fanin.harness.report import jsonform, text
from fanin.harness.report.line import Line
from fanin.harness.verdict import Exit, Verdict
from fanin.simulator.language.scenario import Scenario

# Below this a second process costs more than it saves.
_WORTH_A_POOL = 8
# So many jobs per core are begun before a result is waited for: one long run must not idle the other cores.
_AHEAD = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run to make."""

    scenario: Scenario
    seed: int
    replay: str  # the command that makes this run again
    history: Path | None = None  # where to write it
    kept: bool = False  # what happened is wanted even if all is well


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What there is to say about one run."""

    job: Job
    exit_code: Exit
    wrong: bool  # it got another verdict than its scenario states
    line: Line
    json: str
    history: History | None  # these two only of what is wrong, or wanted
    verdict: Verdict | None

    def outcome(self) -> tuple[History, Verdict]:
        """What happened and what it means, of a run that kept it."""
        assert self.history is not None  # noqa: S101 - only asked of those that did
        assert self.verdict is not None  # noqa: S101 - as above
        return self.history, self.verdict


def perform(job: Job) -> Result:
    """Play one scenario and judge it.

    Raises:
        OSError: the history cannot be written.
    """
    from fanin.harness.oracle.oracle import judge
    from fanin.harness.world.play import play

    history = play(job.scenario, seed=job.seed)
    if job.history is not None:
        histories.save(history, job.history)
    verdict = judge(history)
    wrong = text.is_wrong(job.scenario.verdict, verdict)
    keep = wrong or job.kept
    return Result(
        job=job,
        exit_code=Exit[verdict.validity.name],
        wrong=wrong,
        line=text.one_line(history, verdict),
        json=jsonform.encode(history, verdict, replay=job.replay),
        history=history if keep else None,
        verdict=verdict if keep else None,
    )


def perform_all(jobs: Sequence[Job]) -> Iterator[Result]:
    """Make all runs; where it is worth it, on every core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if len(jobs) < _WORTH_A_POOL or cores == 1:
        yield from map(perform, jobs)
        return
    # A fresh interpreter each: a fork would copy whatever threads and loops this process has.
    # Ctrl-C reaches every process of a terminal: the others die of it silently, this one reports it.
    with ProcessPoolExecutor(
        min(cores, len(jobs)), get_context("spawn"), initializer=signal, initargs=(SIGINT, SIG_DFL)
    ) as pool:
        try:
            yield from _in_order(pool, jobs, ahead=_AHEAD * cores)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _in_order(pool: Executor, jobs: Iterable[Job], *, ahead: int) -> Iterator[Result]:
    """Results in the order of the jobs, with no more than ``ahead`` of them begun and not yet fetched."""
    begun: deque[Future[Result]] = deque()
    for job in jobs:
        begun.append(pool.submit(perform, job))
        if len(begun) >= ahead:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()


def exit_code(results: Sequence[Result]) -> Exit:
    """0 when every run got the verdict that its scenario states, else that of the worst that did not."""
    wrong = [result for result in results if result.wrong]
    if not wrong:
        return Exit.VALID
    # A scenario that states a defect and is found valid has failed as well.
    invalid = any(result.exit_code is not Exit.UNKNOWN for result in wrong)
    return Exit.INVALID if invalid else Exit.UNKNOWN
