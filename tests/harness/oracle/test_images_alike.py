"""Images that differ in their host alone, and which notification is whose."""

from typing import Any

from fanin.harness.history import History
from fanin.harness.oracle.evidence import collect
from fanin.harness.oracle.oracle import judge
from fanin.harness.oracle.pushes import separate
from fanin.harness.verdict import Rule
from tests.harness.oracle.histories import (
    DAY,
    EAST,
    WEST,
    Line,
    both,
    down,
    exchanged,
    history,
    notified,
    occurred,
    sent,
    up,
)


def push(op: str, at: float, **more: Any) -> Line:
    """A push of the same image as all others."""
    return occurred(op, at, digest="sha256:1", tag="t", **more)


def told(outcome: str, at: float, *missing: str, key: str, op: str = "op1", **body: Any) -> Line:
    return notified(outcome, at, *missing, key=key, op=op, tag="t", **body)


def run(*lines: Line, **fields: Any) -> History:
    return history(*lines, correlation="image", **fields)


def keys(played: History) -> list[list[str | None]]:
    """The keys of each operation's notifications."""
    found = separate(collect(played)).operations
    return [[it.received.key for it in operation.notifications] for operation in found]


TWINS = (push("op1", 0), push("op2", 1, host=""))  # of two hosts, one of which the payloads leave out
ANY: dict[str, Any] = {"id": "team/app:t"}  # the image in a notation without a host


def test_of_images_that_differ_in_the_host_alone_what_a_notification_says_is_whose_it_is() -> None:
    """A notation of the image without the host may be of either; an outcome or a deadline decides."""
    by_outcome = run(
        *TWINS, sent(EAST, 0), both(1, op="op2"),
        told("completed", 1.1, key="b", **ANY), told("timed_out", 120.1, WEST, key="a", **ANY),
    )  # fmt: skip
    by_host = run(
        *TWINS, both(0), both(1, op="op2"), told("completed", 1.1, key="b", op="op2"),
        told("completed", 1.2, key="a", registry="demo.azurecr.io", **ANY),
    )  # fmt: skip
    by_image = run(
        *TWINS, both(0), both(1, op="op2"), told("completed", 1.1, key="b", **ANY),
        told("completed", 1.2, key="a", id="demo.azurecr.io/team/app:t"),
    )  # fmt: skip
    by_what_is_left = run(
        *TWINS, both(0), both(1, op="op2"), told("completed", 1.1, key="b", deadline=1_000_000_120.5, **ANY),
        told("completed", 1.2, key="a"), run={"epoch": 1_000_000_000_000},
    )  # fmt: skip

    assert [keys(it) for it in (by_outcome, by_host, by_image, by_what_is_left)] == [[["a"], ["b"]]] * 4


def test_one_that_repeats_an_outcome_under_a_key_that_was_forgotten_is_no_other_images() -> None:
    """It crashed before it had stored the 2xx."""
    again = [told("completed", 8 * DAY + at, key="a", **ANY) for at in (0.1, 2)]
    played = run(
        *TWINS, both(0), both(1, op="op2"), told("completed", 0.1, key="a", **ANY),
        told("completed", 1.1, key="b", op="op2"), both(8 * DAY), both(8 * DAY, op="op2"),
        again[0], down(8 * DAY + 0.5), up(8 * DAY + 1), again[1],
    )  # fmt: skip

    assert judge(played).findings == ()
    assert keys(played) == [["a", "a", "a"], ["b"]]


def test_only_what_no_choice_can_explain_is_a_finding() -> None:
    """Whose notification it is may be seen only by what follows otherwise; also of two images at once."""
    assert judge(run(*exchanged("t"))).findings == ()
    assert judge(run(*exchanged("t"), *exchanged("u"))).findings == ()
    other = (occurred("other", 0, digest="sha256:2", tag="other"), both(0, op="other"))
    said = notified("completed", 0.1, key="other", op="other", tag="other")
    assert judge(run(*other, said, *exchanged("t"))).findings == ()


def test_without_a_key_it_is_about_the_likeliest() -> None:
    """Whose repetition it is cannot be said then."""
    nameless = notified("completed", 0.7, key=None, op="t1", tag="t", id="team/app:t")

    assert Rule.NOTIFICATION in {it.rule for it in judge(run(*exchanged("t"), nameless)).findings}


def test_what_every_choice_leaves_late_is_a_finding_and_nothing_else_is() -> None:
    """Of the choices, one with the fewest findings is reported."""
    (late,) = judge(run(*exchanged("t"), *exchanged("u", late=4.2))).findings

    assert late.message.startswith(
        ("u1 was reported completed at +4.2s", "u2 was reported completed at +4.2s")
    )
