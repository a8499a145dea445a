"""Repeated deliveries: each mutant differs from a right aggregator in one way."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

RUNS = {
    "counts-deliveries": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: never}}
        faults:
          - {fault: duplicate, region: east, after: [1s]}
        """,
        """
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        + 1.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "counts-contents": run(
        """
        operations:
          - {image: "a:1", id: again, reaches: {east: 0s, west: never}}
          - {image: "a:1", id: again, at: 1s, reaches: {east: 0s, west: never}}
        """,
        """
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        + 1.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "read-then-write": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: never}}
        faults:
          - {fault: duplicate, region: east, after: [0s]}
        """,
        """
        - 0.000 op1 east: 202
        - 0.000 op1 east: 202
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        + 0.005 op1 east: 202
        + 0.005 op1 east: 202
        + 0.005 notified: op1 completed, a:1, key 1
        """,
    ),
    "dedupe-in-memory": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: never}}
        faults:
          - {fault: duplicate, region: east, after: [20s]}
          - {fault: restart, at: 10s}
        """,
        """
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        + 20.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "marked-before-processed": run(
        """
        sender: retry
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 10s}}
        faults:
          - {fault: crash, at: 10.01s, down_for: 1s}
        """,
        """
        - 0.000 op1 east: 202
        - 10.000 op1 west: 202
        - 10.000 notified: op1 completed, a:1, key 1
        - 11.010 notified: op1 completed, a:1, key 1
        + 0.020 op1 east: 202
        + 10.010 op1 west: reset
        + 15.010 op1 west: 202
        + 120.020 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "copy-answered-first": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: duplicate, region: west, after: [1ms]}
          - {fault: crash, step: after-response, region: west}
        """,
        """
        - 0.000 op1 east: 202
        - 1.000 op1 west: 202
        - 1.001 op1 west: refused
        - 6.000 notified: op1 completed, a:1, key 1
        + 0.005 op1 east: 202
        + 1.001 op1 west: 202
        + 1.001 op1 west: reset
        + 120.005 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "dedupe-for-five-minutes": run(
        """
        timeout: 20m
        operations:
          - {image: "a:1", reaches: {east: 0s, west: never}}
        faults:
          - {fault: duplicate, region: east, after: [6m]}
        """,
        """
        - 1200.000 notified: op1 timed_out without west, a:1, key 1
        + 360.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "dedupe-by-id-only": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 notified: op1 completed, a:1, key 1
        + 120.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "new-identity-per-attempt": run(
        """
        sender: retry
        operations:
          - {image: "a:1", reaches: {east: 0s, west: never}}
        faults:
          - {fault: lose-response, region: east}
        """,
        """
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        + 5.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "concurrent-completion": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 0s}}
        """,
        """
        - 0.000 op1 east: 202
        + 0.005 op1 east: 202
        + 0.005 notified: op1 completed, a:1, key 2
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
