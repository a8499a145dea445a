"""Plays every mutant and healthy variant through the pack: which scenario kills which mutant.

Rules of this file: the result depends on nothing but the code and the pack, so it can be stored as a page and
compared; variants are played in several processes, and returned in the registry's order.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

import msgspec

from fanin.harness.capabilities import OPTIONAL_CAPABILITIES, OptionalCapability, required_capabilities
from fanin.harness.parallel import run_ordered
from fanin.harness.verdict import Validity
from fanin.simulator.language.scenario import Scenario

# What every process imports before it begins.
_PRELOAD = ("fanin.harness.mutants.registry", "fanin.harness.oracle.oracle", "fanin.harness.world.play")
# Of an operation that a scenario repeats more often, only so many repetitions are played.
REPEAT_MAX = 12
# Scenarios that are about how many operations there are: all repetitions are played by the mutants that they
# show best, and by the healthy variants.
IN_FULL = frozenset({"hundreds-in-hand", "stuck-sink"})


@dataclass(frozen=True, slots=True)
class Matrix:
    """The verdict on each mutant and healthy variant in each scenario that it played.

    Of a share, the mutants are those of the share.
    """

    scenarios: tuple[str, ...]  # sorted
    mutants: Mapping[str, Mapping[str, Validity]]  # by mutant and scenario
    healthy: Mapping[str, Mapping[str, Validity]]  # by variant and scenario

    def kills(self, scenario: str) -> list[str]:
        """The mutants that a scenario kills."""
        return [name for name, row in self.mutants.items() if row.get(scenario) is Validity.INVALID]

    def killers(self, mutant: str) -> list[str]:
        """The scenarios that kill a mutant."""
        return [name for name in self.scenarios if self.mutants[mutant].get(name) is Validity.INVALID]

    @property
    def survivors(self) -> list[str]:
        """Mutants that no scenario kills."""
        return [name for name in self.mutants if not self.killers(name)]

    @property
    def accused(self) -> list[tuple[str, str]]:
        """Healthy variants with another verdict than the scenario states: variant and scenario."""
        return [
            (name, scenario)
            for name, row in self.healthy.items()
            for scenario, validity in row.items()
            if validity != scenario_of(scenario).verdict
        ]


def mutants_of(shard: tuple[int, int]) -> list[str]:
    """The mutants of the share ``(i, n)``: every n-th, from the i-th."""
    from fanin.harness.mutants.registry import MUTANTS

    part, parts = shard
    return list(MUTANTS)[part - 1 :: parts]


def compute(
    advance: Callable[[], None] = lambda: None, *, jobs: int | None = None, shard: tuple[int, int] = (1, 1)
) -> Matrix:
    """Play every healthy variant, and every mutant of a share, through every scenario.

    Args:
        advance: Called after each variant.
        jobs: The number of processes; None: one per core.
        shard: As for `mutants_of`.
    """
    from fanin.harness.mutants.registry import HEALTHY
    from fanin.simulator.pack import names

    scenarios = tuple(names())
    mutants = mutants_of(shard)
    variants = [*mutants, *HEALTHY]
    rows: dict[str, dict[str, Validity]] = {}
    played = run_ordered(partial(verdicts_of, scenarios=scenarios), variants, jobs=jobs, preload=_PRELOAD)
    for name, row in zip(variants, played, strict=True):
        rows[name] = row
        advance()
    return Matrix(scenarios, {name: rows[name] for name in mutants}, {name: rows[name] for name in HEALTHY})


def verdicts_of(variant: str, scenarios: Sequence[str]) -> dict[str, Validity]:
    """Play one mutant or healthy variant; return its verdicts by scenario.

    Left out are scenarios that need other capabilities (`is_played_with`), and for a variant that keeps its
    state in memory those with a crash.
    """
    from fanin.harness.mutants.mutant import Mutant
    from fanin.harness.mutants.registry import HEALTHY, MUTANTS
    from fanin.harness.oracle.oracle import judge
    from fanin.harness.world.play import play

    survives = variant in MUTANTS or HEALTHY[variant].survives_crash
    it = (MUTANTS if variant in MUTANTS else HEALTHY)[variant]
    in_full = {it.scenario} if isinstance(it, Mutant) else set(scenarios)
    return {
        name: judge(play(scenario_of(name, in_full=name in in_full), factory=it.factory)).validity
        for name in scenarios
        if (survives or not has_crash(scenario_of(name)))
        and is_played_with(scenario_of(name), it.capabilities)
    }


def is_played_with(scenario: Scenario, capabilities: frozenset[OptionalCapability]) -> bool:
    """Whether a variant with these capabilities beyond the contract plays a scenario.

    It does if it has all that the scenario needs; with capabilities, only if the scenario needs some of them.
    """
    beyond = {need for need in required_capabilities(scenario) if need in OPTIONAL_CAPABILITIES}
    return beyond <= capabilities and bool(beyond) == bool(capabilities)


def has_crash(scenario: Scenario) -> bool:
    """Whether the aggregator crashes or restarts in it."""
    return any("process" in fault.needs for fault in scenario.faults)


@cache
def scenario_of(name: str, *, in_full: bool = True) -> Scenario:
    """A scenario of the pack, with no operation repeated more often than `REPEAT_MAX`.

    Args:
        name: The scenario's.
        in_full: Repeat as often as the scenario says, if it is one of `IN_FULL`.

    Raises:
        ScenarioError: there is no such scenario, or it cannot be read.
    """
    from fanin.simulator.language.load import load
    from fanin.simulator.pack import find

    scenario = load(find(name))
    if in_full and name in IN_FULL:
        return scenario
    fewer = tuple(
        msgspec.structs.replace(operation, repeat=min(operation.repeat, REPEAT_MAX))
        for operation in scenario.operations
    )
    return msgspec.structs.replace(scenario, operations=fewer)
