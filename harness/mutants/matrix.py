"""Plays every inmate of the zoo through the pack: which scenario kills which bug.

Rules of this file: what it finds depends on nothing but the code and the pack, so it may be stored as a page
and compared; inmates are played in several processes, and come back in the zoo's order.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

import msgspec

from fanin.harness.capabilities import OPTIONAL_CAPABILITIES, OptionalCapability, required_capabilities
from fanin.harness.parallel import run_ordered
from fanin.harness.verdict import Validity
from fanin.simulator.language.scenario import Crash, Restart, Scenario

# What every process imports before it begins.
_PRELOAD = ("fanin.harness.mutants.registry", "fanin.harness.oracle.oracle", "fanin.harness.world.play")
# A bug that survives so many repetitions of an operation survives the others, too.
REPEAT_MAX = 12


@dataclass(frozen=True, slots=True)
class Matrix:
    """What became of each inmate in each scenario that it was played through."""

    scenarios: tuple[str, ...]  # sorted
    bugs: Mapping[str, Mapping[str, Validity]]  # by bug and scenario
    healthy: Mapping[str, Mapping[str, Validity]]  # by variant and scenario

    def kills(self, scenario: str) -> list[str]:
        """The bugs that a scenario exposes."""
        return [name for name, row in self.bugs.items() if row.get(scenario) is Validity.INVALID]

    def killers(self, bug: str) -> list[str]:
        """The scenarios that expose a bug."""
        return [name for name in self.scenarios if self.bugs[bug].get(name) is Validity.INVALID]

    @property
    def survivors(self) -> list[str]:
        """Bugs that no scenario exposes."""
        return [name for name in self.bugs if not self.killers(name)]

    @property
    def accused(self) -> list[tuple[str, str]]:
        """Healthy variants that did not get the verdict that a scenario states, each with the scenario."""
        return [
            (name, scenario)
            for name, row in self.healthy.items()
            for scenario, validity in row.items()
            if validity != scenario_of(scenario).verdict
        ]


def compute(advance: Callable[[], None] = lambda: None, *, jobs: int | None = None) -> Matrix:
    """Play everybody through everything.

    Args:
        advance: Called for each inmate that is done.
        jobs: In how many processes; None: one per core.
    """
    from fanin.harness.mutants.registry import BUGS, HEALTHY
    from fanin.simulator.pack import names

    scenarios = tuple(names())
    inmates = [*BUGS, *HEALTHY]
    rows: dict[str, dict[str, Validity]] = {}
    played = run_ordered(partial(play_through, scenarios=scenarios), inmates, jobs=jobs, preload=_PRELOAD)
    for name, row in zip(inmates, played, strict=True):
        rows[name] = row
        advance()
    return Matrix(scenarios, {name: rows[name] for name in BUGS}, {name: rows[name] for name in HEALTHY})


def play_through(inmate: str, scenarios: Sequence[str]) -> dict[str, Validity]:
    """One inmate's verdicts, by scenario. One that keeps nothing over a crash is spared those with one."""
    from fanin.harness.mutants.registry import BUGS, HEALTHY
    from fanin.harness.oracle.oracle import judge
    from fanin.harness.world.play import play

    survives = inmate in BUGS or HEALTHY[inmate].survives
    it = (BUGS if inmate in BUGS else HEALTHY)[inmate]
    return {
        name: judge(play(scenario_of(name), factory=it.factory)).validity
        for name in scenarios
        if (survives or not has_crash(scenario_of(name))) and is_for(scenario_of(name), it.capabilities)
    }


def is_for(scenario: Scenario, capabilities: frozenset[OptionalCapability]) -> bool:
    """Whether a scenario is played with those who have this beyond the contract: it asks for nothing else."""
    beyond = {need for need in required_capabilities(scenario) if need in OPTIONAL_CAPABILITIES}
    return beyond <= capabilities and bool(beyond) == bool(capabilities)


def has_crash(scenario: Scenario) -> bool:
    """Whether the aggregator goes down in it."""
    return any(isinstance(fault, Crash | Restart) for fault in scenario.faults)


@cache
def scenario_of(name: str) -> Scenario:
    """A scenario of the pack, with no operation repeated more often than `REPEAT_MAX`.

    Raises:
        ScenarioError: there is no such scenario, or it cannot be read.
    """
    from fanin.simulator.language.load import load
    from fanin.simulator.pack import find

    scenario = load(find(name))
    fewer = tuple(
        msgspec.structs.replace(operation, repeat=min(operation.repeat, REPEAT_MAX))
        for operation in scenario.operations
    )
    return msgspec.structs.replace(scenario, operations=fewer)
