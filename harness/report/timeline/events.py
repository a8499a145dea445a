"""A run as events: what stands in which lane at which instant, in words.

Rules of this file: no layout; an event says what was seen or what follows from the contract, never what the
aggregator may have computed.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

from fanin.harness.history import TargetState
from fanin.harness.oracle.evidence import Attempt, Notification
from fanin.harness.report import record_text
from fanin.harness.report.analysis import AttemptOutcome, OperationAnalysis, RunAnalysis
from fanin.harness.report.line import Tone, shorten
from fanin.harness.report.timeline.event import (
    AGGREGATOR,
    REGISTRY,
    SINK,
    SINK_STATES,
    TIMER,
    Event,
    EventKind,
)
from fanin.simulator.durations import format_duration
from fanin.simulator.faults.aggregator import AggregatorFault
from fanin.simulator.faults.sink import SinkFault
from fanin.simulator.instants import clock

# An answer that comes so soon, with nothing decisive in between, shares its request's row.
TOGETHER_MS = 1_000
_NAMED_MAX = 2  # missing regions; the sink's cell and the verdict name them all


def events(analysis: RunAnalysis) -> list[Event]:
    """Everything worth a cell, in the order in which it happened."""
    evidence = analysis.evidence
    found = [
        *_registry_events(analysis),
        *_lifecycle(analysis),
        *_clock_jumps(analysis),
        *_sink_states(analysis),
        *_unsent(analysis),
        *(event for attempt in evidence.attempts for event in _attempt(analysis, attempt)),
        *(event for operation in analysis.operations for event in _fan_in(analysis, operation)),
        *(event for received in evidence.notifications for event in _notification(analysis, received)),
    ]
    return sorted(found, key=_order)


def _order(event: Event) -> tuple[int, float]:
    """By instant and record; within an instant, the sink's state comes first and conclusions last."""
    if event.entries:
        return event.at, event.entries[0]
    return event.at, -math.inf if event.kind in SINK_STATES else math.inf


def _named(analysis: RunAnalysis, operation: OperationAnalysis | None, text: str) -> str:
    """The text, after the operation's name where there are several operations."""
    if operation is None or len(analysis.operations) == 1:
        return text
    return f"{operation.name} {text.removeprefix('sent ') or 'sent'}"


def _registry_events(analysis: RunAnalysis) -> Iterator[Event]:
    for index, entry in analysis.registry_events:
        image = entry.repository + (f":{entry.tag}" if entry.tag else "")
        digest = shorten(entry.digest, 16) if entry.digest else ""
        about = "  ".join(filter(None, (image, digest)))
        yield Event(
            at=entry.at,
            lane=REGISTRY,
            kind=EventKind.REGISTRY_EVENT,
            text=f"{entry.action} {entry.op}" + (f": {about}" if about else ""),
            variant=entry.action,
            tone=Tone.STRONG,
            operation=analysis.operation_named(entry.op),
            entries=(index,),
        )


def _lifecycle(analysis: RunAnalysis) -> Iterator[Event]:
    """When the aggregator goes down and comes up; its first start only when something had to wait for it.

    Where one of several replicas is down, the aggregator is not.
    """
    down_since: dict[int, int] = {}  # by replica
    began = analysis.registry_events[0][1].at if analysis.registry_events else 0
    of_all = {index for index, _ in overall(analysis.evidence.lifecycle)}
    for index, entry in analysis.evidence.lifecycle:
        replica = f"replica {entry.replica}: " if entry.replica else ""
        if entry.state == "down":
            down_since.setdefault(entry.replica, entry.at)
            failed = f"cannot start: {entry.error}"
            text = {"crash": "kill -9", "stop": "stopped", "pause": "paused"}.get(entry.reason, failed)
            kind = EventKind.DOWN if index in of_all else EventKind.REPLICA_DOWN
            tone = Tone.BAD if entry.reason == "failed" else Tone.FAULT
        elif (since := down_since.pop(entry.replica, None)) is not None or entry.at > began:
            again = "resumed" if entry.reason == "resume" else "up again"
            text = "up" if since is None else f"{again}, after {format_duration(entry.at - since)}"
            text += _new_settings(entry)
            kind, tone = EventKind.UP if index in of_all else EventKind.REPLICA_UP, Tone.GOOD
        else:
            continue
        yield Event(
            at=entry.at,
            lane=AGGREGATOR,
            kind=kind,
            text=f"{replica}{text}",
            short=f"{replica}cannot start" if entry.reason == "failed" else "",
            note=entry.error if entry.reason == "failed" else "",
            tone=tone,
            entries=(index,),
        )


def overall(states: Iterable[tuple[int, TargetState]]) -> Iterator[tuple[int, TargetState]]:
    """Those changes that are the aggregator's as a whole: its last replica goes down, its first comes up.

    Args:
        states: Each with its index in the history.
    """
    up: set[int] = set()
    for index, entry in states:
        others = up - {entry.replica}
        if not others:
            yield index, entry
        up = others | {entry.replica} if entry.state == "up" else others


