"""The timer at the deadline: each mutant differs from a right aggregator in one way."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

RUNS = {
    "any-wake-up-is-timeout": run(
        """
        regions: [east, north, west]
        operations:
          - {image: "a:1", reaches: {east: 0s, north: 1s, west: 2s}}
        """,
        """
        + 1.000 notified: op1 timed_out without west, a:1, key 1
        - 2.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "timer-never-cancelled": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        + 120.000 notified: op1 timed_out, a:1, key 1
        """,
    ),
    "stale-reaper": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 119.995s}}
        """,
        """
        + 120.010 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "timer-wins-replay": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 119.999s}}
        faults:
          - {fault: crash, step: before-notify, down_for: 10s}
        """,
        """
        - 129.999 notified: op1 completed, a:1, key 1
        + 129.999 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "ignores-events-after-three-days": run(
        """
        timeout: 4d
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 84h}}
        """,
        """
        - 302400.000 notified: op1 completed, a:1, key 1
        + 345600.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "timer-in-memory": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: never}}
        faults:
          - {fault: crash, at: 60s, down_for: 1s}
        """,
        """
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "timer-armed-once": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: never}}
          - {image: "a:2", at: 10s, reaches: {east: 0s, west: never}}
        """,
        """
        - 130.000 notified: op2 timed_out without west, a:2, key 2
        """,
    ),
    "wakes-at-the-old-deadline": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: never}}
          - {image: "a:2", at: 10s, reaches: {east: 0s, west: never}}
        faults:
          - {fault: restart, at: 5s, timeout: 30s}
        """,
        """
        - 40.000 notified: op2 timed_out without west, a:2, key 1
        + 120.000 notified: op2 timed_out without west, a:2, key 1
        """,
    ),
    "late-by-processing-time": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 119.9s}}
        """,
        """
        - 119.900 notified: op1 completed, a:1, key 1
        + 120.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "two-timers": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: never}}
        """,
        """
        + 120.000 notified: op1 timed_out without west, a:1, key 2
        """,
    ),
    "expires-in-two-transactions": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: never}}
        faults:
          - {fault: crash, at: 120.1s, down_for: 1s}
        """,
        """
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "closed-timer-ends-loop": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
          - {image: "a:2", at: 10s, reaches: {east: 0s, west: never}}
        """,
        """
        - 130.000 notified: op2 timed_out without west, a:2, key 2
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
