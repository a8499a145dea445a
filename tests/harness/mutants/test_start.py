"""Starting an operation: each mutant differs from a right aggregator in one way."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

RUNS = {
    "look-then-start": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 0s}}
        """,
        """
        - 0.000 op1 west: 202
        - 0.000 op1 east: 202
        - 0.000 notified: op1 completed, a:1, key 1
        + 0.005 op1 west: 202
        + 0.005 op1 east: 202
        + 120.005 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "not-visible-after-start": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 notified: op1 completed, a:1, key 1
        + 120.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "race-loser-refused": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 0s}}
        """,
        """
        - 0.000 op1 west: 202
        - 0.000 op1 east: 202
        - 0.000 notified: op1 completed, a:1, key 1
        + 0.000 op1 west: 409
        + 0.005 op1 east: 202
        + 120.005 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "race-loser-dropped": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 0s}}
        """,
        """
        - 0.000 op1 east: 202
        - 0.000 notified: op1 completed, a:1, key 1
        + 0.005 op1 east: 202
        + 120.005 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "first-event-ignored": run(
        """
        regions: [east]
        operations:
          - {image: "a:1", reaches: {east: 0s}}
        """,
        """
        - 0.000 notified: op1 completed, a:1, key 1
        + 120.000 notified: op1 timed_out without east, a:1, key 1
        """,
    ),
    "one-message-in-flight": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 0s}}
        """,
        """
        - 0.000 op1 east: 202
        - 0.000 notified: op1 completed, a:1, key 1
        + 0.005 op1 east: 202
        + 120.005 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "lost-update": run(
        """
        regions: [east, north, west]
        operations:
          - {image: "a:1", reaches: {east: 0s, north: 1s, west: 1s}}
        """,
        """
        - 0.000 op1 east: 202
        - 1.000 op1 north: 202
        - 1.000 op1 west: 202
        - 1.000 notified: op1 completed, a:1, key 1
        + 0.005 op1 east: 202
        + 1.005 op1 north: 202
        + 1.005 op1 west: 202
        + 120.005 notified: op1 timed_out without north, a:1, key 1
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
