"""A sink that fails: each mutant gives up, or holds others up."""

import pytest

from fanin.harness.mutants.registry import MUTANTS
from tests.harness.mutants.behaviour import difference, run

RUNS = {
    "takes-client-errors-for-final": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-refuses, status: 404, until: 2s}
        """,
        """
        - 1.872 notified: op1 completed, a:1, key 1
        - 3.856 notified: op1 completed, a:1, key 1
        """,
    ),
    "takes-gone-for-final": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-refuses, status: 410, until: 2s}
        """,
        """
        - 1.872 notified: op1 completed, a:1, key 1
        - 3.856 notified: op1 completed, a:1, key 1
        """,
    ),
    "takes-redirects-for-accepted": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-refuses, status: 301, until: 2s}
        """,
        """
        - 1.872 notified: op1 completed, a:1, key 1
        - 3.856 notified: op1 completed, a:1, key 1
        """,
    ),
    "drops-what-is-too-much": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-refuses, status: 429, until: 2s}
        """,
        """
        - 1.872 notified: op1 completed, a:1, key 1
        - 3.856 notified: op1 completed, a:1, key 1
        """,
    ),
    "gives-up-after-an-hour": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-refuses, until: 70m}
        """,
        """
        - 4154.845 notified: op1 completed, a:1, key 1
        - 4432.944 notified: op1 completed, a:1, key 1
        """,
    ),
    "gives-up-after-a-day": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-refuses, until: 24h5m}
        """,
        """
        - 86888.807 notified: op1 completed, a:1, key 1
        """,
    ),
    "gives-up-after-two-days": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-refuses, until: 48h1m}
        """,
        """
        - 173083.831 notified: op1 completed, a:1, key 1
        """,
    ),
    "gives-up-after-seventy-hours": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-refuses, until: 70h10m}
        """,
        """
        - 252399.266 notified: op1 completed, a:1, key 1
        - 252720.456 notified: op1 completed, a:1, key 1
        """,
    ),
    "doubles-pauses-for-ever": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-refuses, status: 503, until: 20s}
        """,
        """
        - 1.872 notified: op1 completed, a:1, key 1
        """,
    ),
    "waits-for-the-sink-for-ever": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-hangs, until: 60s}
        """,
        """
        - 31.872 notified: op1 completed, a:1, key 1
        - 63.856 notified: op1 completed, a:1, key 1
        """,
    ),
    "eight-workers": run(
        """
        operations:
          - {name: stuck, image: "a:{n}", repeat: 8, reaches: {east: 0s, west: 0s}}
          - {name: other, image: "b:1", at: 1s, reaches: {east: 0s, west: 0s}}
        faults:
          - {fault: sink-hangs, operation: stuck, until: 3s}
        """,
        """
        - 1.000 notified: other completed, b:1, key 9
        + 30.000 notified: other completed, b:1, key 9
        """,
    ),
    "reads-ten-rows": run(
        """
        operations:
          - {name: stuck, image: "a:{n}", repeat: 10, every: 1500ms, reaches: {east: 0s, west: 1s}}
          - {name: other, image: "b:1", at: 20s, reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-refuses, operation: stuck, until: 21.5s}
        """,
        """
        - 21.000 notified: other completed, b:1, key 11
        + 22.075 notified: other completed, b:1, key 11
        """,
    ),
    "accepts-ok-alone": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-stalls, by: 1ms, status: 202, until: 3s}
        """,
        """
        + 1.873 notified: op1 completed, a:1, key 1
        + 3.858 notified: op1 completed, a:1, key 1
        """,
    ),
    "accepts-few-successes": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-stalls, by: 10ms, status: 207, until: 2s}
        """,
        """
        + 1.882 notified: op1 completed, a:1, key 1
        + 3.876 notified: op1 completed, a:1, key 1
        """,
    ),
    "requires-content": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-stalls, by: 1ms, status: 204, until: 3s}
        """,
        """
        + 1.873 notified: op1 completed, a:1, key 1
        + 3.858 notified: op1 completed, a:1, key 1
        """,
    ),
    "takes-conflicts-for-accepted": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-refuses, status: 409, until: 2s}
        """,
        """
        - 1.872 notified: op1 completed, a:1, key 1
        - 3.856 notified: op1 completed, a:1, key 1
        """,
    ),
    "fifty-connections": run(
        """
        operations:
          - {name: stuck, image: "a:{n}", repeat: 50, every: 11ms, reaches: {east: 0s, west: 0s}}
          - {name: other, image: "b:1", at: 5s, reaches: {east: 0s, west: 0s}}
        faults:
          - {fault: sink-hangs, operation: stuck, until: 3s}
        """,
        """
        - 5.000 notified: other completed, b:1, key 51
        + 30.000 notified: other completed, b:1, key 51
        """,
    ),
    "timeouts-one-at-a-time": run(
        """
        operations:
          - {name: stuck, image: "a:1", reaches: {east: 0s, west: never}}
          - {name: other, image: "b:1", at: 1s, reaches: {east: 0s, west: never}}
        faults:
          - {fault: sink-hangs, operation: stuck, until: 122s}
        """,
        """
        - 121.000 notified: other timed_out without west, b:1, key 2
        + 150.000 notified: other timed_out without west, b:1, key 2
        """,
    ),
    "ignores-refused-connections": run(
        """
        operations:
          - {image: "a:1", reaches: {east: 0s, west: 1s}}
        faults:
          - {fault: sink-down, until: 2s}
        """,
        """
        - 3.856 notified: op1 completed, a:1, key 1
        """,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_mutant_differs_from_a_right_aggregator_in_one_way(name: str) -> None:
    """Responses and notifications of a small scenario are the same except for these."""
    assert difference(MUTANTS[name], RUNS[name].scenario) == RUNS[name].difference
