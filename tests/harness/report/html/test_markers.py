"""The markers of a picture: one sign for each thing that can happen."""

from fanin.harness.report.html.glyphs import Glyph
from fanin.simulator.faults.transport import Duplicate
from tests.harness.oracle.histories import (
    EAST,
    NORTH,
    WEST,
    history,
    notified,
    sent,
    unsent,
)  # fmt: skip
from tests.harness.report.reported import block


def test_every_outcome_of_an_attempt_has_its_sign() -> None:
    """Counted, again, late, refused, lost, in doubt, never sent."""
    markers = block(
        history(
            sent(EAST, 0), sent(EAST, 1, copy=1), sent(WEST, 2, error="lost", after=5_000),
            sent(WEST, 3, invalid="no-id", status=400), sent(WEST, 4, error="reset"),
            sent(WEST, 5, invalid="no-id"), unsent(NORTH, 6), notified("timed_out", 120.01, WEST, NORTH),
            sent(NORTH, 130), regions=(EAST, WEST, NORTH), faults=(Duplicate(region=EAST),),
        )
    ).markers  # fmt: skip

    signs = [
        (marker.lane, marker.begins, marker.glyph, marker.transmission)
        for marker in markers
        if marker.lane in (EAST, WEST, NORTH)
    ]

    assert sorted(signs, key=lambda it: it[1]) == [
        (EAST, 0, Glyph.COUNTED, "reached"),
        (EAST, 1_000, Glyph.DUPLICATE, "reached"),
        (WEST, 2_000, Glyph.LOST, "lost"),
        (WEST, 3_000, Glyph.REFUSED, "reached"),
        (WEST, 4_000, Glyph.INDEFINITE, "indefinite"),
        (WEST, 5_000, Glyph.WRONG, "reached"),
        (NORTH, 6_000, Glyph.UNSENT, None),
        (NORTH, 130_000, Glyph.LATE, "reached"),
    ]
