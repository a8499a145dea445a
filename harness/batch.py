"""Plays and judges the runs of ``fanin run``, and prepares what is printed about each.

Rules of this file: a result depends on its request alone, so it is the same in any process.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
class RunRequest:
    """One run to make."""

    scenario: Scenario
    seed: int
    replay: str  # the command that makes this run again
    history: Path | None = None  # where to write it
    kept: bool = False  # keep history and verdict even if the verdict is as stated


class RunRequests(Collection[RunRequest]):
    """Several scenarios, each with several seeds. Each request is made when it is reached: there may be many.

    Args:
        scenarios: By name or file, as given.
        seeds: For each of them.
        make: Makes the request of a name, its scenario and a seed.
    """

    def __init__(
        self,
        scenarios: Mapping[str, Scenario],
        seeds: range,
        make: Callable[[str, Scenario, int], RunRequest],
    ) -> None:
        self._scenarios, self._seeds, self._make = scenarios, seeds, make

    def __len__(self) -> int:
        return len(self._scenarios) * len(self._seeds)

    def __iter__(self) -> Iterator[RunRequest]:
        for name, scenario in self._scenarios.items():
            for seed in self._seeds:
                yield self._make(name, scenario, seed)

    def __contains__(self, request: object) -> bool:
        return any(each == request for each in self)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """One run: its verdict, and what is printed about it."""

    request: RunRequest
    exit_code: Exit
    wrong: bool  # the verdict is another one than the scenario states
    line: Line
    json: str
    history: History | None  # this and the verdict only if wrong or kept
    verdict: Verdict | None

    def outcome(self) -> tuple[History, Verdict]:
        """History and verdict of a run that kept them."""
        assert self.history is not None  # noqa: S101 - called for such runs only
        assert self.verdict is not None  # noqa: S101 - as above
        return self.history, self.verdict


def play_and_judge(request: RunRequest) -> RunResult:
    """Play one scenario and judge it.

    Raises:
        OSError: the history cannot be written.
    """
    from fanin.harness.oracle.oracle import judge
    from fanin.harness.world.play import play

    history = play(request.scenario, seed=request.seed)
    if request.history is not None:
        histories.save(history, request.history)
    verdict = judge(history)
    wrong = not Judged(history, verdict).as_stated
    keep = wrong or request.kept
    return RunResult(
        request=request,
        exit_code=Exit[verdict.validity.name],
        wrong=wrong,
        line=text.one_line(history, verdict),
        json=jsonform.encode(history, verdict, replay=request.replay),
        history=history if keep else None,
        verdict=verdict if keep else None,
    )


def play_all(runs: Collection[RunRequest], *, jobs: int | None = None) -> Iterator[RunResult]:
    """Play and judge all runs, in up to ``jobs`` processes; None: one per core. Results come in their order.

    Raises:
        OSError: a history cannot be written.
    """
    return run_ordered(play_and_judge, runs, jobs=jobs, pool_from=_POOL_FROM)


def exit_code(results: Sequence[RunResult]) -> Exit:
    """0 when every run got the verdict that its scenario states, else that of the worst that did not."""
    wrong = [result for result in results if result.wrong]
    if not wrong:
        return Exit.VALID
    # A scenario that states a defect and is found valid has failed as well.
    invalid = any(result.exit_code is not Exit.UNKNOWN for result in wrong)
    return Exit.INVALID if invalid else Exit.UNKNOWN
