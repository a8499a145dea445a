"""What a scenario will probably come to, read off the registry's plan before anything is played.

Rules of this file: pure; it serves to aim faults, never to judge. It knows what the seed draws for each
delivery, and nothing of retries, crashes and the sink.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from fanin.harness.world.play import EPOCH_MS
from fanin.simulator.delivery import profile_of
from fanin.simulator.fake_acr import FakeRegistry
from fanin.simulator.language.names import normalise_region
from fanin.simulator.language.scenario import Delay, Scenario
from fanin.simulator.plan import Delivery, Occurrence


class Moment(NamedTuple):
    """Something that will probably happen; in ms since the scenario's start."""

    at_ms: int
    op: str  # the scenario's name of the operation, without its repetition
    region: str = ""  # whose webhook it is


@dataclass(frozen=True, slots=True)
class Forecast:
    """All of it in order."""

    arrivals: tuple[Moment, ...]  # deliveries that must be accepted, copies included
    outcomes: tuple[Moment, ...]  # when each operation is complete, or its deadline
    acknowledged: int  # how many deliveries will be answered 2xx, and their senders hear it
    bites: frozenset[int]  # indices of the faults of deliveries that take effect

    @property
    def end_ms(self) -> int:
        """The last of them."""
        return max((it.at_ms for it in (*self.arrivals, *self.outcomes)), default=0)


def forecast(scenario: Scenario, seed: int) -> Forecast:
    """Look ahead, with the seed that the scenario will be played with."""
    attempts = profile_of(scenario.sender).attempts
    arrivals: list[Moment] = []
    outcomes: list[Moment] = []
    acknowledged = 0
    bites: set[int] = set()
    for occurrence in FakeRegistry(scenario, seed=seed, epoch_ms=EPOCH_MS).occurrences():
        bites.update(_bites(occurrence))
        name = occurrence.op.partition("/")[0]
        sound = [it for it in occurrence.deliveries if not it.invalid_because]
        heard = [it for it in sound if attempts is None or it.lose_requests < attempts]
        answered = [it for it in heard if attempts is None or it.lose_answers < attempts]
        acknowledged += len(answered)
        arrivals += [Moment(it.due_ms, name, it.region) for it in heard]
        if heard and occurrence.action in scenario.actions:
            outcomes.append(Moment(_outcome_ms(heard, scenario), name))
    return Forecast(tuple(sorted(arrivals)), tuple(sorted(outcomes)), acknowledged, frozenset(bites))


def _outcome_ms(heard: list[Delivery], scenario: Scenario) -> int:
    """When the last region is read, or else the deadline."""
    way_ms = _way_ms(scenario.latency)
    first: dict[str, int] = {}
    for read_ms, region in sorted(
        (it.due_ms + way_ms + it.body_over_ms, it.request.claims or "") for it in heard
    ):
        first.setdefault(normalise_region(region), read_ms)
    deadline_ms = min(first.values()) + scenario.timeout
    return min(max(first.values()), deadline_ms) if len(first) == len(scenario.regions) else deadline_ms


def _way_ms(latency: Delay) -> int:
    """What one way may well take."""
    return latency.fixed or latency.max or latency.median or 0


def _bites(occurrence: Occurrence) -> Iterator[int]:
    for it in occurrence.deliveries:
        yield from it.faults
        for fault in (it.lose_requests_fault, it.lose_answers_fault):
            if fault is not None:
                yield fault
    for loss in occurrence.unsent:
        if loss.fault is not None:
            yield loss.fault
