"""Plays and judges one run, or several side by side, and says what there is to print about each.

Rules of this file: results come in the order of the jobs, whichever process finished first; a run depends on
nothing but its job, so it gives the same result in any process.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fanin.harness import history as histories
from fanin.harness.history import History
from fanin.harness.parallel import run_ordered
from fanin.harness.report import jsonform, text
from fanin.harness.report.line import Line
from fanin.harness.results import Judged
from fanin.harness.verdict import Exit, Verdict
from fanin.simulator.language.scenario import Scenario

# With fewer runs than this, a second process costs more than it saves.
_POOL_FROM = 8


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
    wrong = not Judged(history, verdict).as_stated
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


def perform_all(runs: Sequence[Job], *, jobs: int | None = None) -> Iterator[Result]:
    """Make all runs, in up to ``jobs`` processes; None: on every core. Results come in the order of the runs.

    Raises:
        OSError: a history cannot be written.
    """
    return run_ordered(perform, runs, jobs=jobs, pool_from=_POOL_FROM)


def exit_code(results: Sequence[Result]) -> Exit:
    """0 when every run got the verdict that its scenario states, else that of the worst that did not."""
    wrong = [result for result in results if result.wrong]
    if not wrong:
        return Exit.VALID
    # A scenario that states a defect and is found valid has failed as well.
    invalid = any(result.exit_code is not Exit.UNKNOWN for result in wrong)
    return Exit.INVALID if invalid else Exit.UNKNOWN
