"""How many outcomes pushes of one image can have whose deliveries may have mixed."""

from typing import Any

import pytest

from fanin.harness.oracle.bounds import bounds_of
from fanin.harness.oracle.evidence import collect
from fanin.harness.oracle.mixed_pushes import outcomes_at_most
from fanin.harness.oracle.oracle import judge
from fanin.harness.oracle.pushes import separate
from fanin.harness.verdict import Validity
from tests.harness.oracle.histories import EAST, WEST, Line, both, history, notified, occurred, sent

FOREVER = 10**12


def push(op: str, at: float = 0) -> Line:
    """A push of the same image as all others, with an id of its own."""
    return occurred(op, at, digest="sha256:1", tag="t", ids=f"id-{op}")


def told(outcome: str, at: float, *missing: str, key: str, **body: Any) -> Line:
    return notified(outcome, at, *missing, key=key, tag="t", **body)


# The western webhook of the first push comes after that of the second one.
OVERTAKEN = (
    push("op1"), sent(EAST, 0), told("timed_out", 120.01, WEST, key="a"),
    push("op2", 120.005), sent(EAST, 120.005, op="op2"), sent(WEST, 121, op="op2"),
    told("completed", 121.01, key="b"),
    sent(WEST, 200), told("timed_out", 320.01, EAST, key="c"),
)  # fmt: skip

IN_TURNS = (
    push("op1"), push("op2"),
    sent(EAST, 0), sent(WEST, 1, op="op2"), sent(EAST, 1, op="op2"), sent(WEST, 2),
)  # fmt: skip


def at_most(*lines: Line, until: float = FOREVER) -> int:
    """Of the one operation that these lines are about."""
    evidence = separate(collect(history(*lines, correlation="image")))
    (operation,) = evidence.operations
    bounds = bounds_of(operation.attempts, evidence.configured_for(operation)[0], clock_drift=0)
    return outcomes_at_most(operation, bounds, round(until * 1000))


def test_an_overtaken_webhook_begins_an_operation_of_its_own() -> None:
    """Its region has reported, and its id is new: three outcomes of two pushes, and no fourth."""
    fourth = told("timed_out", 440, EAST, key="d")

    assert judge(history(*OVERTAKEN, correlation="image")).findings == ()
    assert judge(history(*OVERTAKEN, fourth, correlation="image")).validity is Validity.INVALID


@pytest.mark.parametrize(("until", "outcomes"), [(119, 2), (121, 2), (199, 2), (200, 3), (FOREVER, 3)])
def test_only_what_was_sent_begins_something(until: float, outcomes: int) -> None:
    """One outcome of each push is right at any time."""
    assert at_most(*OVERTAKEN, until=until) == outcomes


def test_a_region_that_was_missing_begins_nothing() -> None:
    """It is late, with whichever of its ids."""
    late = (push("op1"), sent(EAST, 0), push("op2", 1), sent(EAST, 1, op="op2"), sent(WEST, 500))

    assert at_most(*late) == 2


def test_what_completes_an_operation_does_not_report_the_next_one() -> None:
    """Both regions report both pushes, in turns."""
    assert at_most(*IN_TURNS) == 2


def test_a_copy_of_what_was_acknowledged_is_not_new() -> None:
    """Without an acknowledgement it may come for the first time whenever it comes."""
    unanswered = (push("op1"), push("op2"), sent(EAST, 0), sent(WEST, 0, ok=None), both(1, op="op2"))

    assert at_most(*IN_TURNS, sent(WEST, 300), sent(EAST, 300, op="op2")) == 2
    assert at_most(*unanswered, sent(WEST, 300)) == 3


def test_of_many_pushes_any_further_id_may_begin_one() -> None:
    """To follow each would take long."""
    many = [line for n in range(25) for line in (push(f"op{n}"), both(0, op=f"op{n}"))]

    assert at_most(*many) == 1 + 2 * 24


def test_one_push_has_one_outcome() -> None:
    """As has what no delivery of can have counted."""
    refused = (push("op1"), push("op2"), sent(EAST, 0, status=400), sent(EAST, 0, op="op2", status=400))

    assert at_most(push("op1"), both(0)) == at_most(*refused) == 1
