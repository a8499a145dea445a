"""Signatures of webhooks: each mutant differs from a right aggregator in one way."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

RUNS = {
    "no-signature-check": run(
        """
        sender: {profile: standard-webhooks, attempts: 1}
        signing:
          secrets: [whsec_b25jZSB1cG9uIGEgdGltZSwgYSBzZWNyZXQ=]
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: forge, region: west, how: unsigned}
        """,
        """
        - 1.000 op1 west: 401
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        + 1.000 op1 west: 202
        + 1.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "accepts-old-signatures": run(
        """
        sender: {profile: standard-webhooks, attempts: 1}
        signing:
          secrets: [whsec_b25jZSB1cG9uIGEgdGltZSwgYSBzZWNyZXQ=]
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sign-earlier, region: west, by: 5m10s}
        """,
        """
        - 1.000 op1 west: 401
        - 120.000 notified: op1 timed_out without west, a:1, key 1
        + 1.000 op1 west: 202
        + 1.000 notified: op1 completed, a:1, key 1
        """,
    ),
    "single-secret": run(
        """
        sender: {profile: standard-webhooks, attempts: 1}
        signing:
          secrets:
            - whsec_b25jZSB1cG9uIGEgdGltZSwgYSBzZWNyZXQ=
            - whsec_YW5vdGhlciBzZWNyZXQsIG5ld2VyIGFuZCBiZXR0ZXI=
          rotates: 5s
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 10s}}
        """,
        """
        - 10.000 op1 west: 202
        - 10.000 notified: op1 completed, a:1, key 1
        + 10.000 op1 west: 401
        + 120.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
    "expects-one-signature": run(
        """
        sender: {profile: standard-webhooks, attempts: 1}
        signing:
          secrets: [whsec_b25jZSB1cG9uIGEgdGltZSwgYSBzZWNyZXQ=]
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
    "age-from-event-time": run(
        """
        sender: {profile: standard-webhooks, attempts: 3}
        signing:
          secrets: [whsec_b25jZSB1cG9uIGEgdGltZSwgYSBzZWNyZXQ=]
        timeout: 10m
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: lose-request, region: west, attempts: 2}
        """,
        """
        - 336.000 op1 west: 202
        - 336.000 notified: op1 completed, a:1, key 1
        + 336.000 op1 west: 401
        + 600.000 notified: op1 timed_out without west, a:1, key 1
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
