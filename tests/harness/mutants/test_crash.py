"""Crashes and restarts: each mutant differs from a right aggregator in one way."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

RUNS = {
    "answers-before-storing": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: crash, at: 1.01s, down_for: 1s}
        """,
        """
        - 1.000 notified: op1 completed, a:1, key 1
        - 2.010 notified: op1 completed, a:1, key 1
        + 120.020 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "counts-in-a-global": run(
        """
        regions: [east, west, north]
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s, north: 3s}}
        faults:
          - {fault: crash, at: 2s, down_for: 0.5s}
        """,
        """
        - 3.000 notified: op1 completed, a:1, key 1
        + 120.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "loses-start-event": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 20s}}
        faults:
          - {fault: crash, at: 10s, down_for: 1s}
        """,
        """
        - 20.000 notified: op1 completed, a:1, key 1
        + 120.000 notified: op1 timed_out without east, a:1, key 1
        """,
    ),
    "outbox-in-memory": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: crash, step: before-notify, down_for: 1s}
        """,
        """
        - 2.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "resumes-a-hundred-timers": run(
        """
        operations:
          - {image: "a:{n}", repeat: 101, every: 1s, reaches: {east: 0s, west: never}}
        faults:
          - {fault: crash, at: 101s, down_for: 1s}
        """,
        """
        - 220.000 notified: op1/101 timed_out without west, a:101, key 101
        """,
    ),
    "resumes-a-hundred-notifications": run(
        """
        operations:
          - {image: "a:{n}", repeat: 101, reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: crash, step: before-notify, down_for: 1s}
        """,
        """
        - 2.000 notified: op1/78 completed, a:78, key 98
        + 2.000 notified: op1/46 completed, a:46, key 98
        - 2.000 notified: op1/99 completed, a:99, key 100
        - 2.000 notified: op1/46 completed, a:46, key 101
        + 2.000 notified: op1/78 completed, a:78, key 100
        """,
    ),
    "resumes-completions-alone": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: never}}
        faults:
          - {fault: crash, step: before-notify, down_for: 1s}
        """,
        """
        - 121.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "outbox-in-second-transaction": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: crash, at: 1.01s, down_for: 1s}
        """,
        """
        - 1.000 notified: op1 completed, a:1, key 1
        - 2.010 notified: op1 completed, a:1, key 1
        """,
    ),
    "notifies-all-after-restart": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: restart, at: 10s}
        """,
        """
        + 11.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "stale-lock-file": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 20s}}
        faults:
          - {fault: crash, at: 10s, down_for: 1s}
        """,
        """
        - 20.000 op1 west: 202
        - 20.000 notified: op1 completed, a:1, key 1
        + 11.000 failed to start
        + 20.000 op1 west: refused
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
