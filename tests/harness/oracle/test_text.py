"""How findings and doubts are written: lists, quoted values, and one line for each region."""

from typing import Any

import pytest

from fanin.harness.oracle.bounds import bounds_of
from fanin.harness.oracle.evidence import collect
from fanin.harness.oracle.text import (
    listing,
    quoted,
    quoted_apart,
    reason_of,
    region_lines,
    stated,
    under_key,
)
from tests.harness.oracle.histories import (
    ABSENT,
    EAST,
    NORTH,
    THREE,
    WEST,
    Line,
    both,
    crash,
    history,
    notified,
    occurred,
    sent,
    unsent,
)


@pytest.mark.parametrize(
    ("names", "text"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names_are_listed_as_people_do(names: list[str], text: str) -> None:
    """Commas, and an ``and`` before the last."""
    assert listing(names) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "'x'"),
        (None, "None"),
        (["a"], "['a']"),
        ("y" * 38, f"'{'y' * 38}'"),
        ("y" * 39, f"'{'y' * 38}…"),
    ],
    ids=str,
)
def test_a_value_from_outside_is_quoted_and_cut(value: object, text: str) -> None:
    """A line has forty characters for it."""
    assert quoted(value) == text


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        (["a", None], ["'a'", "none"]),
        (["a" * 60, "b" * 60], [f"'{'a' * 38}…", f"'{'b' * 38}…"]),
        (["a" * 60 + "1", "a" * 60 + "2"], [f"…'{'a' * 37}1'", f"…'{'a' * 37}2'"]),
    ],
)
def test_what_differs_looks_different(texts: list[str | None], shown: list[str]) -> None:
    """Keys are long, and may begin alike."""
    assert quoted_apart(texts) == shown


@pytest.mark.parametrize(
    ("told", "outcome", "key"),
    [
        (notified("completed", 1), "completed", "under the key 'key-op1'"),
        (notified("synced", 1, key="k"), "'synced'", "under the key 'k'"),
        (notified("completed", 1, outcome=ABSENT, key=None), "without an outcome", "without a webhook-id"),
    ],
)
def test_what_a_notification_states_is_said_in_words(told: Line, outcome: str, key: str) -> None:
    """Whatever is absent is said to be, and what stands in place of an outcome is quoted."""
    (notification,) = collect(history(both(), told)).operations[0].notifications

    assert (stated(notification), under_key(notification)) == (outcome, key)


def lines_for(*lines: Line, **played: Any) -> list[str]:
    """The lines of the first operation, measured by its first notification, if there is one."""
    evidence = collect(history(*lines, **played))
    operation = evidence.operations[0]
    bounds = bounds_of(operation.attempts, evidence.scenario)
    first = operation.notifications[0] if operation.notifications else None
    return [*region_lines(operation, bounds, first, evidence.unsent)]


def test_each_region_has_a_line() -> None:
    """Sent, acknowledged, counted, named; in the scenario's order, in columns."""
    lines = (sent(EAST, 0), sent(WEST, 119, ok=4), unsent(NORTH, 3), notified("timed_out", 120, WEST, NORTH))

    assert lines_for(*lines, regions=THREE) == [
        "eastus       sent +0s             acked +0.003s     counted      named arrived",
        "westus       sent +1m59s          acked +1m59.004s  counted      named missing",
        "northeurope  never sent: dropped                    not counted  named missing",
    ]


ONE_REGION: dict[str, tuple[tuple[Line, ...], str]] = {
    "never sent": ((occurred(),), "never sent"),
    "never sent, for a reason": ((unsent(WEST, 1, "scope"),), "never sent: scope"),
    "acknowledged": ((sent(WEST, 5),), "sent +5s  acked +5.003s  counted"),
    "acknowledged, among others": (
        (sent(WEST, 4, ok=None), sent(WEST, 5), sent(WEST, 6, copy=1)), "sent +5s, 2 more  acked +5.003s",
    ),
    "no response": ((sent(WEST, 5, ok=None),), "sent +5s  no response  may count"),
    "no response, though one was refused first": (
        (sent(WEST, 4, status=409), sent(WEST, 5, error="reset", after=2), crash(5.001, 6)),
        "sent +5s, 1 more  reset +5.002s  may count",
    ),
    "refused": ((sent(WEST, 5, status=409),), "sent +5s  answered 409 +5.003s  not counted"),
    "lost": ((sent(WEST, 5, error="lost"),), "sent +5s  lost +5.003s  not counted"),
    "invalid, and refused": (
        (sent(WEST, 5, status=400, invalid="malformed:no-id"),),
        "sent +5s  answered 400 +5.003s (no-id)  not counted",
    ),
    "invalid, and no response": (
        (sent(WEST, 5, ok=None, invalid="malformed:empty"),), "sent +5s  no response (empty)  not counted",
    ),
    "too big, and no response": (
        (sent(WEST, 5, ok=None, invalid="malformed:huge"),), "sent +5s  no response (huge)  may count",
    ),
    "at the deadline": ((sent(WEST, 120),), "sent +2m00s  acked +2m00.003s  may count"),
    "late": ((sent(WEST, 130),), "sent +2m10s  acked +2m10.003s  late"),
    "an unknown region in its URL": (
        (sent(WEST, 5, status=400, url_region="mars"),),
        "sent +5s  answered 400 +5.003s (unknown-region)  not counted",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE_REGION)
def test_a_line_says_what_became_of_a_regions_webhook(name: str) -> None:
    """Of several attempts, the line is about the one that decides."""
    lines, text = ONE_REGION[name]

    line = lines_for(sent(EAST, 0), *lines)[1]

    assert " ".join(line.split()).startswith(" ".join(f"westus {text}".split()))


NAMED: dict[str, tuple[Line, str]] = {
    "arrived": (notified("completed", 6), "named arrived"),
    "missing": (notified("timed_out", 120, "WestUS"), "named missing"),
    "neither": (notified("timed_out", 120, arrived=[EAST], missing=[NORTH]), "not named"),
    "no lists": (notified("timed_out", 120, arrived=None, missing=7), "not named"),
}


@pytest.mark.parametrize("name", NAMED)
def test_a_line_says_how_a_notification_names_its_region(name: str) -> None:
    """Without a notification it says nothing of that."""
    line, text = NAMED[name]

    assert lines_for(sent(EAST, 0), sent(WEST, 5), line)[1].endswith(text)
    assert "named" not in lines_for(sent(EAST, 0), sent(WEST, 5))[1]


def test_a_reason_may_be_that_of_a_later_event_with_the_same_key() -> None:
    """The first event's record comes first."""
    reused = (occurred(), occurred("op2", 1, ids="id-op1"), sent(EAST, 0))

    assert lines_for(*reused, unsent(WEST, 2, "scope", op="op2"))[1].startswith("westus  never sent: scope")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("locked", "locked"),
        ("", ""),
        ("'x' exited with 1; its last output:\n  a\n  b", "'x' exited with 1"),
        (
            "Traceback (most recent call last):\n  File\nConnectionError: no database\n",
            "ConnectionError: no database",
        ),
    ],
)
def test_why_a_start_failed_is_one_line(error: str, reason: str) -> None:
    """All that a process printed stands elsewhere; of a traceback the last line says it."""
    assert reason_of(error) == reason
