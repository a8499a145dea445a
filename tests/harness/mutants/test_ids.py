"""Ids: two operations are one only if their ids are equal."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

LONG, HALF = "x" * 200, "x" * 100
RUNS = {
    "ids-in-one-case": run(
        """
        operations:
          - {image: "a:1", id: "a", reaches: {east: 0s, west: 1s}}
          - {image: "a:2", id: "A", at: 2s, reaches: {east: 0s, west: never}}
        """,
        """
        - 122.000 notified: op2 timed_out without west, a:2, key 2
        """,
    ),
    "ids-cut-short": run(
        """
        operations:
          - image: "a:1"
            id: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxa"
            reaches: {east: 0s, west: 1s}
          - image: "a:2"
            id: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxb"
            at: 2s
            reaches: {east: 0s, west: never}
        """,
        """
        - 122.000 notified: op2 timed_out without west, a:2, key 2
        """,
    ),
    "ids-in-a-long-column": run(
        f"""
        operations:
          - {{image: "a:1", id: "{LONG}a", reaches: {{east: 0s, west: 1s}}}}
          - {{image: "a:2", id: "{LONG}b", at: 2s, reaches: {{east: 0s, west: never}}}}
        """,
        """
        - 122.000 notified: op2 timed_out without west, a:2, key 2
        """,
    ),
    "ids-as-guids": run(
        """
        operations:
          - {image: "a:1", id: "5b7c1f0e-2f7a-4a53-9a37-0d4c0a1b2c3d", reaches: {east: 0s, west: 1s}}
          - {image: "a:2", id: "5b7c1f0e2f7a4a539a370d4c0a1b2c3d", at: 2s, reaches: {east: 0s, west: never}}
        """,
        """
        - 122.000 notified: op2 timed_out without west, a:2, key 2
        """,
    ),
    "ids-as-file-names": run(
        """
        operations:
          - {image: "a:1", id: "a/b", reaches: {east: 0s, west: 1s}}
          - {image: "a:2", id: "a_b", at: 2s, reaches: {east: 0s, west: never}}
        """,
        """
        - 122.000 notified: op2 timed_out without west, a:2, key 2
        """,
    ),
    "ids-trimmed": run(
        """
        operations:
          - {image: "a:1", id: "a", reaches: {east: 0s, west: 1s}}
          - {image: "a:2", id: "a ", at: 2s, reaches: {east: 0s, west: never}}
        """,
        """
        - 122.000 notified: op2 timed_out without west, a:2, key 2
        """,
    ),
    "ids-decoded": run(
        """
        operations:
          - {image: "a:1", id: "a/b", reaches: {east: 0s, west: 1s}}
          - {image: "a:2", id: "a%2Fb", at: 2s, reaches: {east: 0s, west: never}}
        """,
        """
        - 122.000 notified: op2 timed_out without west, a:2, key 2
        """,
    ),
    "ids-composed": run(
        """
        operations:
          - {image: "a:1", id: "\\u00e9", reaches: {east: 0s, west: 1s}}
          - {image: "a:2", id: "e\\u0301", at: 2s, reaches: {east: 0s, west: never}}
        """,
        """
        - 122.000 notified: op2 timed_out without west, a:2, key 2
        """,
    ),
    "ids-in-ascii": run(
        """
        operations:
          - {image: "a:1", id: "a", reaches: {east: 0s, west: 1s}}
          - {image: "a:2", id: "a\\u00e9", at: 2s, reaches: {east: 0s, west: never}}
        """,
        """
        - 122.000 notified: op2 timed_out without west, a:2, key 2
        """,
    ),
    "ids-as-numbers": run(
        """
        operations:
          - {image: "a:1", id: "7", reaches: {east: 0s, west: 1s}}
          - {image: "a:2", id: "007", at: 2s, reaches: {east: 0s, west: never}}
        """,
        """
        - 122.000 notified: op2 timed_out without west, a:2, key 2
        """,
    ),
    "ids-in-three-bytes": run(
        """
        operations:
          - {image: "a:1", id: "\\U0001f600", reaches: {east: 0s, west: 1s}}
          - {image: "a:2", id: "\\U0001f601", at: 2s, reaches: {east: 0s, west: never}}
        """,
        """
        - 122.000 notified: op2 timed_out without west, a:2, key 2
        """,
    ),
    "ids-first-and-last": run(
        f"""
        operations:
          - {{image: "a:1", id: "{HALF}a{HALF}", reaches: {{east: 0s, west: 1s}}}}
          - {{image: "a:2", id: "{HALF}b{HALF}", at: 2s, reaches: {{east: 0s, west: never}}}}
        """,
        """
        - 122.000 notified: op2 timed_out without west, a:2, key 2
        """,
    ),
    "ids-decoded-plus": run(
        """
        operations:
          - {image: "a:1", id: "a+b", reaches: {east: 0s, west: 1s}}
          - {image: "a:2", id: "a b", at: 2s, reaches: {east: 0s, west: never}}
        """,
        """
        - 122.000 notified: op2 timed_out without west, a:2, key 2
        """,
    ),
    "ids-without-controls": run(
        """
        operations:
          - {image: "a:1", id: "\\u2764", reaches: {east: 0s, west: 1s}}
          - {image: "a:2", id: "\\u2764\\ufe0f", at: 2s, reaches: {east: 0s, west: never}}
        """,
        """
        - 122.000 notified: op2 timed_out without west, a:2, key 2
        """,
    ),
    "ids-by-checksum": run(
        """
        operations:
          - {image: "a:1", id: "plumless", reaches: {east: 0s, west: 1s}}
          - {image: "a:2", id: "buckeroo", at: 2s, reaches: {east: 0s, west: never}}
        """,
        """
        - 122.000 notified: op2 timed_out without west, a:2, key 2
        """,
    ),
    "ids-joined-with-regions": run(
        """
        regions: [us, east-us]
        operations:
          - {image: "a:1", id: "push-east", reaches: {us: 0s, east-us: 1s}}
          - {image: "a:2", id: "push", at: 2s, reaches: {us: 1s, east-us: 0s}}
        """,
        """
        - 3.000 notified: op2 completed, a:2, key 2
        + 123.000 notified: op2 timed_out without east-us, a:2, key 2
        """,
    ),
    "requires-uuids": run(
        """
        operations:
          - {image: "a:1", id: "a", reaches: {east: 0s, west: 1s}}
          - {image: "a:2", id: "b", at: 2s, reaches: {east: 0s, west: never}}
        """,
        """
        - 0.000 op1 east: 202
        - 1.000 op1 west: 202
        - 1.000 notified: op1 completed, a:1, key 1
        - 2.000 op2 east: 202
        - 122.000 notified: op2 timed_out without west, a:2, key 2
        + 0.000 op1 east: 400
        + 1.000 op1 west: 400
        + 2.000 op2 east: 400
        """,
    ),
    "ids-in-latin": run(
        """
        operations:
          - {image: "a:1", id: "a", reaches: {east: 0s, west: 1s}}
          - {image: "a:2", id: "\\u63a8", at: 2s, reaches: {east: 0s, west: never}}
        """,
        """
        - 122.000 notified: op2 timed_out without west, a:2, key 2
        + 122.000 notified: op2 timed_out without west, a:2, key 2, id ?
        """,
    ),
    "ids-made-text": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: malform, region: west, how: number-id}
        """,
        """
        - 1.000 op1 west: 400
        + 1.000 op1 west: 202
        + 121.000 notified: op1 timed_out without east, a:1, key 2
        """,
    ),
    "looks-up-any-id": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: malform, region: west, how: id-not-text}
        """,
        """
        - 1.000 op1 west: 400
        + 1.000 op1 west: 500
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
