"""Faults of the sink that a limited rate of requests misses: they are over before anything is notified.

Rules of this file: pure. It looks at first attempts alone, and compares what they lead to without a limit and
with one.
"""

from collections.abc import Iterator, Sequence

from fanin.simulator.fake_acr import FakeRegistry
from fanin.simulator.faults.sink import SinkFault
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.plan import Delivery

_SECOND_MS = 1000
_RATE_MAX = 10_000


def missed_fault(scenario: Scenario, *, seed: int, per_second: int) -> SinkFault | None:
    """The first fault of the sink that would meet a notification, and at this rate meets none."""
    faults = [it for it in scenario.faults if isinstance(it, SinkFault) and it.until is not None]
    if not faults:
        return None
    occurrences = FakeRegistry(scenario, seed=seed, epoch_ms=0).occurrences()
    deliveries = sorted(
        (it for each in occurrences for it in each.deliveries), key=lambda delivery: delivery.due_ms
    )
    planned = dict(_outcomes(scenario, deliveries, [it.due_ms for it in deliveries]))
    limited = dict(_outcomes(scenario, deliveries, _sent_ms(deliveries, per_second)))
    for fault in faults:
        if _meets(fault, planned) and not _meets(fault, limited):
            return fault
    return None


def sufficient_rate(scenario: Scenario, *, seed: int, above: int) -> int:
    """A rate at which no fault is missed, or the highest that there is."""
    rate = above
    while rate < _RATE_MAX and missed_fault(scenario, seed=seed, per_second=rate) is not None:
        rate = min(_RATE_MAX, rate * 2)
    return rate


def _sent_ms(deliveries: Sequence[Delivery], per_second: int) -> list[int]:
    """When each is sent if no second has more than ``per_second`` of them."""
    sent: list[int] = []
    for nth, delivery in enumerate(deliveries):
        free_ms = sent[nth - per_second] + _SECOND_MS if nth >= per_second else 0
        sent.append(max(delivery.due_ms, free_ms))
    return sent


def _outcomes(
    scenario: Scenario, deliveries: Sequence[Delivery], sent_ms: Sequence[int]
) -> Iterator[tuple[str, int]]:
    """By operation, when it is decided."""
    expected = scenario.expects or scenario.regions
    reports: dict[str, dict[str, int]] = {}  # by operation and region
    for delivery, at_ms in zip(deliveries, sent_ms, strict=True):
        if not delivery.invalid_because and delivery.region in expected:
            reports.setdefault(delivery.op, {}).setdefault(delivery.region, at_ms)
    for op, by_region in reports.items():
        deadline_ms = min(by_region.values()) + scenario.timeout
        complete = len(by_region) == len(expected)
        yield op, min(deadline_ms, max(by_region.values())) if complete else deadline_ms


def _meets(fault: SinkFault, outcomes: dict[str, int]) -> bool:
    """Whether an operation that it is about is decided before it ends."""
    ends_ms = fault.until or 0
    return any(at_ms < ends_ms for op, at_ms in outcomes.items() if fault.about in ("", op.partition("/")[0]))
