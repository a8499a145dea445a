"""Searches for scenarios in which an aggregator breaks the contract: plays random ones, judges, shrinks.

Rules of this file: a run depends on its search and its seed, and on nothing else, so it gives the same result
in any process; results come in the order of the seeds, whichever process finished first.
"""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import msgspec

from fanin.harness.capabilities import DEFAULT_CAPABILITIES, Capability, missing_capabilities
from fanin.harness.explore.draw import Draw
from fanin.harness.explore.generate import generate
from fanin.harness.explore.repair import repair
from fanin.harness.explore.shrink import shrink
from fanin.harness.explore.variants import vary
from fanin.harness.explore.without_capabilities import without_capabilities
from fanin.harness.oracle.oracle import judge
from fanin.harness.parallel import run_ordered
from fanin.harness.verdict import Finding, Validity, Verdict
from fanin.harness.world.foreign_app import load_factory
from fanin.harness.world.play import play, play_foreign_app
from fanin.simulator.language.load import load
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.pack import find, names

# With fewer runs than this, a second process costs more than it saves.
_POOL_FROM = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to play, and against which application."""

    variants_of: tuple[str, ...] = ()  # names or files, one drawn for each seed; empty: random scenarios
    app: str = ""  # ``module:factory`` of an application; empty: this project's own aggregator
    app_dir: Path | None = None
    lacks: tuple[Capability, ...] = ()  # capabilities that the application does not have; no run needs them

    @property
    def target(self) -> str:
        """The application under test, for messages."""
        return self.app or "fanin's own aggregator"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploredRun:
    """One scenario played and judged."""

    seed: int
    base: str  # the scenario that it is a variant of; empty for a random one
    validity: Validity
    findings: tuple[Finding, ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShrunkRun:
    """An invalid run whose scenario was made as small as it gets."""

    scenario: Scenario
    seed: int  # with which it fails
    finding: Finding
    played: int  # candidates that were played for it


def explore(search: Search, seeds: range, *, jobs: int | None = None) -> Iterator[ExploredRun]:
    """Play and judge one scenario for each seed, in up to ``jobs`` processes; None: on every core.

    Raises:
        AppLoadError: there is no such application.
        ScenarioError: there is no such scenario.
        UnsimulatedError: the application cannot run in virtual time.
    """
    work = partial(run, search)
    return run_ordered(work, seeds, jobs=jobs, pool_from=_POOL_FROM)


def run(search: Search, seed: int) -> ExploredRun:
    """Play and judge the scenario that belongs to one seed."""
    try:
        base, scenario = scenario_of(search, seed)
        verdict = _judged(search, scenario, seed)
    except Exception as exc:
        exc.add_note(f"while exploring with seed {seed}")
        raise
    return ExploredRun(
        seed=seed, base=base, validity=verdict.validity, findings=verdict.findings, doubts=verdict.doubts
    )


def scenario_of(search: Search, seed: int) -> tuple[str, Scenario]:
    """The name of the base scenario (empty for a random one), and the scenario of the seed."""
    base = Draw(seed, "base").choice(search.variants_of) if search.variants_of else ""
    drawn = vary(_loaded(base), seed) if base else generate(seed)
    if not search.lacks:
        return base, drawn
    return base, repair(less := without_capabilities(drawn, search.lacks), seed) or less


def shrink_run(search: Search, found: ExploredRun) -> ShrunkRun:
    """Shrink the scenario of an invalid run; every step must break the rule of its first finding again."""
    rule, played = found.findings[0].rule, 0

    def broken(scenario: Scenario, seed: int = found.seed) -> Finding | None:
        nonlocal played
        played += 1
        return next((it for it in _judged(search, scenario, seed).findings if it.rule is rule), None)

    _, whole = scenario_of(search, found.seed)
    scenario = shrink(whole, lambda candidate: broken(candidate) is not None)
    # With the default seed, the replay command needs no --seed.
    seed = 0 if broken(scenario, 0) else found.seed
    finding = broken(scenario, seed) or found.findings[0]
    title, description = (
        f"Breaks {rule} with seed {seed}",
        f"{finding.message}\nFound by: {replay(search, found)}\n",
    )
    name = f"{rule.name.lower().replace('_', '-')}-{found.seed}"
    scenario = msgspec.structs.replace(scenario, scenario=name, title=title, description=description)
    return ShrunkRun(scenario=scenario, seed=seed, finding=finding, played=played)


def replay(search: Search, found: ExploredRun) -> str:
    """The command that repeats a run."""
    words = ["fanin", "explore"]
    if found.base:
        words += ["--variants-of", found.base]
    if search.app:
        words += ["--app", search.app]
    if search.app_dir:
        words += ["--app-dir", str(search.app_dir)]
    words += [word for name in search.lacks for word in ("--lacks", name)]
    return shlex.join([*words, "--seed", str(found.seed), "--runs", "1"])


def pack() -> tuple[str, ...]:
    """The built-in scenarios that have variants: those whose verdict is valid."""
    ours = DEFAULT_CAPABILITIES - {"reconfiguration"}  # a variant has other regions
    return tuple(
        name
        for name in names()
        if _loaded(name).verdict == "valid" and not missing_capabilities(_loaded(name), ours)
    )


def _judged(search: Search, scenario: Scenario, seed: int) -> Verdict:
    if not search.app:
        return judge(play(scenario, seed=seed))
    build = load_factory(search.app, search.app_dir)
    return judge(play_foreign_app(scenario, build, seed=seed, name=search.app))


@cache
def _loaded(name: str) -> Scenario:
    return load(find(name))
