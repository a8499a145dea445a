"""The intervals of a picture: lives of the aggregator, faults of the sink, a timer and its deadline."""

from collections.abc import Iterable, Iterator, Sequence

from fanin.harness.history import TargetState
from fanin.harness.report.analysis import OperationAnalysis, RunAnalysis
from fanin.harness.report.html.diagram import Interval
from fanin.harness.report.scenario_text import fault_text
from fanin.harness.report.timeline.events import AGGREGATOR, SINK, TIMER, Event, overall
from fanin.simulator.durations import format_duration
from fanin.simulator.instants import clock
from fanin.simulator.language.scenario import SinkDown, SinkFault, SinkLosesAnswer

_REASONS = {"crash": "killed", "stop": "stopped", "failed": "could not start", "pause": "standing still"}


def state_intervals(
    analysis: RunAnalysis, operation: OperationAnalysis | None, end: int
) -> Iterator[Interval]:
    """The aggregator's lives, and the faults of the sink that hold this operation's notifications.

    None: those that hold everybody's.
    """
    yield from _states(analysis.evidence.lifecycle, end)
    for fault in analysis.scenario.faults:
        if isinstance(fault, SinkFault) and _concerns(fault, operation):
            yield from _sink_fault(fault, end)


def _states(turns: Iterable[tuple[int, TargetState]], end: int) -> Iterator[Interval]:
    since, state, why = 0, "down", ""
    for _, turn in overall(turns):
        if turn.state == state:
            continue
        if turn.at > since:
            yield _state(state, since, turn.at, why)
        since, state, why = turn.at, turn.state, turn.reason
    yield _state(state, since, end, why)


def _state(state: str, begins: int, ends: int, why: str) -> Interval:
    span = format_duration(max(0, ends - begins))
    how = "" if state == "up" else f" ({_REASONS.get(why, 'not started')})"
    return Interval(
        lane=AGGREGATOR, begins=begins, ends=ends, kind=state, title=f"aggregator {state}{how} for {span}"
    )


def _concerns(fault: SinkFault, operation: OperationAnalysis | None) -> bool:
    named = "" if isinstance(fault, SinkDown) else fault.operation
    if not named:
        return True
    if operation is None:
        return False
    return operation.name == named or operation.name.startswith(f"{named}/")


def _sink_fault(fault: SinkFault, end: int) -> Iterator[Interval]:
    """While a fault holds the sink. Lost answers are seen where they are lost."""
    if isinstance(fault, SinkLosesAnswer):
        return
    until = end if fault.until is None else min(fault.until, end)
    if fault.since < until:
        yield Interval(lane=SINK, begins=fault.since, ends=until, kind="sink-fault", title=fault_text(fault))


def timer(operation: OperationAnalysis, told: Sequence[Event], end: int) -> Iterator[Interval]:
    """The timer from its arming to its end, and the window in which the deadline lies."""
    window = operation.deadline
    if window is None:
        return
    begins = operation.armed_at(window[0])
    stops = min([*(event.at for event in told if event.kind in ("off", "fires")), window[0], end])
    when = clock(window[0]) + (f" to {clock(window[1])}" if window[0] < window[1] <= end else "")
    yield Interval(lane=TIMER, begins=begins, ends=stops, kind="armed", title=f"armed for {when}")
    if window[0] > end:
        return
    if stops < window[0]:
        title = f"called off at {clock(stops)}; it would have fired at {when}"
        yield Interval(lane=TIMER, begins=stops, ends=window[0], kind="ghost", title=title)
    until = min(window[1], end)
    yield Interval(lane=None, begins=window[0], ends=until, kind="deadline", title=f"the deadline: {when}")
