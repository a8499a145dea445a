"""Late completions: each mutant differs from a right aggregator in one way."""

import pytest

from fanin.harness.mutants.registry import HEALTHY, MUTANTS
from tests.harness.mutants.behaviour import difference, run

LATE = """
        notifies_late: true
        regions: [east, west, north]
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 10m, north: 20m}}
        faults:
          - {fault: duplicate, region: north, after: [10m]}
        """
RUNS = {
    "notifies-at-the-first-late-region": run(
        LATE,
        """
        + 600.000 notified: op1 completed_late, a:1, key 2
        - 1200.000 notified: op1 completed_late, a:1, key 2
        """,
    ),
    "notifies-with-each-late-webhook": run(
        LATE,
        """
        + 1800.000 notified: op1 completed_late, a:1, key 3
        """,
    ),
    "notifies-late-under-the-outcomes-key": run(
        LATE,
        """
        - 1200.000 notified: op1 completed_late, a:1, key 2
        + 1200.000 notified: op1 completed_late, a:1, key 1
        """,
    ),
    "looks-before-the-last-is-noted": run(
        LATE,
        """
        - 1200.000 notified: op1 completed_late, a:1, key 2
        + 1800.000 notified: op1 completed_late, a:1, key 2
        """,
    ),
    "resumes-outcomes-alone": run(
        """
        notifies_late: true
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 10m}}
        faults:
          - {fault: sink-refuses, since: 9m, until: 605s}
          - {fault: crash, at: 602s, down_for: 1s}
        """,
        """
        - 603.000 notified: op1 completed_late, a:1, key 2
        - 607.731 notified: op1 completed_late, a:1, key 2
        """,
    ),
    "late-only-after-acceptance": run(
        """
        notifies_late: true
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 130s}}
        faults:
          - {fault: sink-down, until: 140s}
        """,
        """
        - 147.286 notified: op1 completed_late, a:1, key 1
        - 149.592 notified: op1 timed_out without west, a:1, key 2
        + 149.592 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "never-notifies-late": run(
        LATE,
        """
        - 1200.000 notified: op1 completed_late, a:1, key 2
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference


def test_the_healthy_one_is_the_real_aggregator() -> None:
    """It only says what it has."""
    assert difference(HEALTHY["notifies-late"], RUNS["never-notifies-late"].scenario) == ""
