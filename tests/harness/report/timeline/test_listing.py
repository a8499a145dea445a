"""Rows as a list: one line an event."""

from collections.abc import Sequence

from fanin.harness.report.line import WIDTH, plain
from fanin.harness.report.timeline import listing
from fanin.harness.report.timeline.event import Event
from fanin.harness.report.timeline.events import events
from fanin.harness.report.timeline.selection import TimelineRow
from tests.harness.oracle.histories import EAST, WEST, history, notified, occurred, sent
from tests.harness.report.reported import analysed


def listed(*rows: TimelineRow) -> list[str]:
    return [plain(line) for line in listing.lines(rows)]


def rows_of(happened: Sequence[Event]) -> list[TimelineRow]:
    instants = dict.fromkeys(it.at for it in happened)
    return [TimelineRow(at, tuple(it for it in happened if it.at == at)) for at in instants]


def test_each_event_has_a_line_with_its_lane() -> None:
    """The instant stands once."""
    happened = events(analysed(history(sent(EAST, 0), sent(WEST, 5), notified("completed", 5.01, key="abc"))))

    lines = listed(
        *(TimelineRow(at, tuple(it for it in happened if it.at == at)) for at in (0, 5_000, 5_010))
    )

    assert lines == [
        "+0.0s   registry    ◆ push op1: team/app:op1  sha256:11",
        "        eastus      sent → 202",
        "        aggregator  1 of 2",
        "        timer       armed: fires at +2m00s",
        "+5.0s   westus      sent → 202",
        "        aggregator  2 of 2: all arrived",
        "        timer       cancelled",
        "+5.01s  sink        completed, key abc → 200",
    ]


def test_long_texts_and_names_keep_to_the_page() -> None:
    """A text continues below itself, a name is cut."""
    region = "a-region-with-a-name-without-end"
    happened = events(
        analysed(history(occurred("x" * 150, 0), sent(region, 1, op="x" * 150), regions=(region,)))
    )

    lines = listed(*(TimelineRow(it.at, (it,)) for it in happened))

    assert max(map(len, lines)) <= WIDTH
    assert any("a-region-with-a-name-wi…" in line for line in lines)


def test_what_is_folded_is_said() -> None:
    """In the column of the names."""
    assert listed(TimelineRow(1_000, folded="… 6 more instants like these, until +9s")) == [
        "       … 6 more instants like these, until +9s"
    ]
