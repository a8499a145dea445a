"""One cell of the timeline: in which lane it stands, at which instant, and in which words.

Rules of this file: data only.
"""

from dataclasses import dataclass
from enum import Enum

from fanin.harness.report.analysis import OperationAnalysis
from fanin.harness.report.line import Tone

# Lanes that are no region. A region's name cannot start like this.
REGISTRY = "\0registry"  # across all lanes of a text
AGGREGATOR = "\0aggregator"
TIMER = "\0timer"
SINK = "\0sink"
LANE_NAMES = {REGISTRY: "registry", AGGREGATOR: "aggregator", TIMER: "timer", SINK: "sink"}


class EventKind(Enum):
    """What an event is."""

    REGISTRY_EVENT = "something was pushed or deleted"
    UNSENT = "a webhook is never sent"
    ATTEMPT = "a webhook is sent, or answered, or both"
    COUNT = "one more region has counted"
    ARMED = "a timer is set"
    CANCELLED = "a timer is cancelled"
    FIRES = "a timer fires"
    DEADLINE = "the deadline passes"
    DOWN = "the aggregator goes down"
    UP = "the aggregator comes up"
    REPLICA_DOWN = "a replica goes down, and others are up"
    REPLICA_UP = "a replica comes up, and others were up"
    CLOCK_SET = "the aggregator's clock is set"
    SINK_FAULT = "a fault of the sink begins"
    SINK_RECOVERED = "a fault of the sink ends"
    SINK_UNREACHABLE = "a connection to the sink is refused"
    NOTIFICATION = "a notification is received, or answered, or both"


# They have no record: the scenario says when they happen.
SINK_STATES = (EventKind.SINK_FAULT, EventKind.SINK_RECOVERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One cell of the timeline."""

    at: int
    lane: str
    kind: EventKind
    text: str
    brief: str = ""  # the same in few and short words, for narrow lanes
    short: str = ""  # in place of the text where there is little room; then ``note`` holds the rest
    note: str = ""  # what stands below all lanes, of any length
    variant: str = ""  # equal for events of one kind that repeat each other
    tone: Tone = Tone.PLAIN
    operation: OperationAnalysis | None = None  # None: it concerns the whole run
    entries: tuple[int, ...] = ()  # indices into the history
