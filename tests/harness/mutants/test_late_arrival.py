"""Arrivals after the outcome: each mutant differs from a right aggregator in one way."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

RUNS = {
    "deletes-on-completion": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: duplicate, region: west, after: [10s]}
        """,
        """
        + 131.000 notified: op1 timed_out without east, a:1, key 2
        """,
    ),
    "retention-of-five-minutes": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: duplicate, region: west, after: [10m]}
        """,
        """
        + 721.000 notified: op1 timed_out without east, a:1, key 2
        """,
    ),
    "completes-after-timeout": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 130s}}
        """,
        """
        + 130.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "refuses-late-arrivals": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 130s}}
        """,
        """
        - 130.000 op1 west: 202
        + 130.000 op1 west: 410
        """,
    ),
    "renders-again-at-a-start": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 130s}}
        faults:
          - {fault: sink-refuses, until: 142s}
          - {fault: restart, at: 140s}
        """,
        """
        - 149.592 notified: op1 timed_out without west, a:1, key 1
        + 149.592 notified: op1 timed_out, a:1, key 1
        """,
    ),
    "inherits-arrivals": run(
        """
        operations:
          - {image: "a:1", id: again, reaches: {east: 0s, west: never}}
          - {image: "a:2", id: again, at: 8d, reaches: {east: never, west: 0s}}
        """,
        """
        - 691320.000 notified: op1 timed_out without east, a:2, key 2
        + 691200.000 notified: op1 completed, a:2, key 2
        """,
    ),
    "promise-stays-resolved": run(
        """
        operations:
          - {image: "a:1", id: again, reaches: {east: 0s, west: 1s}}
          - {image: "a:2", id: again, at: 8d, reaches: {east: 0s, west: never}}
        """,
        """
        - 691320.000 notified: op1 timed_out without west, a:2, key 2
        + 691200.000 notified: op1 completed, a:2, key 2
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
