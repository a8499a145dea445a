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
        - 2.000 notified: op1/84 completed, a:84, key 98
        - 2.000 notified: op1/83 completed, a:83, key 99
        - 2.000 notified: op1/89 completed, a:89, key 100
        - 2.000 notified: op1/68 completed, a:68, key 101
        + 2.000 notified: op1/68 completed, a:68, key 98
        + 2.000 notified: op1/89 completed, a:89, key 99
        + 2.000 notified: op1/84 completed, a:84, key 100
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
    "resumes-what-is-young": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-refuses, until: 70m}
          - {fault: crash, at: 65m, down_for: 1s}
        """,
        """
        - 3903.075 notified: op1 completed, a:1, key 1
        - 4154.845 notified: op1 completed, a:1, key 1
        - 4432.944 notified: op1 completed, a:1, key 1
        """,
    ),
    "stops-without-retries": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-refuses, until: 3s}
          - {fault: restart, at: 2s}
        """,
        """
        - 3.856 notified: op1 completed, a:1, key 1
        """,
    ),
    "drops-what-is-overdue": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: never}}
        faults:
          - {fault: crash, at: 10s, down_for: 13h}
        """,
        """
        - 46810.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "looks-at-deadlines-later": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 131s}}
          - {image: "a:2", reaches: {east: 0s, west: 129s}}
        faults:
          - {fault: crash, at: 10s, down_for: 120s}
        """,
        """
        - 130.000 notified: op1 timed_out without west, a:1, key 1
        - 130.000 notified: op2 timed_out without west, a:2, key 2
        + 131.000 notified: op1 completed, a:1, key 1
        + 133.000 notified: op2 timed_out without west, a:2, key 2
        """,
    ),
    "marks-every-so-often": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: crash, at: 3s, down_for: 1s}
        """,
        """
        + 4.000 notified: op1 completed, a:1, key 1
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
