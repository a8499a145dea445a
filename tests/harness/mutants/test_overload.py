"""503 with Retry-After: each mutant says it without need, or so that it helps no sender."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

RUNS = {
    "puts-off-all-but-the-first": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 op1 west: 202
        - 1.000 notified: op1 completed, a:1, key 1
        + 1.000 op1 west: 503 retry after 30
        + 120.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "puts-off-while-the-sink-fails": run(
        """
        operations:
          - {name: refused, image: "a:1", reaches: {east: 0s, west: 0s}}
          - {image: "b:1", at: 1s, reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-refuses, operation: refused, until: 10s}
        """,
        """
        - 1.000 op2 east: 202
        - 2.000 op2 west: 202
        - 2.000 notified: op2 completed, b:1, key 2
        + 1.000 op2 east: 503 retry after 30
        + 2.000 op2 west: 503 retry after 30
        """,
    ),
    "retry-after-soon": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 0s}}
        """,
        """
        - 0.000 op1 west: 202
        - 0.000 op1 east: 202
        - 0.000 notified: op1 completed, a:1, key 1
        + 0.000 op1 west: 503 retry after soon
        + 0.001 op1 east: 202
        + 120.001 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "puts-off-what-is-malformed": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: malform, region: west, how: not-json}
        """,
        """
        - 1.000 op1 west: 400
        + 1.000 op1 west: 503 retry after 30
        """,
    ),
    "refuses-duplicates": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: duplicate, region: east, after: [2s]}
        """,
        """
        - 2.000 op1 east: 202
        + 2.000 op1 east: 409
        """,
    ),
    "takes-pings-for-events": run(
        """
        operations:
          - {action: ping}
        """,
        """
        - 0.000 op1 east: 200
        - 0.000 op1 west: 200
        + 0.000 op1 east: 202
        + 0.000 op1 west: 202
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
