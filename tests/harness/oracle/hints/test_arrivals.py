"""What it looks like that an arrival did not count, or that one counted which there was not."""

from typing import Any

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from tests.harness.oracle.histories import (
    DAY,
    EAST,
    NORTH,
    THREE,
    WEST,
    Line,
    both,
    crash,
    down,
    history,
    notified,
    occurred,
    sent,
    up,
)

TWO_IDS = {EAST: "a", WEST: "b"}


def timed_out(*missing: str, at: float = 120, **fields: Any) -> Line:
    return notified("timed_out", at, *missing, **fields)


def of_three(*lines: Line, **fields: Any) -> History:
    return history(*lines, regions=THREE, **fields)


LOST: dict[str, tuple[History, tuple[str, ...]]] = {
    "with nothing near": (history(sent(EAST, 0), sent(WEST, 60), timed_out(WEST)), ()),
    "one that was sent again, after an attempt without a response": (
        history(
            sent(EAST, 0), sent(WEST, 1, error="reset"), crash(1.001, 2), sent(WEST, 6, retry=1),
            timed_out(WEST),
        ),
        ("B17",),
    ),
    "right before the deadline": (
        history(sent(EAST, 0), sent(WEST, 119.5), timed_out(WEST)), ("B09", "B43"),
    ),
    "on the fourth day": (
        history(sent(EAST, 0), sent(WEST, 3 * DAY), timed_out(WEST, at=9 * DAY), timeout=9 * DAY * 1000),
        ("B37",),
    ),
    "the only region's": (history(sent(EAST, 0), timed_out(EAST), regions=(EAST,)), ("B05", "B27")),
    "all": (history(both(), timed_out(EAST, WEST)), ("B10",)),
    "among many copies": (
        history(sent(EAST, 0), *(sent(EAST, 10 + n / 10) for n in range(4)), sent(WEST, 10), timed_out(WEST)),
        ("B08",),
    ),
    "one of two that began it": (history(both(), timed_out(WEST)), ("B01", "B04", "B06")),
    "one of two that came together later": (
        of_three(sent(EAST, 0), sent(WEST, 9), sent(NORTH, 9.02), timed_out(NORTH)), ("B13", "B23"),
    ),
    "the one that began it": (history(sent(EAST, 0), sent(WEST, 5), timed_out(EAST)), ("B05",)),
    "all but the one that began it": (
        of_three(sent(EAST, 0), sent(WEST, 5), sent(NORTH, 9), timed_out(WEST, NORTH)), ("B19",),
    ),
    "those soon after the beginning": (
        of_three(sent(EAST, 0), sent(WEST, 1), sent(NORTH, 9), timed_out(EAST, WEST)), ("B02",),
    ),
    "in an envelope": (
        history(sent(EAST, 0), sent(WEST, 60, envelope=1), timed_out(WEST)), ("B63",),
    ),
    "reported as another operation": (
        history(sent(EAST, 0), sent(WEST, 60), timed_out(WEST), timed_out(EAST, at=180, key="b")), ("B20",),
    ),
    "reported as another operation, beside one that is like it": (
        history(
            occurred(ids=TWO_IDS), occurred("op2", tag="t"), sent(EAST, 0), sent(WEST, 60),
            timed_out(WEST, tag="op1"), timed_out(EAST, at=180, key="b", tag="op1"), correlation="image",
        ),
        ("B20",),
    ),
    "at the deadline, though none is named": (
        history(sent(EAST, 0), sent(WEST, 119.5), timed_out(at=121)), ("B43",),
    ),
    "long before the deadline, though none is named": (history(both(), timed_out(at=121)), ()),
    "over a crash after the last one": (
        history(sent(EAST, 0), sent(WEST, 60), crash(70, 71), timed_out(WEST)), ("B50", "B35"),
    ),
    "the first one, over a crash before the last one": (
        history(sent(EAST, 0), crash(30, 31), sent(WEST, 60), timed_out(EAST, at=120)), ("B50", "B11"),
    ),
    "the first one, over a crash that another one survived": (
        of_three(sent(EAST, 0), sent(WEST, 9), crash(30, 31), sent(NORTH, 60), timed_out(EAST)),
        ("B11", "B50"),
    ),
    "another one, over a crash": (
        of_three(sent(EAST, 0), sent(WEST, 9), crash(30, 31), sent(NORTH, 60), timed_out(WEST)), ("B50",),
    ),
    "with two configurations": (
        of_three(
            sent(EAST, 0), sent(WEST, 30), down(40), up(41, expects=THREE),
            timed_out(WEST, arrived=[EAST]), expects=(EAST, WEST),
        ),
        ("B29", "B66"),
    ),
    "the one that began it, after a change of the configuration": (
        of_three(
            down(1), up(2, expects=THREE), sent(EAST, 10), sent(WEST, 15), sent(NORTH, 30),
            timed_out(EAST, at=130), expects=(EAST, WEST),
        ),
        ("B05",),
    ),
    "with a key that is like another one": (
        history(
            occurred(ids="Id"), occurred("op2", ids="id"), sent(EAST, 0), sent(WEST, 60), timed_out(WEST),
        ),
        ("B19",),
    ),
    "with an id for each region": (
        history(
            occurred(ids=TWO_IDS), sent(EAST, 0), sent(WEST, 60), timed_out(WEST, tag="op1"),
            correlation="image",
        ),
        ("B20",),
    ),
    "at a replica": (
        history(
            up(0, replica=1), up(0, replica=2), sent(EAST, 0, replica=1), sent(WEST, 60, replica=2),
            timed_out(WEST), boot=False, replicas=2,
        ),
        ("B26", "B16"),
    ),
}  # fmt: skip


