"""Which step of an aggregator a fault waits for, and in which words."""

import pytest

from fanin.simulator.faults.step import StepTrigger, step_text

EAST = "eastus"


def test_a_step_is_narrowed_by_region_and_operation() -> None:
    """An operation's name stands for all its repeats; what is empty narrows nothing."""
    trigger = StepTrigger("after-response", EAST, "op1")

    assert trigger.matches("after-response", "op1/3", EAST)
    assert not trigger.matches("after-response", "op1", "westus")
    assert not trigger.matches("after-response", "op12", EAST)
    assert not trigger.matches("before-response", "op1", EAST)
    assert StepTrigger("after-notify").matches("after-notify", None, "")


@pytest.mark.parametrize(
    ("nth", "time"),
    [(1, ""), (2, ", the 2nd time"), (3, ", the 3rd time"), (11, ", the 11th time"), (21, ", the 21st time")],
)
def test_a_step_that_is_reached_again_is_counted(nth: int, time: str) -> None:
    """As people count."""
    assert step_text("after-response", nth) == f"when its answer has reached the sender{time}"
