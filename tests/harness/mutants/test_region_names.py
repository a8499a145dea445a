"""Region names: in the configuration as in URLs, and however many there are."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

MANY = [f"r{nth:02}" for nth in range(33)]
IN_TURN = ", ".join(f"{it}: {nth}s" for nth, it in enumerate(MANY[:-1]))
RUNS = {
    "regions-by-beginnings": run(
        """
        regions: [east, east2, west]
        operations:
          - {image: "a:1", home: east2, reaches: {east: never, east2: 0s, west: 1s}}
        """,
        """
        - 120.000 notified: op1 timed_out without east, a:1, key 1
        + 1.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "eight-regions": run(
        """
        regions: [a, b, c, d, e, f, g, h, i]
        operations:
          - {image: "a:1", reaches: {a: 0s, b: 0s, c: 0s, d: 0s, e: 0s, f: 0s, g: 0s, h: 1s, i: 2s}}
        """,
        """
        + 1.000 notified: op1 completed, a:1, key 1
        - 2.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "one-bit-per-region": run(
        f"""
        regions: [{", ".join(MANY)}]
        operations:
          - {{image: "a:1", home: r00, reaches: {{{IN_TURN}, r32: never}}}}
        """,
        """
        - 120.000 notified: op1 timed_out without r32, a:1, key 1
        + 31.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "regions-split-at-blanks": run(
        """
        regions: [East US, west]
        operations:
          - {image: "a:1", reaches: {East US: 0s, west: 1s}}
        """,
        """
        - 0.000 op1 East US: 202
        + 0.000 op1 East US: 400
        - 1.000 notified: op1 completed, a:1, key 1
        + 121.000 notified: op1 timed_out without east, us, a:1, key 1
        """,
    ),
    "regions-as-configured": run(
        """
        regions: [East, west]
        operations:
          - {image: "a:1", reaches: {East: 0s, west: 1s}}
        """,
        """
        - 0.000 op1 East: 202
        + 0.000 op1 East: 400
        - 1.000 notified: op1 completed, a:1, key 1
        + 121.000 notified: op1 timed_out without east, a:1, key 1
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