def _new_settings(entry: TargetState) -> str:
    """What changed in its settings with a start."""
    regions = f", now {len(entry.expects)} regions" if entry.expects else ""
    timeout = f", timeout now {format_duration(entry.timeout)}" if entry.timeout is not None else ""
    return regions + timeout


def _clock_jumps(analysis: RunAnalysis) -> Iterator[Event]:
    for index, applied, fault in analysis.faults_applied:
        if isinstance(fault, AggregatorFault) and fault.clock_step_ms:
            way, by_ms = "forward" if fault.clock_step_ms > 0 else "back", abs(fault.clock_step_ms)
            yield Event(
                at=applied.at,
                lane=AGGREGATOR,
                kind=EventKind.CLOCK_SET,
                text=f"its clock is set {way} {format_duration(by_ms)}",
                tone=Tone.FAULT,
                entries=(index,),
            )


def _sink_states(analysis: RunAnalysis) -> Iterator[Event]:
    """When a fault of the sink begins and ends, and which connections it refuses meanwhile."""
    ends = analysis.evidence.end.at if analysis.evidence.end else 0
    happens_at = analysis.evidence.planned_times.happens_at
    for fault in analysis.scenario.faults:
        if not isinstance(fault, SinkFault):
            continue
        of = f" for {fault.about}" if fault.about else ""
        since = happens_at(fault.since)
        if 0 < since <= ends:
            yield _sink(since, EventKind.SINK_FAULT, f"{fault.symptom}{of} from here")
        if fault.until is not None and (until := happens_at(fault.until)) <= ends:
            yield _sink(until, EventKind.SINK_RECOVERED, f"recovered{of}")
    for index, applied, fault in analysis.faults_applied:
        if isinstance(fault, SinkFault) and fault.refuses_connections:
            yield _sink(applied.at, EventKind.SINK_UNREACHABLE, "no connection", index)


def _sink(at: int, kind: EventKind, text: str, *entries: int) -> Event:
    tone = Tone.GOOD if kind is EventKind.SINK_RECOVERED else Tone.FAULT
    return Event(at=at, lane=SINK, kind=kind, text=text, tone=tone, entries=entries)


def _unsent(analysis: RunAnalysis) -> Iterator[Event]:
    for index, entry in analysis.unsent:
        operation = analysis.operation_named(entry.op)
        text, brief = record_text.UNSENT[entry.reason]
        yield Event(
            at=entry.at,
            lane=entry.region,
            kind=EventKind.UNSENT,
            text=_named(analysis, operation, text),
            brief=_named(analysis, operation, brief),
            variant=entry.reason,
            tone=Tone.ODD,
            operation=operation,
            entries=(index,),
        )


def _together(analysis: RunAnalysis, begun: tuple[int, int], ended: tuple[int, int]) -> bool:
    """Whether an end (instant, index) came soon after its beginning, with no start or stop in between."""
    between = any(begun[1] < index < ended[1] for index, _ in analysis.evidence.lifecycle)
    return ended[0] - begun[0] <= TOGETHER_MS and not between


def _shown_at(analysis: RunAnalysis, attempt: Attempt) -> int:
    """The instant of the row in which the attempt's answer stands."""
    begun = (attempt.sent.at, attempt.index)
    if attempt.ended_index is None or _together(analysis, begun, (attempt.ended_at, attempt.ended_index)):
        return attempt.sent.at
    return attempt.ended_at


def _attempt(analysis: RunAnalysis, attempt: Attempt) -> Iterator[Event]:
    """One cell for request and answer when they belong together, else one each."""
    sent, ended, operation = attempt.sent, attempt.ended, analysis.operation_of(attempt)
    words, brief = record_text.request(analysis, attempt)
    outcome, again = analysis.outcome_of(attempt), f"{bool(sent.copy)} {bool(sent.retry)}"

    def cell(at: int, text: str, short: str, tone: Tone, entries: tuple[int, ...]) -> Event:
        return Event(
            at=at,
            lane=attempt.origin,
            kind=EventKind.ATTEMPT,
            text=_named(analysis, operation, text),
            brief=_named(analysis, operation, short),
            variant=f"{outcome} {attempt.invalid_because} {again} {entries[0] == attempt.index}",
            tone=tone,
            operation=operation,
            entries=entries,
        )

    if ended is None or ended.error == "run-ended":
        yield cell(sent.at, f"{words}, no answer", f"{brief} ?".strip(), Tone.ODD, attempt.records)
        return
    end, end_brief, tone = record_text.response(analysis, attempt, ended)
    if _shown_at(analysis, attempt) == sent.at:
        yield cell(sent.at, f"{words} → {end}", f"{brief} {end_brief}".strip(), tone, attempt.records)
        return
    yield cell(sent.at, words, brief or "sent", Tone.PLAIN, attempt.records[:1])
    after = f"→ {end}, after {format_duration(ended.at - sent.at)}"
    yield cell(ended.at, after, end_brief, tone, attempt.records[1:])


