"""Event Grid: each mutant differs from a right aggregator in one way."""

import pytest

from fanin.harness.mutants.registry import HEALTHY, MUTANTS
from tests.harness.mutants.behaviour import difference, run

BATCH = """
        sender: {profile: event-grid, envelope: 2s}
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
          - {image: "a:2", at: 50ms, reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: malform, operation: op2, region: west, how: no-id}
        """
RUNS = {
    "grid-first-event-only": run(
        BATCH,
        """
        - 2.000 notified: op1 completed, a:1, key 1
        - 122.000 notified: op2 timed_out without west, a:2, key 2
        + 122.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "grid-refuses-the-batch": run(
        BATCH,
        """
        - 2.000 op1 east: 202
        - 2.000 op2 east: 202
        - 2.000 op1 west: 202
        - 2.000 op2 west: 202
        - 2.000 notified: op1 completed, a:1, key 1
        - 122.000 notified: op2 timed_out without west, a:2, key 2
        + 2.000 op1 east: 400
        + 2.000 op2 east: 400
        + 2.000 op1 west: 400
        + 2.000 op2 west: 400
        """,
    ),
    "grid-correlates-by-event": run(
        """
        sender: {profile: event-grid}
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 notified: op1 completed, a:1, key 1
        + 120.000 notified: op1 timed_out without west, a:1, key 1
        + 121.000 notified: op1 timed_out without east, a:1, key 2
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference


def test_the_healthy_variant_does_not_differ() -> None:
    """A batch is refused only if all of it is."""
    assert difference(HEALTHY["grid-one-by-one"], RUNS["grid-first-event-only"].scenario) == ""
