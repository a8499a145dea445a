"""Scenarios for deployments with fewer regions than they name: leaves regions out if the story allows it.

Rules of this file: pure. A story is what each operation comes to, by the registry's plan: completed or timed
out, with late webhooks or without. Regions that a fault names are never left out.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

from msgspec import structs

from fanin.simulator.delivery import ATTEMPTS_MAX, profile_of
from fanin.simulator.fake_acr import FakeRegistry
from fanin.simulator.language.scenario import Operation, Scenario
from fanin.simulator.plan import Occurrence

# Of an operation that repeats, so many repetitions tell what the others come to.
_PLANNED_MAX = 300
# So many choices are looked at. Only a scenario with many regions that differ from each other has more.
_CHOICES_MAX = 1_000

type Story = dict[str, frozenset[str]]


def with_fewer_regions(scenario: Scenario, count: int) -> Scenario | None:
    """The scenario with ``count`` of its regions.

    Of several choices that leave the story as it is, the one in which the regions report furthest apart, of
    those that are looked at.

    Returns:
        None where no choice does. One region waits for none, so without a fault it has no story.
    """
    needed = {region for fault in scenario.faults for region in fault.named_regions}
    if len(needed) > count or (count == 1 and not scenario.faults):
        return None
    story, _ = _plan(scenario)
    best: tuple[int, Scenario] | None = None
    for kept in islice(_choices(scenario, needed, count), _CHOICES_MAX):
        smaller = _keep(scenario, kept)
        told, spread_ms = _plan(smaller)
        if told == story and _is_heard(smaller) and (best is None or spread_ms > best[0]):
            best = (spread_ms, smaller)
    return None if best is None else best[1]


def _choices(scenario: Scenario, needed: set[str], count: int) -> Iterator[tuple[str, ...]]:
    """Every choice of ``count`` regions with all that are needed, in the scenario's order.

    Of choices that differ only in regions with the same part in the scenario, there is one: forty regions
    have 658,008 choices of five.
    """
    parts: list[tuple[object, ...]] = []
    groups: list[list[str]] = []
    for region in scenario.regions:
        if region in needed:
            continue
        part = _part(scenario, region)
        if part not in parts:
            parts.append(part)
            groups.append([])
        groups[parts.index(part)].append(region)
    for chosen in _first_of_each(groups, count - len(needed)):
        kept = needed.union(chosen)
        yield tuple(region for region in scenario.regions if region in kept)


def _first_of_each(groups: Sequence[Sequence[str]], count: int) -> Iterator[tuple[str, ...]]:
    """``count`` names, of each group its first ones."""
    if not groups:
        if count == 0:
            yield ()
        return
    first, *others = groups
    fewest = max(0, count - sum(map(len, others)))
    for taken in range(min(len(first), count), fewest - 1, -1):
        for rest in _first_of_each(others, count - taken):
            yield (*first[:taken], *rest)


def _part(scenario: Scenario, region: str) -> tuple[object, ...]:
    """All that a scenario says of a region."""
    return (
        region in scenario.expects,
        scenario.replication.get(region),
        scenario.webhooks.get(region),
        region == scenario.regions[0],  # the home of operations that name none
        *((it.home == region, it.reaches.get(region)) for it in scenario.operations),
    )


def _keep(scenario: Scenario, kept: tuple[str, ...]) -> Scenario:
    def operation(it: Operation) -> Operation:
        home = it.home or scenario.regions[0]
        reaches = {region: delay for region, delay in it.reaches.items() if region in kept}
        return structs.replace(it, home=home if home in kept else kept[0], reaches=reaches)

    return structs.replace(
        scenario,
        regions=kept,
        expects=tuple(region for region in scenario.expects if region in kept),
        replication={region: delay for region, delay in scenario.replication.items() if region in kept},
        webhooks={region: it for region, it in scenario.webhooks.items() if region in kept},
        operations=tuple(map(operation, scenario.operations)),
        expect=(),
    )


def _plan(scenario: Scenario) -> tuple[Story, int]:
    """What the operations come to, by name, and how far apart their regions report, in ms, in all."""
    story: dict[str, set[str]] = {}
    spread_ms = 0
    occurrences = FakeRegistry(scenario, seed=0, epoch_ms=0).occurrences()
    for occurrence in islice(occurrences, _PLANNED_MAX):
        name = occurrence.op.partition("/")[0]
        first = _first_reports(occurrence, scenario.expects or scenario.regions)
        story.setdefault(name, set()).update(_comes_to(list(first.values()), scenario))
        spread_ms += max(first.values(), default=0) - min(first.values(), default=0)
    return {name: frozenset(words) for name, words in story.items()}, spread_ms


def _is_heard(scenario: Scenario) -> bool:
    """Whether an answer to any delivery arrives; otherwise nothing can be proved."""
    attempts = profile_of(scenario.sender).attempts or ATTEMPTS_MAX
    occurrences = islice(FakeRegistry(scenario, seed=0, epoch_ms=0).occurrences(), _PLANNED_MAX)
    deliveries = [it for occurrence in occurrences for it in occurrence.deliveries]
    return not deliveries or any(max(it.lose_requests, it.lose_responses) < attempts for it in deliveries)


def _first_reports(occurrence: Occurrence, expected: Sequence[str]) -> dict[str, int]:
    """By expected region, when its first valid webhook is sent."""
    first: dict[str, int] = {}
    for delivery in occurrence.deliveries:
        if not delivery.invalid_because and delivery.region in expected:
            first.setdefault(delivery.region, delivery.due_ms)
    return first


def _comes_to(reports_ms: list[int], scenario: Scenario) -> Iterator[str]:
    if not reports_ms:
        yield "nothing"
        return
    deadline_ms = min(reports_ms) + scenario.timeout
    late = sum(at_ms >= deadline_ms for at_ms in reports_ms)
    expected = scenario.expects or scenario.regions
    yield "completed" if len(reports_ms) - late == len(expected) else "timed out"
    if late:
        yield "late"
