"""The response to a webhook: each mutant differs from a right aggregator in one way."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

RUNS = {
    "fails-under-load": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 0s}}
        """,
        """
        - 0.000 op1 west: 202
        - 0.000 op1 east: 202
        - 0.000 notified: op1 completed, a:1, key 1
        + 0.001 op1 west: 500
        + 0.001 op1 east: 202
        + 120.001 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "busy-without-retry-after": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 0s}}
        """,
        """
        - 0.000 op1 west: 202
        - 0.000 op1 east: 202
        - 0.000 notified: op1 completed, a:1, key 1
        + 0.001 op1 west: 503
        + 0.001 op1 east: 202
        + 120.001 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "answers-slowly": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        """,
        """
        - 0.000 op1 east: 202
        - 1.000 op1 west: 202
        + 10.000 op1 east: timeout
        + 11.000 op1 west: timeout
        """,
    ),
    "crashes-on-malformed-body": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: malform, region: west, how: not-json}
        """,
        """
        - 1.000 op1 west: 400
        + 1.000 op1 west: 500
        """,
    ),
    "swallows-errors": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: malform, region: west, how: not-json}
        """,
        """
        - 1.000 op1 west: 400
        + 1.000 op1 west: 202
        """,
    ),
    "hangs-on-malformed-body": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: malform, region: west, how: not-json}
        """,
        """
        - 1.000 op1 west: 400
        + 11.000 op1 west: timeout
        """,
    ),
    "accepts-any-key": run(
        """
        key: open-sesame
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: wrong-key, region: west}
        """,
        """
        - 1.000 op1 west: 401
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        + 1.000 op1 west: 202
        + 1.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "accepts-no-key": run(
        """
        key: open-sesame
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: wrong-key, region: west, how: none}
        """,
        """
        - 1.000 op1 west: 401
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        + 1.000 op1 west: 202
        + 1.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "accepts-a-part-of-a-key": run(
        """
        key: open-sesame
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: wrong-key, region: west, how: beginning}
        """,
        """
        - 1.000 op1 west: 401
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        + 1.000 op1 west: 202
        + 1.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "accepts-more-than-a-key": run(
        """
        key: open-sesame
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: wrong-key, region: west, how: longer}
        """,
        """
        - 1.000 op1 west: 401
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        + 1.000 op1 west: 202
        + 1.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "accepts-a-key-in-any-case": run(
        """
        key: open-sesame
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: wrong-key, region: west, how: other-case}
        """,
        """
        - 1.000 op1 west: 401
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        + 1.000 op1 west: 202
        + 1.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "keys-cut-at-seventy-two": run(
        f"""
        key: {"k" * 72}
        operations:
          - {{image: "a:1", reaches: {{east: 0s, west: 1s}}}}
        faults:
          - {{fault: wrong-key, region: west, how: longer}}
        """,
        """
        - 1.000 op1 west: 401
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        + 1.000 op1 west: 202
        + 1.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "ping-before-key": run(
        """
        key: open-sesame
        operations:
          - {action: ping}
        faults:
          - {fault: wrong-key, region: west}
        """,
        """
        - 0.000 op1 west: 401
        + 0.000 op1 west: 200
        """,
    ),
    "checks-key-too-late": run(
        """
        key: open-sesame
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: wrong-key, region: west}
        """,
        """
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        + 1.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "begins-with-unknown-regions": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 10s}}
        faults:
          - {fault: unknown-region, region: east}
        """,
        """
        - 130.000 notified: op1 timed_out without east, a:1, key 1
        + 120.000 notified: op1 timed_out without east, a:1, key 1
        """,
    ),
    "begins-with-wrong-keys": run(
        """
        key: secret
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 10s}}
        faults:
          - {fault: wrong-key, region: east}
        """,
        """
        - 130.000 notified: op1 timed_out without east, a:1, key 1
        + 120.000 notified: op1 timed_out without east, a:1, key 1
        """,
    ),
    "begins-with-malformed-bodies": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 10s}}
        faults:
          - {fault: malform, region: east, how: no-target}
        """,
        """
        - 130.000 notified: op1 timed_out without east, a:1, key 1
        + 120.000 notified: op1 timed_out without east, a:1, key 1
        """,
    ),
    "reads-the-first-object": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: malform, region: west, how: two-objects}
        """,
        """
        - 1.000 op1 west: 400
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        + 1.000 op1 west: 202
        + 1.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "fans-in-pings": run(
        """
        operations:
          - {image: "a:1", action: ping, reaches: {east: 0s, west: never}}
          - {image: "a:2", at: 1s, reaches: {east: 0s, west: 1s}}
        """,
        """
        - 0.000 op1 east: 200
        - 0.000 op1 west: 200
        + 0.000 op1 west: 202
        + 0.000 op1 east: 202
        + 0.000 notified: op1 completed, None:None, key 1
        - 2.000 notified: op2 completed, a:2, key 1
        + 2.000 notified: op2 completed, a:2, key 2
        """,
    ),
    "fans-in-all-actions": run(
        """
        actions: [push]
        operations:
          - {image: "a:1", action: delete, reaches: {east: 0s, west: 1s}}
          - {image: "a:2", at: 2s, reaches: {east: 0s, west: 1s}}
        """,
        """
        - 0.000 op1 east: 200
        - 1.000 op1 west: 200
        + 0.000 op1 east: 202
        + 1.000 op1 west: 202
        + 1.000 notified: op1 completed, a:None, key 1
        - 3.000 notified: op2 completed, a:2, key 1
        + 3.000 notified: op2 completed, a:2, key 2
        """,
    ),
    "fans-in-actions-alike": run(
        """
        actions: [push]
        operations:
          - {image: "a:1", action: chart_push, reaches: {east: 0s, west: 1s}}
          - {image: "a:2", at: 2s, reaches: {east: 0s, west: 1s}}
        """,
        """
        - 0.000 op1 east: 200
        - 1.000 op1 west: 200
        + 0.000 op1 east: 202
        + 1.000 op1 west: 202
        + 1.000 notified: op1 completed, a:a-1.tgz, key 1
        - 3.000 notified: op2 completed, a:2, key 1
        + 3.000 notified: op2 completed, a:2, key 2
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
