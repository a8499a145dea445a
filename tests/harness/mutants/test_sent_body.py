# ruff: noqa: E501 - a name that is too long for a column is too long for a line
"""What is sent to the sink: each mutant sends something else."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

RUNS = {
    "notifies-with-put": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 notified: op1 completed, a:1, key 1
        + 1.000 notified: op1 completed, a:1, key 1, PUT
        """,
    ),
    "notifies-another-path": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 notified: op1 completed, a:1, key 1
        + 1.000 notified: op1 completed, a:1, key 1, to /notifications
        """,
    ),
    "notifies-as-a-form": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 notified: op1 completed, a:1, key 1
        + 1.000 notified: None None, None:None, key 1, no object
        """,
    ),
    "notifies-lists": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 notified: op1 completed, a:1, key 1
        + 1.000 notified: None None, None:None, key 1, no object
        """,
    ),
    "key-of-the-image": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
          - {image: "a:1", at: 2s, reaches: {east: 0s, west: 1s}}
        """,
        """
        - 3.000 notified: op2 completed, a:1, key 2
        + 3.000 notified: op2 completed, a:1, key 1
        """,
    ),
    "key-of-the-second": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 100ms}}
          - {image: "a:2", reaches: {east: 0s, west: 200ms}}
        """,
        """
        - 0.200 notified: op2 completed, a:2, key 2
        + 0.200 notified: op2 completed, a:2, key 1
        """,
    ),
    "key-of-the-id": run(
        """
        operations:
          - {image: "a:1", id: "推", reaches: {east: 0s, west: 1s}}
          - {image: "a:2", id: "送", at: 2s, reaches: {east: 0s, west: never}}
        """,
        """
        - 122.000 notified: op2 timed_out without west, a:2, key 2
        + 122.000 notified: op2 timed_out without west, a:2, key 1
        """,
    ),
    "ids-escaped": run(
        """
        operations:
          - {image: "a:1", id: "a?&", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 notified: op1 completed, a:1, key 1, id a?&
        + 1.000 notified: op1 completed, a:1, key 1, id a?&amp;
        """,
    ),
    "charts-by-their-names": run(
        """
        operations:
          - {action: chart_push, image: "charts:web-1.0.0.tgz", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 notified: op1 completed, charts:web-1.0.0.tgz, key 1
        + 1.000 notified: op1 completed, web:web-1.0.0.tgz, key 1
        """,
    ),
    "deadline-without-zone": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 notified: op1 completed, a:1, key 1
        + 1.000 notified: op1 completed, a:1, key 1, deadline 2026-03-01T00:02:00
        """,
    ),
    "deadline-when-decided": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 notified: op1 completed, a:1, key 1
        + 1.000 notified: op1 completed, a:1, key 1, deadline 1772323201000
        """,
    ),
    "digest-shortened": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 notified: op1 completed, a:1, key 1
        + 1.000 notified: op1 completed, a:1, key 1, digest sha256:1264a34883cd
        """,
    ),
    "names-cut-short": run(
        """
        operations:
          - {image: "a:the-tag-of-a-build-that-says-which-branch-of-which-repository-was-built-by-whom-and-on-which-day-of-it", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 notified: op1 completed, a:the-tag-of-a-build-that-says-which-branch-of-which-repository-was-built-by-whom-and-on-which-day-of-it, key 1
        + 1.000 notified: op1 completed, a:the-tag-of-a-build-that-says-which-branch-of-which-repository-was-built-by-whom-and-on-which-day-of-, key 1
        """,
    ),
    "names-five-missing": run(
        """
        regions: [a, b, c, d, e, f, g]
        operations:
          - {image: "a:1", reaches: {a: 0s, b: never, c: never, d: never, e: never, f: never, g: never}}
        """,
        """
        - 120.000 notified: op1 timed_out without b, c, d, e, f, g, a:1, key 1
        + 120.000 notified: op1 timed_out without b, c, d, e, f, a:1, key 1
        """,
    ),
    "names-the-missing-alone": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 notified: op1 completed, a:1, key 1
        + 1.000 notified: op1 completed, a:1, key 1, none arrived
        """,
    ),
    "content-of-the-last": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
          - {image: "b:1", at: 2s, reaches: {east: 0s, west: 1s}}
        """,
        """
        - 3.000 notified: op2 completed, b:1, key 2
        + 3.000 notified: op2 completed, a:1, key 2
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
