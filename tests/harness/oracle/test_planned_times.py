"""When what a scenario plans happens, in a history in which starts took time."""

from collections.abc import Sequence

import pytest

from fanin.harness.history import TargetState
from fanin.harness.oracle.planned_times import PlannedTimes


def started(at: int, took: int = 0, replica: int = 0) -> TargetState:
    return TargetState(at, "up", "start", took=took, replica=replica)


@pytest.mark.parametrize(
    ("changes", "planned", "happens"),
    [
        pytest.param([], 5_000, 5_000, id="no start"),
        pytest.param([started(0)], 5_000, 5_000, id="the first start is over when time begins"),
        pytest.param([started(4_000)], 5_000, 5_000, id="a start that took no time"),
        pytest.param([started(4_000, 700)], 3_200, 3_200, id="before the start"),
        pytest.param([started(4_000, 700)], 3_300, 3_300, id="as the start begins"),
        pytest.param([started(4_000, 700)], 3_301, 4_001, id="during the start"),
        pytest.param([started(4_000, 700)], 9_000, 9_700, id="after the start"),
        pytest.param([started(4_000, 700), started(9_000, 300)], 7_999, 8_699, id="between two starts"),
        pytest.param([started(4_000, 700), started(9_000, 300)], 9_000, 10_000, id="after two starts"),
        pytest.param(
            [started(4_000, 700, 1), started(4_200, 700, 2)], 5_000, 5_900, id="replicas that start together"
        ),
        pytest.param(
            [TargetState(4_000, "down", "failed", "no disk", took=700)], 5_000, 5_700, id="a failed start"
        ),
        pytest.param(
            [TargetState(2_000, "down", "pause"), TargetState(4_000, "up", "resume")], 5_000, 5_000,
            id="time goes on while it is paused",
        ),
    ],
)  # fmt: skip
def test_time_stands_still_during_a_start(changes: Sequence[TargetState], planned: int, happens: int) -> None:
    """What is planned for later happens that much later."""
    assert PlannedTimes(changes).happens_at(planned) == happens
