"""The deadline: each mutant differs from a right aggregator in one way."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

RUNS = {
    "no-timer": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: never}}
        """,
        """
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "rearms-on-restart": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: never}}
        faults:
          - {fault: restart, at: 60s}
        """,
        """
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        + 181.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "sliding-deadline": run(
        """
        regions: [east, north, west]
        operations:
          - {image: "a:1", reaches: {east: 0s, north: 60s, west: never}}
        """,
        """
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        + 180.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "deadline-from-payload-time": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 25s}}
        faults:
          - {fault: delay, by: 100s}
        """,
        """
        + 120.000 notified: op1 timed_out without west, a:1, key 1
        - 125.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "delay-overflows": run(
        """
        timeout: 30d
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1h}}
        """,
        """
        + 0.001 notified: op1 timed_out without west, a:1, key 1
        - 3600.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "timeout-in-whole-seconds": run(
        """
        timeout: 1500ms
        operations:
          - {image: "a:1", reaches: {east: 0s, west: never}}
        """,
        """
        - 1.500 notified: op1 timed_out without west, a:1, key 1
        + 1.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "deadline-in-local-time": run(
        """
        timeout: 30d
        operations:
          - {image: "a:1", reaches: {east: 0s, west: never}}
        """,
        """
        - 2592000.000 notified: op1 timed_out without west, a:1, key 1
        + 2588400.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "setting-misspelt": run(
        """
        timeout: 80s
        operations:
          - {image: "a:1", reaches: {east: 0s, west: never}}
        """,
        """
        - 80.000 notified: op1 timed_out without west, a:1, key 1
        + 120.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
