"""Days and restarts: each mutant is away too long, or forgets too soon."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

RUNS = {
    "starts-for-minutes": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: crash, at: 10s, down_for: 1s}
        """,
        """
        + 41.000 failed to start
        """,
    ),
    "sends-before-it-listens": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-hangs, until: 60s}
          - {fault: crash, at: 10s, down_for: 1s}
        """,
        """
        - 41.872 notified: op1 completed, a:1, key 1
        - 73.856 notified: op1 completed, a:1, key 1
        + 41.000 failed to start
        """,
    ),
    "tidies-up-at-the-start": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: crash, at: 10s, down_for: 1s}
          - {fault: duplicate, region: east, after: [20s]}
        """,
        """
        + 140.000 notified: op1 timed_out without west, a:1, key 2
        """,
    ),
    "remembers-for-three-days": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: duplicate, region: east, after: [4d]}
        """,
        """
        + 345720.000 notified: op1 timed_out without west, a:1, key 2
        """,
    ),
    "remembers-from-the-start": run(
        """
        timeout: 8d
        operations:
          - {image: "a:1", reaches: {east: 0s, west: never}}
        faults:
          - {fault: duplicate, region: east, after: [9d]}
        """,
        """
        + 1468800.000 notified: op1 timed_out without west, a:1, key 2
        """,
    ),
    "remembers-for-six-days": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: duplicate, region: east, after: [6.5d]}
        """,
        """
        + 561720.000 notified: op1 timed_out without west, a:1, key 2
        """,
    ),
    "forgets-timeouts-after-a-day": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
          - {image: "a:2", reaches: {east: 0s, west: 2d}}
        faults:
          - {fault: duplicate, operation: op1, region: east, after: [2d]}
        """,
        """
        + 172920.000 notified: op2 timed_out without east, a:2, key 3
        """,
    ),
    "remembers-a-hundred-outcomes": run(
        """
        operations:
          - {image: "a:{n}", repeat: 101, every: 1s, reaches: {east: 0s, west: 0s}}
        faults:
          - {fault: duplicate, operation: op1/1, region: east, after: [200s]}
        """,
        """
        + 320.000 notified: op1/1 timed_out without west, a:1, key 102
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
