"""What a picture shows: lanes, and the markers and intervals on them. Instants, no pixels."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from fanin.harness.report.analysis import OperationAnalysis, RunAnalysis
from fanin.harness.report.html.glyphs import Glyph
from fanin.harness.report.line import Tone, listed
from fanin.harness.report.timeline.events import AGGREGATOR, REGISTRY, SINK, TIMER


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """Something that happened on one lane, from an instant on, perhaps until another."""

    lane: str
    begins: int
    ends: int
    glyph: Glyph
    tone: Tone
    label: str
    title: str  # in full, for whoever points at it
    entries: tuple[int, ...] = ()  # indices into the history
    # How its request went on to the aggregator or the sink: reached, doubtful, refused, lost; "": no request.
    way: str = ""
    deciding: bool = False  # a finding rests on it


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A stretch of time in which something holds a lane, or all of them."""

    lane: str | None
    begins: int
    ends: int
    kind: str  # up, down, sink-fault, armed, ghost (what a timer would have lived), deadline
    title: str


@dataclass(frozen=True, slots=True)
class Block:
    """The lanes of one operation, or of what concerns none."""

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


def named(lanes: Sequence[str]) -> list[str]:
    """The lanes' names for people."""
    known = {REGISTRY: "registry", AGGREGATOR: "aggregator", TIMER: "timer", SINK: "sink"}
    return [known.get(lane, lane) for lane in lanes]


def summary(analysis: RunAnalysis, drawn: Sequence[OperationAnalysis]) -> str:
    """The picture in a sentence or two, for whoever cannot see it."""
    names = listed([operation.name for operation in drawn])
    return (
        f"Timeline of {names}: one lane each for {listed(analysis.scenario.regions)}, the aggregator, its "
        "timer and the sink. The table of events says the same in words."
    )
