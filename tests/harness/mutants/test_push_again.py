"""An image that is pushed again: each mutant differs from a right aggregator in one way."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

AGAIN = """
        correlation: image
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
          - {image: "a:1", at: 10m, reaches: {east: 0s, west: 1s}}
        """
RUNS = {
    "push-again-ignored": run(
        AGAIN,
        """
        - 601.000 notified: op2 completed, a:1, key 2
        """,
    ),
    "late-region-begins-anew": run(
        """
        correlation: image
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 10m}}
        """,
        """
        + 720.000 notified: op1 timed_out without east, a:1, key 2
        """,
    ),
    "late-report-is-forgotten": run(
        """
        correlation: image
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 10m}}
          - {image: "a:1", at: 1h, reaches: {east: 1s, west: 0s}}
        """,
        """
        - 3601.000 notified: op2 completed, a:1, key 2
        + 3721.000 notified: op2 timed_out without west, a:1, key 2
        """,
    ),
    "remembers-the-latest-push": run(
        """
        correlation: image
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
          - {image: "a:1", at: 10m, reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: duplicate, operation: op1, region: east, after: [20m]}
        """,
        """
        + 1320.000 notified: op2 timed_out without west, a:1, key 3
        """,
    ),
    "waits-for-acceptance": run(
        """
        correlation: image
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
          - {image: "a:1", at: 10m, reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-down, until: 602s}
        """,
        """
        - 603.843 notified: op2 completed, a:1, key 1
        - 762.494 notified: op2 completed, a:1, key 2
        + 762.494 notified: op2 completed, a:1, key 1
        """,
    ),
    "copies-count-for-the-next-push": run(
        """
        correlation: image
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
          - {image: "a:1", at: 10m, reaches: {east: 0s, west: never}}
        faults:
          - {fault: duplicate, operation: op1, region: west, after: [601s]}
        """,
        """
        - 720.000 notified: op2 timed_out without west, a:1, key 2
        + 602.000 notified: op2 completed, a:1, key 2
        """,
    ),
    "copies-of-late-webhooks": run(
        """
        correlation: image
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 10m}}
          - {image: "a:1", at: 1h, reaches: {east: 1s, west: 0s}}
        faults:
          - {fault: duplicate, operation: op1, region: west, after: [20m]}
        """,
        """
        + 1920.000 notified: op1 timed_out without east, a:1, key 2
        - 3601.000 notified: op2 completed, a:1, key 2
        + 3601.000 notified: op2 completed, a:1, key 3
        """,
    ),
    "expects-the-regions-of-before": run(
        """
        correlation: image
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
          - {image: "a:1", at: 10m, reaches: {east: 0s, west: never}}
        faults:
          - {fault: restart, at: 5m, expects: [east]}
        """,
        """
        - 600.000 notified: op2 completed, a:1, key 2
        + 720.000 notified: op2 timed_out without west, a:1, key 2
        """,
    ),
    "one-key-per-image": run(
        AGAIN,
        """
        - 601.000 notified: op2 completed, a:1, key 2
        + 601.000 notified: op2 completed, a:1, key 1
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
