"""Waiting for external events: each mutant differs from a right aggregator in one way."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

RUNS = {
    "lost-wake-up": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 3ms}}
        """,
        """
        - 0.003 notified: op1 completed, a:1, key 1
        + 120.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "duplicate-waiters": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 10s}}
        """,
        """
        - 10.000 notified: op1 completed, a:1, key 1
        + 120.000 notified: op1 timed_out without east, west, a:1, key 1
        """,
    ),
    "cancelled-waiter-consumes": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 100s}}
        """,
        """
        - 100.000 notified: op1 completed, a:1, key 1
        + 120.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "clears-all-waits": run(
        """
        regions: [east, north, west]
        operations:
          - {image: "a:1", reaches: {east: 0s, north: 1s, west: 1003ms}}
        """,
        """
        - 1.003 notified: op1 completed, a:1, key 1
        + 120.005 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "awaits-losing-timer": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 notified: op1 completed, a:1, key 1
        + 120.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "closes-when-idle": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: duplicate, region: west, after: [200ms, 400ms]}
        """,
        """
        - 1.000 notified: op1 completed, a:1, key 1
        + 1.700 notified: op1 completed, a:1, key 1
        """,
    ),
    "continue-as-new-gap": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 80ms}}
        faults:
          - {fault: duplicate, region: east, after: [10ms, 20ms, 30ms, 40ms, 50ms, 60ms, 70ms]}
        """,
        """
        - 0.080 notified: op1 completed, a:1, key 1
        + 120.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
