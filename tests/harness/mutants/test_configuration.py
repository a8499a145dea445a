"""Changes of the configuration and of the clock: each mutant differs from a right aggregator in one way."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

RUNS = {
    "current-regions": run(
        """
        regions: [east, north, west]
        expects: [east, north]
        operations:
          - {image: "a:1", reaches: {east: 0s, north: 20s, west: never}}
        faults:
          - {fault: restart, at: 10s, expects: [east, north, west]}
        """,
        """
        - 20.000 notified: op1 completed, a:1, key 1
        + 120.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "refuses-removed-regions": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 20s}}
        faults:
          - {fault: restart, at: 10s, expects: [east]}
        """,
        """
        - 20.000 op1 west: 202
        - 20.000 notified: op1 completed, a:1, key 1
        + 20.000 op1 west: 400
        + 120.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "current-timeout": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: never}}
        faults:
          - {fault: restart, at: 10s, timeout: 60s}
        """,
        """
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        + 60.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "follows-clock-steps": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 60s}}
        faults:
          - {fault: clock-jump, at: 30s, forward: 1h}
        """,
        """
        - 60.000 notified: op1 completed, a:1, key 1
        + 60.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