def _fan_in(analysis: RunAnalysis, operation: OperationAnalysis) -> Iterator[Event]:
    """How many regions have counted, and the timer: armed, cancelled or fired."""
    counted = sorted(
        (_shown_at(analysis, attempt), attempt.index, analysis.outcome_of(attempt) is AttemptOutcome.COUNTED)
        for attempt in operation.records.attempts
        if analysis.outcome_of(attempt) in (AttemptOutcome.COUNTED, AttemptOutcome.AT_DEADLINE)
    )
    in_time = all(certain for _, _, certain in counted)
    yield from _counts(analysis, operation, counted, in_time=in_time)
    window = operation.deadline
    if window is None:
        return
    fires = "" if len(analysis.operations) > 1 else "fires at "
    yield _timer(
        analysis,
        operation,
        operation.armed_at(window[0]),
        EventKind.ARMED,
        f"armed: {fires}{clock(window[0])}",
    )
    if len(counted) == len(operation.scenario.regions) and in_time:
        yield _timer(analysis, operation, counted[-1][0], EventKind.CANCELLED, "cancelled")
    elif (completed := _completed_before(operation, window[0])) is not None:
        yield _timer(analysis, operation, completed, EventKind.CANCELLED, "cancelled")
    elif analysis.evidence.end is None or window[0] <= analysis.evidence.end.at:
        yield _timer(analysis, operation, window[0], EventKind.FIRES, "fires")
        yield _deadline(analysis, operation, window[0])


def _completed_before(operation: OperationAnalysis, deadline: int) -> int | None:
    """When it was rightly reported completed before its deadline, though some answers were never seen."""
    judged = operation.judgement
    if judged is None or judged.outcome != "completed" or "completed" not in judged.legal:
        return None
    at = judged.notified_at
    return at if at is not None and at < deadline else None


def _counts(
    analysis: RunAnalysis,
    operation: OperationAnalysis,
    counted: Sequence[tuple[int, int, bool]],
    *,
    in_time: bool,
) -> Iterator[Event]:
    """One event for each region that counted.

    Args:
        analysis: The run.
        operation: Whose regions.
        counted: Instant, index of the attempt, and whether it was certainly on time; ascending.
        in_time: Whether all were.
    """
    regions = len(operation.scenario.regions)
    for nth, (at, index, _) in enumerate(counted, start=1):
        full = nth == regions
        end = "" if not full else ": all arrived" if in_time else ", at the deadline"
        yield Event(
            at=at,
            lane=AGGREGATOR,
            kind=EventKind.COUNT,
            text=_named(analysis, operation, f"{nth} of {regions}{end}"),
            tone=Tone.GOOD if full and in_time else Tone.PLAIN,
            operation=operation,
            entries=(index,),
        )


def _deadline(analysis: RunAnalysis, operation: OperationAnalysis, at: int) -> Event:
    before = {region for region, counted in operation.counted.items() if counted <= at}
    missing = [
        f"{region}?" if region in operation.indefinite | operation.counted.keys() else region
        for region in operation.scenario.regions
        if region not in before
    ]
    named = ", ".join(missing) if len(missing) <= _NAMED_MAX else f"{len(missing)} regions"
    return Event(
        at=at,
        lane=AGGREGATOR,
        kind=EventKind.DEADLINE,
        text=_named(analysis, operation, f"deadline: {named} missing" if missing else "deadline"),
        brief=_named(analysis, operation, f"deadline: {len(missing)} missing" if missing else "deadline"),
        tone=Tone.ODD,
        operation=operation,
    )


def _timer(analysis: RunAnalysis, operation: OperationAnalysis, at: int, kind: EventKind, text: str) -> Event:
    tone = Tone.ODD if kind is EventKind.FIRES else Tone.PLAIN
    words = _named(analysis, operation, text)
    return Event(at=at, lane=TIMER, kind=kind, text=words, tone=tone, operation=operation)


def _notification(analysis: RunAnalysis, received: Notification) -> Iterator[Event]:
    """One cell for a notification and its answer when they belong together, else one each."""
    operation, response = analysis.notified_operation(received), received.response
    words, tone = record_text.notification(analysis, received)
    again = operation is not None and operation.records.read[0] is not received
    first = f"{again} {record_text.stated_outcome(received)}"

    def cell(at: int, text: str, variant: str, last: Tone, entries: tuple[int, ...]) -> Event:
        return Event(
            at=at,
            lane=SINK,
            kind=EventKind.NOTIFICATION,
            text=_named(analysis, operation, text),
            variant=variant,
            tone=tone if tone is Tone.BAD else last,
            operation=operation,
            entries=entries,
        )

    if response is None or received.response_index is None:
        yield cell(received.at, words, first, tone, received.records)
        return
    end, end_tone = record_text.sink_response(received, response)
    begun, ended = (received.at, received.index), (response.at, received.response_index)
    if response.error == "hung" or _together(analysis, begun, ended):
        yield cell(received.at, f"{words} → {end}", f"{first} {end}", end_tone, received.records)
        return
    yield cell(received.at, words, first, tone, received.records[:1])
    after = f"→ {end}, after {format_duration(response.at - received.at)}"
    yield cell(response.at, after, f"{first} {end}", end_tone, received.records[1:])