def completed(at: float = 20, **fields: Any) -> Line:
    return notified("completed", at, **fields)


MISCOUNTED: dict[str, tuple[History, tuple[str, ...]]] = {
    "with nothing near": (history(sent(EAST, 0), completed(), sent(EAST, 30)), ("B25",)),
    "a copy": (history(sent(EAST, 0), sent(EAST, 5, copy=1), completed()), ("B22",)),
    "two copies at once": (history(sent(EAST, 0), sent(EAST, 0.01, copy=1), completed()), ("B15", "B22")),
    "a retry": (history(sent(EAST, 0), sent(EAST, 5, retry=1), completed()), ("B20", "B22")),
    "a copy after a crash": (
        history(sent(EAST, 0), crash(2, 3), sent(EAST, 5, copy=1), completed()), ("B16", "B22"),
    ),
    "a copy minutes later": (
        history(sent(EAST, 0), sent(EAST, 301, copy=1), completed(302), timeout=900_000), ("B18", "B22"),
    ),
    "after the retention": (
        history(both(), completed(), sent(EAST, 8 * DAY), completed(8 * DAY + 1, key="b"), timeout=9_000_000),
        ("B07", "B45"),
    ),
    "with two configurations": (
        of_three(
            sent(EAST, 0), down(4), up(5, expects=THREE), completed(arrived=[EAST, WEST]),
            expects=(EAST, WEST),
        ),
        ("B29",),
    ),
    "with a key that is like another one": (
        history(occurred(ids="007"), occurred("op2", ids="7"), sent(EAST, 0), completed()), ("B19",),
    ),
    "what came after the deadline": (
        history(sent(EAST, 0), sent(WEST, 130), notified("timed_out", 140, NORTH), regions=THREE), ("B47",),
    ),
    "a region with the same beginning": (
        history(sent("eastus2", 0), completed(), regions=("eastus2", EAST)), ("B32", "B25"),
    ),
    "what has arrived for another push of the tag": (
        history(
            occurred(tag="t"), occurred("op2", tag="t", digest="sha256:22"), sent(EAST, 0),
            sent(WEST, 1, op="op2"), completed(tag="t"), notified("timed_out", 121, EAST, op="op2"),
        ),
        ("B31", "B19"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LOST)
def test_an_arrival_that_did_not_count_looks_like_what_its_instant_fits(name: str) -> None:
    """Where nothing fits, no bug is named."""
    played, looks_like = LOST[name]

    assert judge(played).findings[0].looks_like == looks_like


@pytest.mark.parametrize("name", MISCOUNTED)
def test_a_region_that_counted_without_an_arrival_looks_like_what_counted_for_it(name: str) -> None:
    """A copy, another operation's, one of an earlier operation, or none."""
    played, looks_like = MISCOUNTED[name]

    assert judge(played).findings[0].looks_like == looks_like
