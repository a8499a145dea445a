"""Whether an operation is complete: each mutant differs from a right aggregator in one way."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

RUNS = {
    "regions-seen-so-far": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 10s}}
        """,
        """
        + 0.000 notified: op1 completed, a:1, key 1
        - 10.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "single-region-never-completes": run(
        """
        regions: [east]
        operations:
          - {image: "a:1", reaches: {east: 0s}}
        """,
        """
        - 0.000 notified: op1 completed, a:1, key 1
        + 120.000 notified: op1 timed_out, a:1, key 1
        """,
    ),
    "requires-region-order": run(
        """
        regions: [east, north, west]
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s, north: 2s}}
        """,
        """
        - 2.000 notified: op1 completed, a:1, key 1
        + 120.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "correlates-by-tag": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
          - {image: "a:1", at: 10s, reaches: {east: 0s, west: 1s}}
        """,
        """
        - 11.000 notified: op2 completed, a:1, key 2
        """,
    ),
    "ignores-correlation-setting": run(
        """
        correlation: image
        ids: distinct
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 notified: op1 completed, a:1, key 1
        + 120.000 notified: op1 timed_out without west, a:1, key 1
        + 121.000 notified: op1 timed_out without east, a:1, key 2
        """,
    ),
    "any-region-counts": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: unknown-region, region: west, as: mars}
        """,
        """
        - 1.000 op1 west: 422
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        + 1.000 op1 west: 202
        + 1.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "counts-regions-added-since": run(
        """
        regions: [east, west, north]
        expects: [east, west]
        operations:
          - {image: "a:1", reaches: {east: 0s, west: never, north: 20s}}
        faults:
          - {fault: restart, at: 10s, expects: [east, west, north]}
        """,
        """
        - 20.000 op1 north: 422
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        + 20.000 op1 north: 202
        + 20.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "case-sensitive": run(
        """
        webhooks:
          west: {uri: "/api/ImagePush?region=WEST"}
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 op1 west: 202
        - 1.000 notified: op1 completed, a:1, key 1
        + 1.000 op1 west: 422
        + 120.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "untrimmed": run(
        """
        webhooks:
          west: {uri: "/webhooks/%20west%20"}
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 1.000 op1 west: 202
        - 1.000 notified: op1 completed, a:1, key 1
        + 1.000 op1 west: 422
        + 120.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "accepts-unknown-regions": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: unknown-region, region: west, as: mars}
        """,
        """
        - 1.000 op1 west: 422
        + 1.000 op1 west: 202
        """,
    ),
    "shared-subject": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 10s}}
          - {image: "a:2", at: 5s, reaches: {east: 0s, west: 10s}}
        """,
        """
        - 10.000 notified: op1 completed, a:1, key 1
        + 10.000 notified: op1 completed, a:2, key 1
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
