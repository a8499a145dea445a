"""The published sample of 2018: each mutant differs from a right aggregator in one way."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

RUNS = {
    "original-sample": run(
        """
        timeout: 80s
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 10s}}
        """,
        """
        - 0.000 op1 east: 202
        - 10.000 op1 west: 202
        - 10.000 notified: op1 completed, a:1, key 1
        + 0.005 op1 east: 202
        + 10.005 op1 west: 202
        + 120.005 notified: op1 timed_out without east, west, a:1, no key
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
