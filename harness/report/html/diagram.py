"""What a picture shows: lanes, and the markers and intervals on them. Instants, no pixels."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from fanin.harness.report.analysis import OperationAnalysis, RunAnalysis
from fanin.harness.report.html.glyphs import Glyph
from fanin.harness.report.line import Tone, listed
from fanin.harness.report.timeline.events import LANE_NAMES


class Transmission(StrEnum):
    """How far a request got on its way to its receiver; the value is a class of the style sheet."""

    REACHED = "reached"
    INDEFINITE = "indefinite"
    REFUSED = "refused"  # no connection
    LOST = "lost"


class IntervalKind(StrEnum):
    """What holds during an interval; the value is a class of the style sheet."""

    UP = "up"
    DOWN = "down"
    SINK_FAULT = "sink-fault"
    ARMED = "armed"
    CANCELLED = "cancelled"  # from when a timer was cancelled to when it would have fired
    DEADLINE = "deadline"  # the window in which it lies


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """Something that happened on one lane, from an instant on, perhaps until another."""

    lane: str
    begins: int
    ends: int
    glyph: Glyph
    tone: Tone
    label: str
    title: str  # in full, shown when the mouse is over it
    entries: tuple[int, ...] = ()  # indices into the history
    transmission: Transmission | None = None  # None: it is no request
    deciding: bool = False  # a finding rests on it


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A stretch of time in which something holds for a lane, or for all of them."""

    lane: str | None
    begins: int
    ends: int
    kind: IntervalKind
    title: str


@dataclass(frozen=True, slots=True)
class Block:
    """The lanes of one operation, or of the run as a whole."""

    heading: str
    lanes: tuple[str, ...]
    markers: tuple[Marker, ...]
    intervals: tuple[Interval, ...]


@dataclass(slots=True)
class Diagram:
    """One picture: blocks below each other on one axis."""

    end: int  # of the watch
    blocks: list[Block] = field(default_factory=list)
    instants: set[int] = field(default_factory=set)  # those that are worth a label
    minor: set[int] = field(default_factory=set)  # those that are only worth a column
    folded: list[tuple[int, str]] = field(default_factory=list)  # what is left out, from when


def lane_name(lane: str) -> str:
    """The lane's name for people."""
    return LANE_NAMES.get(lane, lane)


def summary(analysis: RunAnalysis, shown: Sequence[OperationAnalysis]) -> str:
    """The picture in two sentences, for readers who cannot see it."""
    names = listed([operation.name for operation in shown])
    return (
        f"Timeline of {names}: one lane each for {listed(analysis.scenario.regions)}, the aggregator, its "
        "timer and the sink. The table of events says the same in words."
    )
