"""What a picture shows of a run: which operations, which events, which instants."""

from fanin.harness.report.line import Tone
from tests.harness.oracle.histories import EAST, WEST, history, notified, occurred, sent, unattributed
from tests.harness.report.reported import laid_out


def test_repetitions_are_folded_and_counted() -> None:
    """A hundred retries are not a hundred columns."""
    retries = [sent(EAST, second, error="refused", retry=second) for second in range(100)]

    diagram = laid_out(history(*retries))[0]

    assert len(diagram.instants) < 20
    assert [text for _, text in diagram.folded if "more instants like these" in text]


def test_operations_that_cross_share_one_axis() -> None:
    """Their interplay is the point."""
    played = history(
        occurred("first", 0), sent(EAST, 0, op="first"), occurred("second", 5), sent(EAST, 5, op="second"),
        sent(WEST, 10, op="second"), notified("completed", 10.01, op="second"), sent(WEST, 15, op="first"),
        notified("completed", 15.01, op="first"),
    )  # fmt: skip

    assert [part.heading for part in laid_out(played)[0].blocks] == ["first", "second"]


def test_a_notification_of_no_known_operation_is_in_the_picture() -> None:
    """Nobody's notification has a lane of its own when there are several operations."""
    played = history(
        occurred("one", 0), sent(EAST, 0, op="one"), occurred("two", 1), sent(EAST, 1, op="two"),
        unattributed(5, {"id": "unheard-of", "outcome": "completed"}),
    )  # fmt: skip

    nobodys = laid_out(played)[0].blocks[-1]

    assert nobodys.heading == "whole run"
    assert [marker.label for marker in nobodys.markers if marker.tone is Tone.BAD] == [
        "completed of what? → 200"
    ]
