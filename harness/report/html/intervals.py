"""The intervals of a picture: when the aggregator was up, faults of the sink, a timer and its deadline."""

from collections.abc import Iterable, Iterator, Sequence

from fanin.harness.history import TargetState
from fanin.harness.report.analysis import OperationAnalysis, RunAnalysis
from fanin.harness.report.html.diagram import Interval, IntervalKind
from fanin.harness.report.timeline.events import AGGREGATOR, SINK, TIMER, Event, EventKind, overall
from fanin.simulator.durations import format_duration
from fanin.simulator.faults.sink import SinkFault
from fanin.simulator.instants import clock

_REASONS = {"crash": "killed", "stop": "stopped", "failed": "could not start", "pause": "paused"}


def state_intervals(
    analysis: RunAnalysis, operation: OperationAnalysis | None, end: int
) -> Iterator[Interval]:
    """When the aggregator was up and down, and when faults held the sink.

    Args:
        analysis: The run.
        operation: Whose notifications the faults must concern; None: those of all operations.
        end: Of the watch.
    """
    yield from _target_states(analysis.evidence.lifecycle, end)
    for fault in analysis.scenario.faults:
        if isinstance(fault, SinkFault) and _concerns(fault, operation):
            yield from _sink_fault(fault, end)


def _target_states(states: Iterable[tuple[int, TargetState]], end: int) -> Iterator[Interval]:
    since, kind, reason = 0, IntervalKind.DOWN, ""
    for _, entry in overall(states):
        if entry.state == kind:
            continue
        if entry.at > since:
            yield _target_state(kind, since, entry.at, reason)
        since, kind, reason = entry.at, IntervalKind(entry.state), entry.reason
    yield _target_state(kind, since, end, reason)


def _target_state(kind: IntervalKind, begins: int, ends: int, reason: str) -> Interval:
    span = format_duration(max(0, ends - begins))
    because = "" if kind is IntervalKind.UP else f" ({_REASONS.get(reason, 'not started')})"
    title = f"aggregator {kind}{because} for {span}"
    return Interval(lane=AGGREGATOR, begins=begins, ends=ends, kind=kind, title=title)


def _concerns(fault: SinkFault, operation: OperationAnalysis | None) -> bool:
    named = fault.about
    if not named:
        return True
    if operation is None:
        return False
    return operation.name == named or operation.name.startswith(f"{named}/")


def _sink_fault(fault: SinkFault, end: int) -> Iterator[Interval]:
    """While a fault holds the sink; lost answers have markers instead."""
    if not fault.delays_notifications:
        return
    until = end if fault.until is None else min(fault.until, end)
    if fault.since < until:
        kind, title = IntervalKind.SINK_FAULT, fault.describe()
        yield Interval(lane=SINK, begins=fault.since, ends=until, kind=kind, title=title)


def timer_intervals(operation: OperationAnalysis, events: Sequence[Event], end: int) -> Iterator[Interval]:
    """The timer from its arming to its end, and the window in which the deadline lies.

    Args:
        operation: Whose timer.
        events: The operation's.
        end: Of the watch.
    """
    window = operation.deadline
    if window is None:
        return
    begins = operation.armed_at(window[0])
    stopped = [event.at for event in events if event.kind in (EventKind.CANCELLED, EventKind.FIRES)]
    stops = min([*stopped, window[0], end])
    when = clock(window[0]) + (f" to {clock(window[1])}" if window[0] < window[1] <= end else "")
    title = f"armed for {when}"
    yield Interval(lane=TIMER, begins=begins, ends=stops, kind=IntervalKind.ARMED, title=title)
    if window[0] > end:
        return
    if stops < window[0]:
        title = f"cancelled at {clock(stops)}; it would have fired at {when}"
        yield Interval(lane=TIMER, begins=stops, ends=window[0], kind=IntervalKind.CANCELLED, title=title)
    until, title = min(window[1], end), f"the deadline: {when}"
    yield Interval(lane=None, begins=window[0], ends=until, kind=IntervalKind.DEADLINE, title=title)
