"""Random search: draws scenarios, plays and judges them, and varies those that reached something new.

Rules of this file: a run depends on its search and its seed, and on nothing else, so it gives the same result
in any process, however many there are. That is why the search learns within small blocks of seeds only: a run
may be a variant of an earlier one of its own block that took new branches of the oracle.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial

from fanin.harness.capabilities import DEFAULT_CAPABILITIES, missing_capabilities
from fanin.harness.explore.branches import BranchWatch
from fanin.harness.explore.draw import Draw
from fanin.harness.explore.generate import Space, generate
from fanin.harness.explore.repair import repair
from fanin.harness.explore.runs import ExploredRun, settle
from fanin.harness.explore.subject import Subject
from fanin.harness.explore.variants import vary
from fanin.harness.explore.without_capabilities import without_capabilities
from fanin.simulator.language.load import load
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.pack import find, names

BLOCK = 10  # seeds: few, so that a short search has results, too
_FRESH_FIRST = 4  # of a block: there must be something to vary
_VARIED = 0.4  # of the rest
# ``random-52-57``: the variant with seed 57 of the random scenario with seed 52.
_LINEAGE = re.compile("random((?:-[0-9]{1,18})+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Random scenarios, or variants of some, against one application. A `runs.Exploration`."""

    subject: Subject = Subject()  # noqa: RUF009 - it is frozen
    variants_of: tuple[str, ...] = ()  # names or files, one drawn for each seed; empty: random scenarios

    def title(self, runs: int) -> str:
        """What so many runs are, for people."""
        if not self.variants_of:
            return "random scenario" if runs == 1 else "random scenarios"
        variants = "variant" if runs == 1 else "variants"
        few = len(self.variants_of) <= 3  # noqa: PLR2004 - names that fit a line
        return f"{variants} of {', '.join(self.variants_of) if few else f'{len(self.variants_of)} scenarios'}"

    @property
    def words(self) -> Sequence[str]:
        """The command, without seeds."""
        bases = [word for name in self.variants_of for word in ("--variants-of", name)]
        return ["fanin", "explore", *bases, *self.subject.options()]

    def block_of(self, number: int) -> int:
        """Blocks are aligned, so that a seed is in the same block whatever the first one is."""
        return number // BLOCK

    def play_block(self, block: int, numbers: range) -> Iterator[ExploredRun]:
        """Play the seeds of a block that are wanted, and those before them that they may be variants of."""
        seeds = range(max(block * BLOCK, numbers.start), min((block + 1) * BLOCK, numbers.stop))
        if self.variants_of or not any(map(_may_be_a_variant, seeds)):
            return (self._run(seed, "") for seed in seeds)
        played = self._learning_runs(range(block * BLOCK, seeds.stop))
        return (run for run in played if run.number in seeds)

    def _learning_runs(self, seeds: range) -> Iterator[ExploredRun]:
        """Play the first seeds of a block, each run on its own or as a variant of one before it."""
        kept: list[str] = []  # names of those that took a branch that none had taken before
        last_variant = max(filter(_may_be_a_variant, seeds))
        with BranchWatch() as watch:
            for seed in seeds:
                draw = Draw(seed, "parent")
                parent = draw.choice(kept) if kept and _may_be_a_variant(seed) else ""
                if seed >= last_variant:  # what this one reaches is of no more use
                    yield self._run(seed, parent)
                    continue
                run, new = watch.new_branches(partial(self._run, seed, parent))
                yield run
                if new:
                    kept.append(f"{parent or 'random'}-{seed}")

    def _run(self, seed: int, parent: str) -> ExploredRun:
        """Play and judge the scenario of one seed, or its variant of another random scenario."""
        base = parent or self._base(seed)
        try:
            _, (_, verdict) = settle(self.subject, self._drawn(base, seed), seed)
        except Exception as exc:
            exc.add_note(f"while exploring with seed {seed}")
            raise
        return ExploredRun(
            number=seed,
            seed=seed,
            base=base,
            validity=verdict.validity,
            findings=verdict.findings,
            doubts=verdict.doubts,
        )

    def scenario_of(self, run: ExploredRun) -> Scenario:
        """What was played; it is played again for that, because a run may have been repaired."""
        return settle(self.subject, self._drawn(run.base, run.seed), run.seed).scenario

    def drawn(self, seed: int) -> Scenario:
        """The scenario of a seed on its own."""
        return self._drawn(self._base(seed), seed)

    def _base(self, seed: int) -> str:
        return Draw(seed, "base").choice(self.variants_of) if self.variants_of else ""

    def _drawn(self, base: str, seed: int) -> Scenario:
        space = Space(capabilities=self.subject.available, timeout_ms_max=self.subject.timeout_ms_max)
        lacks = self.subject.lacks
        drawn = vary(base_scenario(base, space), seed) if base else _descendant(seed, (), space)
        if not lacks:
            return drawn
        return repair(less := without_capabilities(drawn, lacks), seed) or less

    def replay(self, run: ExploredRun) -> list[str]:
        """The command for this run alone; a variant is named by what it varies."""
        base = ["--variants-of", run.base] if run.base else []
        return ["fanin", "explore", *base, *self.subject.options(), "--seed", str(run.seed), "--runs", "1"]


def _may_be_a_variant(seed: int) -> bool:
    return seed % BLOCK >= _FRESH_FIRST and Draw(seed, "varied").chance(_VARIED)


def base_scenario(name: str, space: Space) -> Scenario:
    """A built-in scenario, a file's, or a random one by its lineage.

    Raises:
        ScenarioError: there is none.
    """
    if (lineage := _LINEAGE.fullmatch(name)) is None:
        return _loaded(name)
    first, *later = map(int, lineage[1].removeprefix("-").split("-"))
    return _descendant(first, tuple(later), space)


# A block varies what it has just drawn.
@lru_cache(maxsize=2 * BLOCK)
def _descendant(first: int, later: tuple[int, ...], space: Space) -> Scenario:
    if not later:
        return generate(first, space)
    return vary(_descendant(first, later[:-1], space), later[-1])


def pack() -> tuple[str, ...]:
    """The built-in scenarios that have variants: those whose verdict is valid."""
    ours = DEFAULT_CAPABILITIES - {"reconfiguration"}  # a variant has other regions
    return tuple(
        name
        for name in names()
        if _loaded(name).verdict == "valid" and not missing_capabilities(_loaded(name), ours)
    )


@cache
def _loaded(name: str) -> Scenario:
    return load(find(name))
