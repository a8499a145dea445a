"""What all explorations have in common: their runs, how one is settled, and how its finding is made small.

Rules of this file: a run depends on its scenario, its seed and its subject, and on nothing else.
"""

import re
import shlex
import sys
import textwrap
import time
from collections.abc import Collection, Generator, Iterator, Sequence
from functools import partial
from itertools import count
from typing import NamedTuple, Protocol

import msgspec

from fanin.harness.explore.repair import accepted
from fanin.harness.explore.shrink import shrink
from fanin.harness.explore.subject import Played, Subject
from fanin.harness.history import FaultApplied, History
from fanin.harness.parallel import run_ordered
from fanin.harness.verdict import Finding, Validity, Verdict, main_finding
from fanin.harness.world import garbage
from fanin.simulator.faults.aggregator import AggregatorFault
from fanin.simulator.faults.sink import SinkFault
from fanin.simulator.language.scenario import Scenario

# How often a run that proves nothing is played again, without what kept it from proving anything.
SETTLED_AGAIN_MAX = 4
# With fewer runs than this, a second process costs more than it saves.
_POOL_FROM = 32
SHRINK_S_MAX = 5.0
CANDIDATE_S_MAX = 2.0
_DESCRIPTION_WIDTH = 66  # of the 72 columns that a terminal has at least; the rest is indentation
_BLOCKS_TO_COLLECT = 10
_blocks_played = count(1)  # in this process

# What differs from run to run: names with digits, instants, counts.
_PARTICULAR = re.compile(r"[\w.+/%-]*\d[\w./%-]*")
_SEVERAL = re.compile(r"…(?:(?:, | and |, and )…)+")


