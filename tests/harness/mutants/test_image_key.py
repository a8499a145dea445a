"""The image as the key: each mutant leaves out a part of it."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

RUNS = {
    "image-without-host": run(
        """
        correlation: image
        ids: distinct
        operations:
          - image: a:1@sha256:1111111111111111111111111111111111111111111111111111111111111111
            reaches: {east: 0s, west: 3s}
          - image: a:1@sha256:1111111111111111111111111111111111111111111111111111111111111111
            at: 1s
            quirks: [no-request]
            reaches: {east: 0s, west: never}
        """,
        """
        - 121.000 notified: op2 timed_out without west, a:1, key 2
        """,
    ),
    "image-without-action": run(
        """
        correlation: image
        ids: distinct
        operations:
          - image: a:1@sha256:1111111111111111111111111111111111111111111111111111111111111111
            reaches: {east: 0s, west: 3s}
          - image: a:1@sha256:1111111111111111111111111111111111111111111111111111111111111111
            at: 1s
            action: quarantine
            reaches: {east: 0s, west: never}
        """,
        """
        - 121.000 notified: op2 timed_out without west, a:1, key 2
        """,
    ),
    "image-without-path": run(
        """
        correlation: image
        ids: distinct
        operations:
          - image: x/a:1@sha256:1111111111111111111111111111111111111111111111111111111111111111
            reaches: {east: 0s, west: 3s}
          - image: y/a:1@sha256:1111111111111111111111111111111111111111111111111111111111111111
            at: 1s
            reaches: {east: 0s, west: never}
        """,
        """
        - 121.000 notified: op2 timed_out without west, y/a:1, key 2
        """,
    ),
    "image-without-tag": run(
        """
        correlation: image
        ids: distinct
        operations:
          - image: a:1@sha256:1111111111111111111111111111111111111111111111111111111111111111
            reaches: {east: 0s, west: 3s}
          - image: a:2@sha256:1111111111111111111111111111111111111111111111111111111111111111
            at: 1s
            reaches: {east: 0s, west: never}
        """,
        """
        - 121.000 notified: op2 timed_out without west, a:2, key 2
        """,
    ),
    "image-without-digest": run(
        """
        correlation: image
        ids: distinct
        operations:
          - image: a:1@sha256:1111111111111111111111111111111111111111111111111111111111111111
            reaches: {east: 0s, west: 3s}
          - image: a:1@sha256:2222222222222222222222222222222222222222222222222222222222222222
            at: 1s
            reaches: {east: 0s, west: never}
        """,
        """
        - 121.000 notified: op2 timed_out without west, a:1, key 2
        """,
    ),
    "image-in-one-case": run(
        """
        correlation: image
        ids: distinct
        operations:
          - image: a:x1@sha256:1111111111111111111111111111111111111111111111111111111111111111
            reaches: {east: 0s, west: 3s}
          - image: a:X1@sha256:1111111111111111111111111111111111111111111111111111111111111111
            at: 1s
            reaches: {east: 0s, west: never}
        """,
        """
        - 121.000 notified: op2 timed_out without west, a:X1, key 2
        """,
    ),
    "image-with-short-digest": run(
        """
        correlation: image
        ids: distinct
        operations:
          - image: a:x1@sha256:1111111111111111111111111111111111111111111111111111111111111111
            reaches: {east: 0s, west: 3s}
          - image: a:x1@sha256:1111111111111111111111111111111111111111111111111111111111111112
            at: 1s
            reaches: {east: 0s, west: never}
        """,
        """
        - 121.000 notified: op2 timed_out without west, a:x1, key 2
        """,
    ),
    "image-parts-run-together": run(
        """
        correlation: image
        ids: distinct
        operations:
          - image: a:1-0@sha256:1111111111111111111111111111111111111111111111111111111111111111
            reaches: {east: 0s, west: 3s}
          - image: a-1:0@sha256:1111111111111111111111111111111111111111111111111111111111111111
            at: 1s
            reaches: {east: 0s, west: never}
        """,
        """
        - 121.000 notified: op2 timed_out without west, a-1:0, key 2
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
