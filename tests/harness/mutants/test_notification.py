"""The notification: each mutant differs from a right aggregator in one way."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

RUNS = {
    "notifies-once": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-refuses, status: 503, until: 2s}
        """,
        """
        - 1.872 notified: op1 completed, a:1, key 1
        - 3.856 notified: op1 completed, a:1, key 1
        """,
    ),
    "gives-up-after-three-attempts": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-refuses, status: 503, until: 60s}
        """,
        """
        - 7.309 notified: op1 completed, a:1, key 1
        - 14.955 notified: op1 completed, a:1, key 1
        - 30.592 notified: op1 completed, a:1, key 1
        - 68.188 notified: op1 completed, a:1, key 1
        """,
    ),
    "no-idempotency-key": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 notified: op1 completed, a:1, key 1
        + 1.000 notified: op1 completed, a:1, no key
        """,
    ),
    "key-per-attempt": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-loses-response}
        """,
        """
        - 1.872 notified: op1 completed, a:1, key 1
        + 1.872 notified: op1 completed, a:1, key 2
        """,
    ),
    "key-per-process": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: crash, step: after-notify, down_for: 1s}
        """,
        """
        - 2.000 notified: op1 completed, a:1, key 1
        + 2.000 notified: op1 completed, a:1, key 2
        """,
    ),
    "short-lease": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-stalls, by: 5s}
        """,
        """
        + 3.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "two-outbox-pollers": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        + 1.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "decides-at-delivery": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-refuses, status: 503, until: 150s}
        """,
        """
        - 136.973 notified: op1 completed, a:1, key 1
        - 285.826 notified: op1 completed, a:1, key 1
        + 136.973 notified: op1 timed_out, a:1, key 1
        + 285.826 notified: op1 timed_out, a:1, key 1
        """,
    ),
    "rendered-at-delivery": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 125s}}
        faults:
          - {fault: sink-refuses, status: 503, until: 130s}
        """,
        """
        - 126.309 notified: op1 timed_out without west, a:1, key 1
        - 133.955 notified: op1 timed_out without west, a:1, key 1
        + 126.309 notified: op1 timed_out, a:1, key 1
        + 133.955 notified: op1 timed_out, a:1, key 1
        """,
    ),
    "notifies-in-strict-order": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
          - {image: "a:2", at: 2s, reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-refuses, status: 503, operation: op1, until: 60s}
        """,
        """
        - 3.000 notified: op2 completed, a:2, key 2
        + 68.208 notified: op2 completed, a:2, key 2
        """,
    ),
    "notifies-one-at-a-time": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
          - {image: "a:2", at: 2s, reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-stalls, by: 8s, operation: op1}
        """,
        """
        - 3.000 notified: op2 completed, a:2, key 2
        + 9.020 notified: op2 completed, a:2, key 2
        """,
    ),
    "notifies-before-answering": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-hangs, until: 20s}
        """,
        """
        - 1.000 op1 west: 202
        + 11.000 op1 west: timeout
        """,
    ),
    "replays-activities": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: duplicate, region: west, after: [10s]}
        """,
        """
        + 11.000 notified: op1 completed, a:1, key 1
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