class ExploredRun(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One scenario played and judged. JSON: a line of ``--format json``."""

    number: int  # its place in the exploration: the seed, the step, the order
    seed: int = 0  # what it was played with
    base: str = ""  # the scenario that it is a variant of; empty for a random one
    label: str = ""  # what was done to the scenario, for people
    validity: Validity
    findings: tuple[Finding, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def finding(self) -> Finding:
        """The main one of an invalid run."""
        return main_finding(self.findings)


class ShrunkRun(NamedTuple):
    """An invalid run whose scenario was made as small as it gets."""

    scenario: Scenario
    seed: int  # with which it fails
    finding: Finding
    played: int  # candidates that were played for it


class Settled(NamedTuple):
    """A run that proves something, if any does that is made from its scenario by leaving faults out."""

    scenario: Scenario
    played: Played


class Exploration(Protocol):
    """Many runs, in numbered blocks. A block depends on its number alone, so it can be played anywhere."""

    @property
    def subject(self) -> Subject:
        """What is explored."""

    @property
    def words(self) -> Sequence[str]:
        """The command that makes the exploration, without what says how many, how fast, or where to."""

    def title(self, runs: int) -> str:
        """What so many runs are, for people: ``random scenarios``."""

    def play_block(self, block: int, numbers: range) -> Iterator[ExploredRun]:
        """Play those runs of a block whose numbers are wanted."""

    def block_of(self, number: int) -> int:
        """The block that a run belongs to."""

    def scenario_of(self, run: ExploredRun) -> Scenario:
        """What was played."""

    def replay(self, run: ExploredRun) -> list[str]:
        """The command that makes this run again."""


def settle(subject: Subject, scenario: Scenario, seed: int) -> Settled:
    """Play a scenario; while that proves nothing, leave out what kept it from that, and play again.

    A fault that took no effect, or two configurations under either of which an operation may have begun,
    make a run ``unknown``. Where it cannot be repaired, the last one stands. A sink that fails when nothing
    is sent to it takes nothing from what the run proves, so it is not played again without that.
    """
    settled = Settled(scenario, subject.play(scenario, seed))
    for _ in range(SETTLED_AGAIN_MAX):
        _, (history, verdict) = settled
        if verdict.validity is not Validity.UNKNOWN or history is None:
            break
        idle = _idle_faults(settled.scenario, history)
        if _is_of_sink_alone(settled.scenario, idle, verdict.doubts):
            settled = settled._replace(played=Played(history, Verdict(Validity.VALID)))
            break
        if (less := _with_less_doubt(settled.scenario, idle)) is None:
            break
        settled = Settled(less, subject.play(less, seed))
    return settled


def _idle_faults(scenario: Scenario, history: History) -> list[int]:
    """The indices of the faults that never took effect."""
    applied = {entry.fault for entry in history.entries if isinstance(entry, FaultApplied)}
    return [index for index in range(len(scenario.faults)) if index not in applied]


def _is_of_sink_alone(scenario: Scenario, idle: Sequence[int], doubts: Sequence[str]) -> bool:
    """Whether all doubts are about idle faults of the sink."""
    about = tuple(f"fault {index + 1} (" for index in idle if isinstance(scenario.faults[index], SinkFault))
    return all(doubt.startswith(about) for doubt in doubts)


def _with_less_doubt(scenario: Scenario, idle: Sequence[int]) -> Scenario | None:
    """The scenario without the faults that never took effect; without some other one, where all did."""
    if idle:
        effective = tuple(fault for index, fault in enumerate(scenario.faults) if index not in idle)
        return accepted(msgspec.structs.replace(scenario, faults=effective))
    if not scenario.faults:
        return None
    outages = [n for n, fault in enumerate(scenario.faults) if isinstance(fault, AggregatorFault)]
    gone = outages[-1] if outages else len(scenario.faults) - 1
    kept = (*scenario.faults[:gone], *scenario.faults[gone + 1 :])
    return accepted(msgspec.structs.replace(scenario, faults=kept))


def shrink_run(exploration: Exploration, run: ExploredRun) -> ShrunkRun:
    """Make the scenario of an invalid run smaller while it has the same finding, for some seconds."""
    subject, found = exploration.subject, run.finding
    whole = exploration.scenario_of(run)
    wanted, played = shape(found, _names(whole)), 0
    end_s = time.monotonic() + SHRINK_S_MAX

    def broken(scenario: Scenario, seed: int = run.seed) -> Finding | None:
        nonlocal played
        played += 1
        findings = subject.play(scenario, seed, limit_s=CANDIDATE_S_MAX).verdict.findings
        return next((it for it in findings if shape(it, _names(whole)) == wanted), None)

    scenario = shrink(
        whole, lambda candidate: broken(candidate) is not None, expired=lambda: time.monotonic() > end_s
    )
    # With the default seed, the replay command needs no --seed.
    seed = 0 if run.seed and broken(scenario, 0) else run.seed
    finding = broken(scenario, seed) or found
    name = f"{finding.rule.name.lower().replace('_', '-')}-{run.number}"
    scenario = msgspec.structs.replace(
        scenario,
        scenario=name,
        title=f"Breaks {finding.rule} with seed {seed}",
        description=_description(finding, exploration.replay(run)),
        expect=(),
    )
    return ShrunkRun(scenario, seed, finding, played)


def _description(finding: Finding, replay: Sequence[str]) -> str:
    """What the scenario shows, in lines that fit a page, and the command that found it, in one."""
    found = textwrap.wrap(
        finding.message,
        _DESCRIPTION_WIDTH,
        break_long_words=False,
        break_on_hyphens=False,
        expand_tabs=False,
        replace_whitespace=False,
    )
    return "\n".join([*found, f"Found by: {shlex.join(replay)}", ""])


def shape(finding: Finding, names: Collection[str] = ()) -> tuple[str, ...]:
    """What makes two findings the same: all but the names and instants that differ from run to run.

    Args:
        finding: Of a run.
        names: Of regions and operations in it that have no digit.
    """
    text = _PARTICULAR.sub("…", finding.message)
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "…", text, flags=re.IGNORECASE)
    return (str(finding.rule), _SEVERAL.sub("…", text), *finding.looks_like)


def kind(finding: Finding) -> tuple[str, ...]:
    """What findings of one bug have in common, probably: the rule, and the bugs that they look like."""
    return (str(finding.rule), *finding.looks_like) if finding.looks_like else shape(finding)


def without_particulars(text: str) -> str:
    """A sentence without names that have digits, instants and counts; several of them in a row are one."""
    return _SEVERAL.sub("…", _PARTICULAR.sub("…", text))


def _names(scenario: Scenario) -> list[str]:
    return [*scenario.regions, *(operation.name for operation in scenario.operations)]


def share(exploration: Exploration, numbers: range, shard: tuple[int, int]) -> range:
    """The blocks of one share; empty where there are fewer blocks than shares.

    Args:
        exploration: What will be played.
        numbers: Of all runs.
        shard: As for `explore`.
    """
    part, parts = shard
    first, last = exploration.block_of(numbers.start), exploration.block_of(numbers.stop - 1)
    return range(first + (part - 1 - first) % parts, last + 1, parts)


def explore(
    exploration: Exploration, numbers: range, *, jobs: int | None = None, shard: tuple[int, int] = (1, 1)
) -> Generator[ExploredRun]:
    """Play and judge runs in the order of their numbers, in up to ``jobs`` processes; None: one per core.

    Args:
        exploration: What to play.
        numbers: Of the runs.
        jobs: Changes no result.
        shard: The second says among how many the blocks are dealt, the first which share is played, from 1.

    Raises:
        AppLoadError: there is no such application.
        ScenarioError: there is no such scenario.
        UnsimulatedError: the application cannot run in virtual time.
    """
    work = partial(_play_block, exploration, numbers)
    pool_from = 1 if len(numbers) >= _POOL_FROM else sys.maxsize
    blocks = share(exploration, numbers, shard)
    if jobs == 1:  # each run as it is made, not a block at a time
        for block in blocks:
            yield from exploration.play_block(block, numbers)
            _collect_now_and_then()
        return
    for runs in run_ordered(work, blocks, jobs=jobs, pool_from=pool_from):
        yield from runs


def _play_block(exploration: Exploration, numbers: range, block: int) -> list[ExploredRun]:
    runs = list(exploration.play_block(block, numbers))
    _collect_now_and_then()
    return runs


def _collect_now_and_then() -> None:
    """Collect garbage after several blocks.

    A run looks for its own garbage only (`fanin.harness.world.garbage`), so what is left of it piles up: a
    few megabytes in a hundred runs. Looking through all imported modules takes as long as a run or two.
    """
    if next(_blocks_played) % _BLOCKS_TO_COLLECT == 0:
        garbage.collect()
