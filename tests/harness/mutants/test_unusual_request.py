"""Unusual requests: each mutant refuses one that is valid."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

RUNS = {
    "refuses-unknown-fields": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}, quirks: [extra-fields]}
        """,
        """
        - 0.000 op1 east: 202
        - 1.000 op1 west: 202
        - 1.000 notified: op1 completed, a:1, key 1
        + 0.000 op1 east: 400
        + 1.000 op1 west: 400
        """,
    ),
    "refuses-long-bodies": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}, padding: 200000}
        """,
        """
        - 0.000 op1 east: 202
        - 1.000 op1 west: 202
        - 1.000 notified: op1 completed, a:1, key 1
        + 0.000 op1 east: 413
        + 1.000 op1 west: 413
        """,
    ),
    "limits-bodies-to-a-megabyte": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}, padding: 1000000}
        """,
        """
        - 0.000 op1 east: 202
        - 1.000 op1 west: 202
        - 1.000 notified: op1 completed, a:1, key 1
        + 0.000 op1 east: 413
        + 1.000 op1 west: 413
        """,
    ),
    "requires-optional-fields": run(
        """
        operations:
          - {image: "a:1", action: chart_push, reaches: {east: 0s, west: 1s}}
        """,
        """
        - 0.000 op1 east: 202
        - 1.000 op1 west: 202
        - 1.000 notified: op1 completed, a:a-1.tgz, key 1
        + 0.000 op1 east: 400
        + 1.000 op1 west: 400
        """,
    ),
    "loses-body-at-upgrade": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: upgrade-h2c, region: west}
        """,
        """
        - 1.000 op1 west: 202
        - 1.000 notified: op1 completed, a:1, key 1
        + 1.000 op1 west: 400
        + 120.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "requires-media-type": run(
        """
        operations:
          - {image: "a:1", quirks: [no-media-type], reaches: {east: 0s, west: 1s}}
        """,
        """
        - 0.000 op1 east: 202
        - 1.000 op1 west: 202
        - 1.000 notified: op1 completed, a:1, key 1
        + 0.000 op1 east: 400
        + 1.000 op1 west: 400
        """,
    ),
    "requires-a-tag": run(
        """
        operations:
          - image: a@sha256:1111111111111111111111111111111111111111111111111111111111111111
            reaches: {east: 0s, west: 1s}
        """,
        """
        - 0.000 op1 east: 202
        - 1.000 op1 west: 202
        - 1.000 notified: op1 completed, a:None, key 1
        + 0.000 op1 east: 400
        + 1.000 op1 west: 400
        """,
    ),
    "requires-short-ids": run(
        """
        operations:
          - image: "a:1"
            id: "a-build-with-a-name-that-says-which-branch-of-which-repository-was-built-by-whom-\\
              and-on-which-day-of-which-month-of-which-year-it-was"
            reaches: {east: 0s, west: 1s}
        """,
        """
        - 0.000 op1 east: 202
        - 1.000 op1 west: 202
        - 1.000 notified: op1 completed, a:1, key 1
        + 0.000 op1 east: 400
        + 1.000 op1 west: 400
        """,
    ),
    "requires-a-bare-type": run(
        """
        webhooks: {west: {headers: {Content-Type: "application/json; charset=utf-8"}}}
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 op1 west: 202
        - 1.000 notified: op1 completed, a:1, key 1
        + 1.000 op1 west: 415
        + 120.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "compares-encoded-keys": run(
        """
        key: "four=4"
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 0.000 op1 east: 202
        - 1.000 op1 west: 202
        - 1.000 notified: op1 completed, a:1, key 1
        + 0.000 op1 east: 401
        + 1.000 op1 west: 401
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
