"""Plays every inmate of the zoo through the pack: which scenario kills which bug.

Rules of this file: what it finds depends on nothing but the code and the pack, so it may be stored as a page
and compared; inmates are played in their own processes, two at most, and come back in the zoo's order.
"""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from signal import SIG_DFL, SIGINT, signal

import msgspec

from fanin.harness.capabilities import OPTIONAL_CAPABILITIES, OptionalCapability, required_capabilities
from fanin.harness.verdict import Validity
from fanin.simulator.language.scenario import Crash, Restart, Scenario

PROCESSES_MAX = 2
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


def compute(advance: Callable[[], None] = lambda: None) -> Matrix:
    """Play everybody through everything.

    Args:
        advance: Called for each inmate that is done.
    """
    from fanin.harness.mutants.registry import BUGS, HEALTHY
    from fanin.simulator.pack import names

    scenarios = tuple(names())
    inmates = [*BUGS, *HEALTHY]
    rows: dict[str, dict[str, Validity]] = {}
    for name, row in zip(inmates, _rows(inmates, scenarios), strict=True):
        rows[name] = row
        advance()
    return Matrix(scenarios, {name: rows[name] for name in BUGS}, {name: rows[name] for name in HEALTHY})


def _rows(inmates: Sequence[str], scenarios: tuple[str, ...]) -> Iterator[dict[str, Validity]]:
    # A fresh interpreter each, as for other runs (`fanin.harness.batch`).
    with ProcessPoolExecutor(PROCESSES_MAX, get_context("spawn"), initializer=_settle_in) as pool:
        try:
            yield from pool.map(play_through, inmates, [scenarios] * len(inmates))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _settle_in() -> None:
    """Load what every run needs. It stays for good, so no run's garbage collection need look at it."""
    import fanin.harness.mutants.registry
    import fanin.harness.oracle.oracle
    import fanin.harness.world.play  # noqa: F401 - see above

    signal(SIGINT, SIG_DFL)
    gc.collect()
    gc.freeze()


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
