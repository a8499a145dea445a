"""Filters: each mutant differs from a right aggregator in one way."""

import pytest

from fanin.harness.mutants.registry import HEALTHY, MUTANTS
from tests.harness.mutants.behaviour import difference, run

SIGNATURE = "a:sha256-" + 64 * "3" + ".sig"
SIGNED = f"""
        only: {{tagged: true, attachments: false}}
        operations:
          - {{image: "a:1", reaches: {{east: 0s, west: 1s}}}}
          - {{image: "{SIGNATURE}", at: 5s, reaches: {{east: 0s, west: 1s}}}}
        """
REPORTED = f"""
        - 5.000 op2 east: 200
        - 6.000 op2 west: 200
        + 5.000 op2 east: 202
        + 6.000 op2 west: 202
        + 6.000 notified: op2 completed, {SIGNATURE}, key 2
        """
RUNS = {
    "reports-every-manifest": run(SIGNED, REPORTED),
    "refuses-what-it-ignores": run(
        SIGNED,
        """
        - 5.000 op2 east: 200
        - 6.000 op2 west: 200
        + 5.000 op2 east: 404
        + 6.000 op2 west: 404
        """,
    ),
    "waits-for-attachments": run(SIGNED, REPORTED),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference


def test_the_healthy_one_is_the_real_aggregator() -> None:
    """It only says what it has."""
    assert difference(HEALTHY["filters"], RUNS["reports-every-manifest"].scenario) == ""
