"""Interleavings: a scenario with its simultaneous deliveries in every order, and at one instant many times.

Rules of this file: all that the seed draws is fixed first, so that runs differ in the order alone. In an
order, simultaneous deliveries come a millisecond apart; in a schedule they come at one instant, and the
seed of the run chooses which of several ready tasks runs first.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from msgspec import structs

from fanin.harness.explore.repair import accepted
from fanin.harness.explore.runs import ExploredRun
from fanin.harness.explore.subject import Subject
from fanin.harness.explore.sweep import without_expectations
from fanin.harness.world.play import EPOCH_MS
from fanin.simulator.durations import format_duration
from fanin.simulator.fake_acr import FakeRegistry
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.rng import seeded_random
from fanin.simulator.shapes import Delay
from fanin.simulator.text import listed

BLOCK = 8  # runs
WITHIN_MS = 5
ORDERS, SCHEDULES = 200, 100
_NAMED_MAX = 8


class Place(NamedTuple):
    """One delivery: what it is about, and when it leaves in the quiet run."""

    due_ms: int
    operation: int  # index in the scenario
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interleaving:
    """One scenario in many orders. A `runs.Exploration`; numbers count the orders, then the schedules."""

    subject: Subject
    name: str  # of the scenario, or its file
    orders: int  # that are played; fewer than `orders_possible`: a sample
    schedules: int
    seed: int = 0  # fixes what the scenario leaves to chance, and the sample
    within_ms: int = WITHIN_MS  # how close deliveries must be to count as simultaneous

    def title(self, runs: int) -> str:
        """What so many runs are, for people."""
        return f"{'order or schedule' if runs == 1 else 'orders and schedules'} of {self.name}"

    @property
    def words(self) -> Sequence[str]:
        """The command, without the numbers."""
        seed = ["--seed", str(self.seed)] if self.seed else []
        within = ["--within", format_duration(self.within_ms)] if self.within_ms != WITHIN_MS else []
        return ["fanin", "interleave", self.name, *self.subject.options(), *seed, *within]

    @property
    def runs(self) -> int:
        """How many there are."""
        return self.orders + self.schedules

    def block_of(self, number: int) -> int:
        """A few runs share the work of finding what is simultaneous."""
        return number // BLOCK

    def play_block(self, block: int, numbers: range) -> Iterator[ExploredRun]:
        """Play those runs of a block that are wanted."""
        wanted = range(max(block * BLOCK, numbers.start), min((block + 1) * BLOCK, numbers.stop))
        return map(self._run, wanted)

    def _run(self, number: int) -> ExploredRun:
        scenario, seed, label = self._case(number)
        verdict = self.subject.play(scenario, seed).verdict
        return ExploredRun(
            number=number,
            seed=seed,
            base=self.name,
            label=label,
            validity=verdict.validity,
            findings=verdict.findings,
            doubts=verdict.doubts,
        )

    def _case(self, number: int) -> tuple[Scenario, int, str]:
        """The scenario of a run, its seed, and what is special about it."""
        scenario = without_expectations(self.name)
        groups = simultaneous(scenario, self.seed, self.within_ms)
        if number >= self.orders:
            seed = number - self.orders
            together = {place: group[0].due_ms for group in groups for place in group}
            return _moved(scenario, self.seed, together), seed, f"at one instant, schedule {seed}"
        ordered = list(_permuted(groups, self._order_number(number, groups)))
        moved = {
            place: min(group).due_ms + later_ms for group in ordered for later_ms, place in enumerate(group)
        }
        names = [f"{scenario.operations[it.operation].name} {it.region}" for group in ordered for it in group]
        return _moved(scenario, self.seed, moved), self.seed, f"order: {listed(names, _NAMED_MAX)}"

    def _order_number(self, number: int, groups: Sequence[Sequence[Place]]) -> int:
        """All orders in turn, or the number-th of a sample without repetitions."""
        total = orders_possible(groups)
        if self.orders >= total:
            return number
        rng, drawn = seeded_random(self.seed, "orders", self.name), dict[int, None]()
        while len(drawn) <= number:
            drawn[rng.randrange(total)] = None
        return list(drawn)[number]

    def scenario_of(self, run: ExploredRun) -> Scenario:
        """The scenario with the order of this run."""
        return self._case(run.number)[0]

    def replay(self, run: ExploredRun) -> list[str]:
        """The command for this run alone."""
        many = [] if self.orders == ORDERS else ["--orders", str(self.orders)]
        return [*self.words, *many, "--only", str(run.number)]


def simultaneous(scenario: Scenario, seed: int, within_ms: int) -> list[list[Place]]:
    """The deliveries that leave the registry at the same time, those of each such time together.

    Of an operation that repeats, the first repetition stands for all, because a scenario says when each
    region reports once for all of them. Copies go with their delivery.
    """
    places = sorted(_places(scenario, seed))
    groups: list[list[Place]] = []
    for place in places:
        if groups and place.due_ms - groups[-1][0].due_ms <= within_ms:
            groups[-1].append(place)
        else:
            groups.append([place])
    return [group for group in groups if len(group) > 1]


def orders_possible(groups: Sequence[Sequence[Place]]) -> int:
    """In how many orders they can come."""
    return math.prod(math.factorial(len(group)) for group in groups)


def _places(scenario: Scenario, seed: int) -> Iterator[Place]:
    index = {operation.name: n for n, operation in enumerate(scenario.operations)}
    seen: set[tuple[str, str]] = set()
    for occurrence in FakeRegistry(scenario, seed=seed, epoch_ms=EPOCH_MS).occurrences():
        name = occurrence.op.partition("/")[0]
        for delivery in occurrence.deliveries:
            if delivery.copy or (name, delivery.region) in seen or occurrence.action == "ping":
                continue
            seen.add((name, delivery.region))
            yield Place(delivery.due_ms, index[name], delivery.region)


def _permuted(groups: Sequence[Sequence[Place]], number: int) -> Iterator[list[Place]]:
    """The groups in the order of this number; 0 leaves each as it is."""
    for group in groups:
        number, rank = divmod(number, math.factorial(len(group)))
        left = list(group)
        ordered: list[Place] = []
        for size in range(len(left), 0, -1):
            place, rank = divmod(rank, math.factorial(size - 1))
            ordered.append(left.pop(place))
        yield ordered


def _moved(scenario: Scenario, seed: int, instants: Mapping[Place, int]) -> Scenario:
    """The scenario with every delay fixed as the seed draws it, and some deliveries at other instants."""
    planned = {place[1:]: place.due_ms for place in _places(structs.replace(scenario, faults=()), seed)}
    operations = list(scenario.operations)
    for place in _places(scenario, seed):
        operation = operations[place.operation]
        moved_by_ms = instants.get(place, place.due_ms) - place.due_ms
        delay_ms = planned[place[1:]] - operation.at + moved_by_ms
        reaches = {**operation.reaches, place.region: Delay(fixed=max(0, delay_ms))}
        operations[place.operation] = structs.replace(operation, reaches=reaches)
    latency = scenario.latency
    one_way_ms = next((it for it in (latency.fixed, latency.min, latency.median) if it is not None), 0)
    fixed = structs.replace(scenario, operations=tuple(operations), latency=Delay(fixed=one_way_ms))
    return accepted(fixed) or scenario
