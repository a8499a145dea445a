"""The markers of a picture: one sign for each thing that can happen."""

from typing import Any

import pytest

from fanin.harness.report.html.glyphs import Glyph
from fanin.harness.report.html.markers import event_marker, record_markers
from fanin.harness.report.timeline.events import AGGREGATOR, SINK, Event, EventKind
from fanin.simulator.faults.transport import Duplicate
from tests.harness.oracle.histories import EAST, NORTH, WEST, history, notified, sent, unattributed, unsent
from tests.harness.report.reported import analysed, block


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


@pytest.mark.parametrize(
    ("kind", "text", "glyph", "label"),
    [
        (EventKind.REGISTRY_EVENT, "push op1: team/app", Glyph.REGISTRY_EVENT, "push"),
        (EventKind.COUNT, "2 of 3: all arrived", Glyph.NONE, "2/3"),
        (EventKind.DEADLINE, "deadline: eastus missing", Glyph.NONE, "deadline: eastus missing"),
        (EventKind.DOWN, "kill -9", Glyph.DOWN, "kill -9"),
        (EventKind.UP, "up again, after 5s", Glyph.UP, "up again"),
        (EventKind.ARMED, "armed: fires at +2m00s", Glyph.ARMED, "armed"),
        (EventKind.CANCELLED, "cancelled", Glyph.CANCELLED, "cancelled"),
        (EventKind.FIRES, "fires", Glyph.FIRES, "fires"),
        (EventKind.SINK_FAULT, "refuses (503) from here", Glyph.DOWN, "refuses (503)"),
        (EventKind.SINK_UNREACHABLE, "no connection", Glyph.LOST, ""),
    ],
    ids=lambda value: value.name if isinstance(value, EventKind) else "",
)
def test_an_event_has_a_sign_and_a_short_label(kind: EventKind, text: str, glyph: Glyph, label: str) -> None:
    """In full it stands in the title."""
    marker = event_marker(Event(at=5_000, lane=AGGREGATOR, kind=kind, text=text, entries=(7,)))

    assert marker is not None
    assert (marker.glyph, marker.label) == (glyph, label)
    assert marker.title == f"+5s  aggregator: {text}"
    assert marker.entries == (() if glyph is Glyph.NONE else (7,))


def test_a_record_with_a_marker_of_its_own_has_no_second_one() -> None:
    """Webhooks and notifications."""
    kinds = [kind for kind in EventKind if event_marker(Event(at=0, lane=EAST, kind=kind, text="")) is None]

    assert kinds == [EventKind.UNSENT, EventKind.ATTEMPT, EventKind.NOTIFICATION]


@pytest.mark.parametrize(
    ("line", "label", "glyph"),
    [
        (notified("completed", 6), "completed → 200", Glyph.COMPLETED),
        (notified("timed_out", 6, WEST, status=503), "timed_out → 503", Glyph.TIMED_OUT),
        (notified("completed", 6, error="hung"), "completed → hangs", Glyph.COMPLETED),
        (notified("done", 6), "done → 200", Glyph.WRONG),
        (unattributed(6), "unreadable of what? → 200", Glyph.WRONG),
    ],
    ids=range(5),
)
def test_a_notification_is_labelled_with_its_outcome_and_answer(line: Any, label: str, glyph: Glyph) -> None:
    """One that repeats another says so."""
    markers = [it for it in record_markers(analysed(history(sent(EAST, 0), line))) if it.lane == SINK]

    assert [(it.label, it.glyph) for it in markers] == [(label, glyph)]
