"""Looks for scenarios that an aggregator does not survive: plays random ones, judges, shrinks what fails.

Rules of this file: a run depends on its search and its seed, and on nothing else, so it gives the same result
in any process; results come in the order of the seeds, whichever process finished first.
"""

import gc
import os
import shlex
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from signal import SIG_DFL, SIGINT, signal

import msgspec

from fanin.harness.capabilities import USUAL, Capability, lacking
from fanin.harness.explore.capabilities import spared
from fanin.harness.explore.draw import Dice
from fanin.harness.explore.generate import invent
from fanin.harness.explore.repair import settled
from fanin.harness.explore.shrink import shrink
from fanin.harness.explore.variants import vary
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Finding, Validity, Verdict
from fanin.harness.world.foreign_app import find_factory
from fanin.harness.world.play import play, play_stranger
from fanin.simulator.language.load import load
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.pack import find, names

# Below this a second process costs more than it saves.
_WORTH_A_POOL = 32
# So many runs per core are begun before a result is waited for: one long run must not idle the other cores.
_AHEAD = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Where to look, and at what."""

    variants_of: tuple[str, ...] = ()  # names or files, one is drawn for each seed; none: random scenarios
    app: str = ""  # ``module:factory`` of somebody's application; empty: this project's own
    app_dir: Path | None = None
    lacks: tuple[Capability, ...] = ()  # what it does not offer, so that no run needs it

    @property
    def target(self) -> str:
        """What is judged, for people."""
        return self.app or "fanin's own aggregator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One scenario played and judged."""

    seed: int
    base: str  # whose variant it is; empty for a random scenario
    validity: Validity
    findings: tuple[Finding, ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Smallest:
    """What is left of a scenario that fails."""

    scenario: Scenario
    seed: int  # with which it fails
    finding: Finding
    played: int  # how many candidates that took


def explore(search: Search, seeds: range) -> Iterator[Run]:
    """Play and judge one scenario for each seed; where it is worth it, on every core.

    Raises:
        NotAnApplicationError: there is no such application.
        ScenarioError: there is no such scenario.
        UnsimulatedError: the application cannot run in virtual time.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if len(seeds) < _WORTH_A_POOL or cores == 1:
        with unburdened():
            yield from (run(search, seed) for seed in seeds)
        return
    # A fresh interpreter each: a fork would copy whatever threads and loops this process has.
    with ProcessPoolExecutor(min(cores, len(seeds)), get_context("spawn"), initializer=_begin) as pool:
        try:
            yield from _in_order(pool, search, seeds, ahead=_AHEAD * cores)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def run(search: Search, seed: int) -> Run:
    """Play and judge the scenario that belongs to one seed."""
    try:
        base, scenario = scenario_of(search, seed)
        verdict = _judged(search, scenario, seed)
    except Exception as exc:
        exc.add_note(f"while exploring with seed {seed}")  # a process of the pool has no other way to say so
        raise
    return Run(
        seed=seed, base=base, validity=verdict.validity, findings=verdict.findings, doubts=verdict.doubts
    )


def scenario_of(search: Search, seed: int) -> tuple[str, Scenario]:
    """The scenario that belongs to a seed, and whose variant it is."""
    base = Dice(seed, "base").one_of(search.variants_of) if search.variants_of else ""
    drawn = vary(_loaded(base), seed) if base else invent(seed)
    if not search.lacks:
        return base, drawn
    return base, settled(less := spared(drawn, search.lacks), seed) or less


def smallest(search: Search, found: Run) -> Smallest:
    """Shrink what an invalid run has played, for as long as the rule of its first finding is broken."""
    rule, played = found.findings[0].rule, 0

    def broken(scenario: Scenario, seed: int = found.seed) -> Finding | None:
        nonlocal played
        played += 1
        return next((it for it in _judged(search, scenario, seed).findings if it.rule is rule), None)

    with unburdened():
        _, whole = scenario_of(search, found.seed)
        scenario = shrink(whole, lambda candidate: broken(candidate) is not None)
        # The default seed needs no word in the command that plays it again.
        seed = 0 if broken(scenario, 0) else found.seed
        finding = broken(scenario, seed) or found.findings[0]
    title, description = (
        f"Breaks {rule} with seed {seed}",
        f"{finding.what}\nFound by: {replay(search, found)}\n",
    )
    name = f"{rule.name.lower().replace('_', '-')}-{found.seed}"
    scenario = msgspec.structs.replace(scenario, scenario=name, title=title, description=description)
    return Smallest(scenario=scenario, seed=seed, finding=finding, played=played)


def replay(search: Search, found: Run) -> str:
    """The command that makes a run again."""
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
    """The built-in scenarios that have variants: those of which something must come."""
    ours = USUAL - {"reconfiguration"}  # a variant has other regions
    return tuple(
        name for name in names() if _loaded(name).verdict == "valid" and not lacking(_loaded(name), ours)
    )


@contextmanager
def unburdened() -> Iterator[None]:
    """Spare the garbage collector what has been there before.

    The kernel collects after each run, to hear of tasks that failed unseen. Looking through all that was ever
    imported takes ten times longer than a small run.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _begin() -> None:
    """What a process of the pool does first."""
    signal(SIGINT, SIG_DFL)  # Ctrl-C reaches all of them: they die of it silently, the first one reports it
    gc.freeze()


def _in_order(pool: Executor, search: Search, seeds: range, *, ahead: int) -> Iterator[Run]:
    """Results in the order of the seeds, with no more than ``ahead`` of them begun and not yet fetched."""
    begun: deque[Future[Run]] = deque()
    for seed in seeds:
        begun.append(pool.submit(run, search, seed))
        if len(begun) >= ahead:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()


def _judged(search: Search, scenario: Scenario, seed: int) -> Verdict:
    if not search.app:
        return judge(play(scenario, seed=seed))
    build = find_factory(search.app, search.app_dir)
    return judge(play_stranger(scenario, build, seed=seed, name=search.app))


@cache
def _loaded(name: str) -> Scenario:
    return load(find(name))
