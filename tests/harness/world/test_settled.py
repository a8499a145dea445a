"""When a run in real time has shown all that it can show."""

import pytest

from fanin.harness.world.settled import settled_ms
from tests.harness.oracle.histories import EAST, WEST, Line, both, history, notified, occurred, sent


def settled(*lines: Line) -> int | None:
    return settled_ms(history(*lines, end=None).entries)


def test_a_run_is_settled_since_its_last_record() -> None:
    """Here a duplicate, three seconds after the notification."""
    assert settled(both(), notified("completed", 1), sent(EAST, 4)) == 4_003


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((), id="nothing was sent yet"),
        pytest.param((both(),), id="it was not notified"),
        pytest.param((both(), notified("completed", 1, status=503)), id="the sink refused the notification"),
        pytest.param(
            (both(), notified("completed", 1, status=None, error="reset")), id="the sink broke the connection"
        ),
        pytest.param(
            (both(), notified("completed", 1), notified("completed", 2, after=None)),
            id="the sink has not responded yet",
        ),
        pytest.param(
            (both(), notified("completed", 1), sent(EAST, 4, ok=None)), id="an attempt has no response yet"
        ),
        pytest.param(
            (both(), notified("completed", 1), both(2, op="op2")), id="another operation was not notified"
        ),
        pytest.param(
            (both(), notified("completed", 1), sent(EAST, 2, ok=None, error="lost", op="op2")),
            id="another one may have begun without a response",
        ),
        pytest.param(
            (both(), notified("completed", 1), sent(EAST, 2, ok=None, status=503, op="op2")),
            id="another one may have begun in spite of a 503",
        ),
        pytest.param(
            (occurred("op1", ids="one"), both(), notified("completed", 1), occurred("op2", 2, ids="one")),
            id="two operations share an id",
        ),
    ],
)
def test_it_is_not_settled_while_something_may_be_due(lines: tuple[Line, ...]) -> None:
    """An absent notification proves something only after the whole watch."""
    assert settled(*lines) is None


def test_what_was_refused_is_not_waited_for() -> None:
    """A delivery that was answered with a 4xx began nothing."""
    assert settled(both(), notified("completed", 1), sent(EAST, 2, ok=None, status=401, op="op2")) == 2_003


def test_a_notification_that_was_sent_again_settles_the_first() -> None:
    """One accepted repetition is enough."""
    assert (
        settled(sent(EAST, 0), sent(WEST, 0), notified("completed", 1, status=503), notified("completed", 2))
        == 2_001
    )
