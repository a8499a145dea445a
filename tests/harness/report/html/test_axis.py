"""The axis of a picture: order, room for labels, breaks and ticks."""

from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanin.harness.report.html.axis import Extent, breaks, place, staggered, text_width
from fanin.simulator.instants import clock

DAY = 86_400_000


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.integers(0, 10**10), st.sampled_from((0, 1, 1_000)), st.integers(0, 300)
        ),
        min_size=1, max_size=40,
    )
)  # fmt: skip
def test_no_two_labels_of_a_track_ever_touch(wanted: list[tuple[int, int, int, int]]) -> None:
    """Columns move until every label has its room, whatever happens when."""
    claims: list[Extent] = []
    free: dict[int, int] = {}
    for track, begins, lasts, width in sorted(wanted, key=lambda it: it[1]):
        if free.get(track, -1) < begins:
            claims.append(Extent(track, begins, begins + lasts, width))
            free[track] = begins + lasts
    instants = [at for claim in claims for at in (claim.begins, claim.ends)]

    axis = place(instants, claims, left=50, width=1_000)

    assert list(axis.places) == sorted(axis.places)
    assert axis.places[0] == 50
    for _, group in groupby(sorted(claims, key=lambda it: (it.track, it.begins)), key=lambda it: it.track):
        for one, other in pairwise(group):
            assert axis.x(one.ends) + one.width <= axis.x(other.begins)


def test_milliseconds_and_days_are_both_readable() -> None:
    """Everything within 20 ms, then a copy six days later: each instant has a place that an eye can tell."""
    instants = [0, 1, 2, 3, 5, 8, 13, 20, 6 * DAY]

    axis = place(instants, [], left=0, width=1_000)

    steps = [after - before for before, after in pairwise(axis.places)]
    assert min(steps) >= 15
    assert max(steps) <= 500
    assert steps[-1] == max(steps)


def test_a_longer_wait_is_never_drawn_shorter() -> None:
    """Not to scale, and still no lie about which wait was the longer one."""
    axis = place([0, 10, 30, 1_030, 61_030, 61_031], [], left=0, width=1_000)

    steps = {b - a: axis.x(b) - axis.x(a) for a, b in pairwise(axis.instants)}
    assert [steps[gap] for gap in sorted(steps)] == sorted(steps.values())


def test_an_instant_without_a_column_stands_between_its_neighbours() -> None:
    """In proportion inside, at the nearest end outside."""
    axis = place([100, 200], [], left=10, width=10)

    assert axis.x(150) == pytest.approx((axis.x(100) + axis.x(200)) / 2)
    assert (axis.x(0), axis.x(900)) == (axis.x(100), axis.x(200))


def test_a_break_marks_a_wait_far_longer_than_all_before() -> None:
    """And none where the scale merely goes on."""
    assert breaks([0, 1_000, 2_000, 119_000, 120_000, 6 * DAY]) == [(2_000, 119_000), (120_000, 6 * DAY)]
    assert breaks([0, 119_000]) == []


def test_tick_labels_never_overlap() -> None:
    """They step up a row, and beyond the last row the label goes, not the reader's patience."""
    labels = [(float(x), clock(x)) for x in range(0, 400, 12)]

    placed = staggered(labels, 3)

    assert 3 < len(placed) < len(labels)
    for row in range(3):
        mine = [(x, text) for x, text, its_row in placed if its_row == row]
        assert all(x + text_width(text) < after for (x, text), (after, _) in pairwise(mine))
