"""Envelopes: each mutant differs from a right aggregator in one way."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

RUNS = {
    "first-event-only": run(
        """
        sender: {profile: cncf-distribution, attempts: 2, envelope: 200ms}
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
          - {image: "a:2", at: 50ms, reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.200 notified: op2 completed, a:2, key 2
        """,
    ),
    "stops-at-invalid-event": run(
        """
        sender: {profile: cncf-distribution, attempts: 2, envelope: 200ms}
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
          - {image: "a:2", at: 50ms, reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: malform, operation: op1, region: west, how: no-id}
        """,
        """
        - 1.200 op1 west: 202
        - 1.200 op2 west: 202
        - 1.200 notified: op2 completed, a:2, key 1
        - 120.200 notified: op1 timed_out without west, a:1, key 2
        + 1.200 op1 west: 400
        + 1.200 op2 west: 400
        + 1.200 op1 west: 400
        + 1.200 op2 west: 400
        + 120.200 notified: op1 timed_out without west, a:1, key 1
        + 120.200 notified: op2 timed_out without west, a:2, key 2
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
