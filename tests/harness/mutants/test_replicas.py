"""Several processes on one store: each mutant differs from a right aggregator in one way."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

RUNS = {
    "notifies-without-claiming": run(
        """
        replicas: 2
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-stalls, by: 300ms}
        """,
        """
        + 1.250 notified: op1 completed, a:1, key 1
        + 1.250 notified: op1 completed, a:1, key 1
        """,
    ),
    "zombie-notifies": run(
        """
        replicas: 2
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: pause, step: after-response, region: west, lasts: 60s}
        """,
        """
        - 1.250 notified: op1 completed, a:1, key 1
        + 16.000 notified: op1 completed, a:1, key 1
        + 61.000 notified: op1 completed, a:1, key 2
        """,
    ),
    "counts-per-replica": run(
        """
        replicas: 2
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 notified: op1 completed, a:1, key 1
        + 120.000 notified: op1 timed_out without west, a:1, key 1
        + 121.000 notified: op1 timed_out without east, a:1, key 2
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
