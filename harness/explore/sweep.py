"""Crash sweep: a scenario once for each step that its quiet run shows, with the aggregator killed there.

Rules of this file: the steps are those that can be seen from outside (`simulator.faults.aggregator`), and the
instants at which webhooks leave the registry. Until the crash a run is the quiet one, so the step is reached.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from fanin.harness.explore.repair import accepted
from fanin.harness.explore.runs import ExploredRun
from fanin.harness.explore.subject import Subject
from fanin.harness.history import SUCCESS, AttemptEnded, AttemptSent, History, NotificationReceived
from fanin.simulator.durations import format_duration
from fanin.simulator.faults.aggregator import AggregatorFault, kill
from fanin.simulator.faults.step import Step, StepTrigger
from fanin.simulator.language.load import load
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.pack import find

DOWN_MS = 5_000
# How long after a webhook has left the registry the aggregator is killed: while it is on its way.
_ON_ITS_WAY_MS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One scenario, killed once at each step. A `runs.Exploration`; numbers count the steps from 0."""

    subject: Subject
    name: str  # of the scenario, or its file
    crashes: tuple[AggregatorFault, ...]  # what `steps` found
    seed: int = 0
    down_ms: int = DOWN_MS

    def title(self, runs: int) -> str:
        """What so many runs are, for people."""
        return f"{'crash' if runs == 1 else 'crashes'} in {self.name}"

    @property
    def words(self) -> Sequence[str]:
        """The command, without the numbers."""
        seed = ["--seed", str(self.seed)] if self.seed else []
        down = ["--down-for", format_duration(self.down_ms)] if self.down_ms != DOWN_MS else []
        return ["fanin", "sweep", self.name, *self.subject.options(), *seed, *down]

    def block_of(self, number: int) -> int:
        """Each step by itself."""
        return number

    def play_block(self, block: int, numbers: range) -> Iterator[ExploredRun]:
        """Play the run of one step."""
        del numbers
        crash = self.crashes[block]
        verdict = self.subject.play(self._scenario(crash), self.seed).verdict
        yield ExploredRun(
            number=block,
            seed=self.seed,
            base=self.name,
            label=crash.describe(),
            validity=verdict.validity,
            findings=verdict.findings,
            doubts=verdict.doubts,
        )

    def scenario_of(self, run: ExploredRun) -> Scenario:
        """The scenario with the crash of this run."""
        return self._scenario(self.crashes[run.number])

    def _scenario(self, crash: AggregatorFault) -> Scenario:
        scenario = without_expectations(self.name)
        crashed = msgspec.structs.replace(scenario, faults=(*scenario.faults, crash))
        return accepted(crashed) or scenario

    def replay(self, run: ExploredRun) -> list[str]:
        """The command for this run alone."""
        return [*self.words, "--only", str(run.number)]


def sweep_of(name: str, subject: Subject, *, seed: int = 0, down_ms: int = DOWN_MS) -> Sweep:
    """Play the quiet run of a scenario, and find the steps in it.

    Raises:
        ScenarioError: there is no such scenario.
    """
    history = subject.play(without_expectations(name), seed).history
    crashes = () if history is None else tuple(_crashes(history, down_ms))
    return Sweep(subject=subject, name=name, crashes=crashes, seed=seed, down_ms=down_ms)


def without_expectations(name: str) -> Scenario:
    """A scenario by name or file. What its author expects need not hold when more goes wrong."""
    return msgspec.structs.replace(load(find(name)), expect=(), verdict="valid")


def _crashes(history: History, down_ms: int) -> Iterator[AggregatorFault]:
    """A crash for each step of the history, in the order in which they are reached."""
    sent = {entry.attempt: entry for entry in history.entries if isinstance(entry, AttemptSent)}
    reached: Counter[tuple[Step, str, str]] = Counter()
    instants: set[int] = set()

    def at(step: Step, region: str, op: str) -> AggregatorFault:
        operation = op.partition("/")[0]
        reached[step, region, operation] += 1
        nth = reached[step, region, operation]
        return kill(StepTrigger(step, region, operation, nth), down_for=down_ms)

    for entry in history.entries:
        match entry:
            case AttemptSent() if entry.at not in instants:
                instants.add(entry.at)
                yield kill(entry.at + _ON_ITS_WAY_MS, down_for=down_ms)
            case AttemptEnded() if entry.status in SUCCESS and entry.attempt in sent:
                attempt = sent[entry.attempt]
                yield at("before-response", attempt.region, attempt.op)
                yield at("after-response", attempt.region, attempt.op)
            case NotificationReceived() if entry.op is not None:
                yield at("before-notify", "", entry.op)
                yield at("after-notify", "", entry.op)
            case _:
                continue
