"""Predicts when a scenario's webhooks arrive and its outcomes fall, from the registry's plan, without a run.

Rules of this file: pure; predictions serve to aim faults, never to judge. They take into account what the
seed draws for each delivery, but neither retries nor crashes nor the sink.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from fanin.harness.world.play import EPOCH_MS
from fanin.simulator.delivery import profile_of
from fanin.simulator.fake_acr import FakeRegistry
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.plan import Delivery, Occurrence
from fanin.simulator.shapes import Delay
from fanin.simulator.wire import normalise_region


class PredictedEvent(NamedTuple):
    """An arrival or outcome that will probably happen; in ms since the scenario's start."""

    at_ms: int
    op: str  # the operation's name in the scenario, without the repetition's number
    region: str = ""  # of the arrival


@dataclass(frozen=True, slots=True)
class Prediction:
    """All predicted events, in order of time."""

    arrivals: tuple[PredictedEvent, ...]  # of deliveries that the aggregator must accept, duplicates included
    outcomes: tuple[PredictedEvent, ...]  # when each operation completes, or its deadline
    acknowledged: int  # how many deliveries will be answered 2xx with the answer received
    effective_faults: frozenset[int]  # indices of the delivery faults that take effect

    @property
    def end_ms(self) -> int:
        """When the last of them happens."""
        return max((it.at_ms for it in (*self.arrivals, *self.outcomes)), default=0)


NOTHING_PREDICTED = Prediction((), (), 0, frozenset())


def predict(scenario: Scenario, seed: int) -> Prediction:
    """Predict a run of the scenario with this seed."""
    profile = profile_of(scenario.sender)
    attempts, one_way_ms = profile.attempts, _one_way_ms(scenario.latency)
    expected = set(map(normalise_region, scenario.expects or scenario.regions))
    arrivals: list[PredictedEvent] = []
    outcomes: list[PredictedEvent] = []
    acknowledged = 0
    effective: set[int] = set()
    for occurrence in FakeRegistry(scenario, seed=seed, epoch_ms=EPOCH_MS).occurrences():
        effective.update(_effective_faults(occurrence))
        name = occurrence.op.partition("/")[0]
        valid = [it for it in occurrence.deliveries if not it.invalid_because]
        received = [it for it in valid if attempts is None or it.lose_requests < attempts]
        answered = [it for it in received if attempts is None or it.lose_responses < attempts]
        acknowledged += sum(
            it.body_over_ms + 2 * one_way_ms < profile.timeout_ms
            and normalise_region(it.request.url_region or it.region) in expected
            for it in answered
        )
        arrivals += [PredictedEvent(it.due_ms, name, it.region) for it in received]
        if received and occurrence.action in scenario.actions:
            outcomes.append(PredictedEvent(_outcome_ms(received, scenario), name))
    return Prediction(tuple(sorted(arrivals)), tuple(sorted(outcomes)), acknowledged, frozenset(effective))


def _outcome_ms(received: list[Delivery], scenario: Scenario) -> int:
    """When the last region's webhook has been read, or the deadline if that is earlier."""
    one_way_ms = _one_way_ms(scenario.latency)
    first: dict[str, int] = {}
    for read_ms, region in sorted(
        (it.due_ms + one_way_ms + it.body_over_ms, it.request.url_region or "") for it in received
    ):
        first.setdefault(normalise_region(region), read_ms)
    deadline_ms = min(first.values()) + scenario.timeout
    return min(max(first.values()), deadline_ms) if len(first) == len(scenario.regions) else deadline_ms


def _one_way_ms(latency: Delay) -> int:
    """A usual latency in one direction."""
    return latency.fixed or latency.max or latency.median or 0


def _effective_faults(occurrence: Occurrence) -> Iterator[int]:
    for it in occurrence.deliveries:
        yield from it.faults
        for fault in (it.lose_requests_fault, it.lose_responses_fault):
            if fault is not None:
                yield fault
    for loss in occurrence.unsent:
        if loss.fault is not None:
            yield loss.fault
