"""A analysis of a run as events: what stands in which lane at which instant, in words.

Rules of this file: no layout; a event says what was seen or what the contract makes of it, never what the
aggregator may have thought; ``kind`` is equal for events that repeat each other.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import assert_never

from fanin.harness.history import TargetState
from fanin.harness.oracle.evidence import Attempt, Notification
from fanin.harness.report import record_text
from fanin.harness.report.analysis import AttemptOutcome, OperationAnalysis, RunAnalysis
from fanin.harness.report.line import Tone, shorten
from fanin.simulator.durations import format_duration
from fanin.simulator.instants import clock
from fanin.simulator.language.scenario import (
    ClockJump,
    SinkDown,
    SinkFault,
    SinkHangs,
    SinkLosesAnswer,
    SinkRefuses,
    SinkStalls,
)

# Lanes that are no region. A region's name cannot start like this.
REGISTRY = "\0world"  # across all lanes
AGGREGATOR = "\0aggregator"
TIMER = "\0timer"
SINK = "\0sink"

# An answer that comes so soon, with nothing decisive in between, shares its request's row.
TOGETHER_MS = 1_000
_NAMED = 2  # missing regions; the sink's cell and the verdict name them all


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One cell of the timeline."""

    at: int
    lane: str
    text: str
    kind: str  # what repeats when this does
    brief: str = ""  # the same in about five characters, for narrow lanes
    tone: Tone = Tone.PLAIN
    operation: OperationAnalysis | None = None  # None: it concerns everyone
    entries: tuple[int, ...] = ()  # indices into the history


def events(analysis: RunAnalysis) -> list[Event]:
    """Everything worth a cell, in the order in which it happened."""
    found = [
        *_occurrences(analysis),
        *_lifecycle(analysis),
        *_clocks(analysis),
        *_sink_states(analysis),
        *_unsent(analysis),
        *(event for attempt in analysis.evidence.attempts for event in _attempt(analysis, attempt)),
        *(event for operation in analysis.operations for event in _fan_in(analysis, operation)),
        *(event for post in analysis.evidence.notifications for event in _post(analysis, post)),
    ]
    return sorted(found, key=_order)


def _order(event: Event) -> tuple[int, float]:
    """By instant and record; within an instant, the sink's state comes first and conclusions last."""
    if event.entries:
        return event.at, event.entries[0]
    return event.at, -math.inf if event.kind.startswith("sink") else math.inf


def _named(analysis: RunAnalysis, operation: OperationAnalysis | None, text: str) -> str:
    """Where there are several operations, each cell says whose it is."""
    if operation is None or len(analysis.operations) == 1:
        return text
    return f"{operation.name} {text.removeprefix('sent ') or 'sent'}"


def _occurrences(analysis: RunAnalysis) -> Iterator[Event]:
    for index, entry in analysis.occurred:
        image = entry.repository + (f":{entry.tag}" if entry.tag else "")
        digest = shorten(entry.digest, 16) if entry.digest else ""
        about = "  ".join(filter(None, (image, digest)))
        text = f"{entry.action} {entry.op}" + (f": {about}" if about else "")
        yield Event(
            at=entry.at,
            lane=REGISTRY,
            text=text,
            kind=f"occurred {entry.action}",
            tone=Tone.STRONG,
            operation=analysis.operation_named(entry.op),
            entries=(index,),
        )


def _lifecycle(analysis: RunAnalysis) -> Iterator[Event]:
    """The aggregator's downs and ups; its first start only when something had to wait for it.

    Where one of several replicas is down, the aggregator is not.
    """
    down_since: dict[int, int] = {}  # by replica
    began = analysis.occurred[0][1].at if analysis.occurred else 0
    decisive = {index for index, _ in overall(analysis.evidence.lifecycle)}
    for index, entry in analysis.evidence.lifecycle:
        who = f"replica {entry.replica}: " if entry.replica else ""
        if entry.state == "down":
            down_since.setdefault(entry.replica, entry.at)
            failed = f"cannot start: {entry.error}"
            text = {"crash": "kill -9", "stop": "stopped", "pause": "stands still"}.get(entry.reason, failed)
            kind = f"{'down' if index in decisive else 'gone'} {entry.reason}"
            tone = Tone.BAD if entry.reason == "failed" else Tone.FAULT
        elif (since := down_since.pop(entry.replica, None)) is not None or entry.at > began:
            again = "goes on" if entry.reason == "resume" else "up again"
            text = "up" if since is None else f"{again}, after {format_duration(entry.at - since)}"
            text += _new_settings(entry)
            kind, tone = "up" if index in decisive else "back", Tone.GOOD
        else:
            continue
        yield Event(at=entry.at, lane=AGGREGATOR, text=f"{who}{text}", kind=kind, tone=tone, entries=(index,))


def overall(turns: Iterable[tuple[int, TargetState]]) -> Iterator[tuple[int, TargetState]]:
    """Those turns that are the aggregator's as a whole: the last replica that falls, the first that rises."""
    up: set[int] = set()
    for index, turn in turns:
        others = up - {turn.replica}
        if not others:
            yield index, turn
        up = others | {turn.replica} if turn.state == "up" else others


def _new_settings(entry: TargetState) -> str:
    """What it was told with a new start."""
    regions = f", now {len(entry.expects)} regions" if entry.expects else ""
    timeout = f", timeout now {format_duration(entry.timeout)}" if entry.timeout is not None else ""
    return regions + timeout


def _clocks(analysis: RunAnalysis) -> Iterator[Event]:
    """When the aggregator's clock is set."""
    for index, bit, fault in analysis.faults_applied:
        if isinstance(fault, ClockJump):
            by_ms = fault.forward or fault.back or 0
            text = f"its clock is set {'forward' if fault.forward else 'back'} {format_duration(by_ms)}"
            yield Event(
                at=bit.at, lane=AGGREGATOR, text=text, kind="clock", tone=Tone.FAULT, entries=(index,)
            )


def _sink_symptom(fault: SinkFault) -> str:
    """What a fault makes of the sink."""
    match fault:
        case SinkRefuses():
            return f"refuses ({fault.status})"
        case SinkStalls():
            return f"stalls ({format_duration(fault.by)})"
        case SinkHangs():
            return "hangs"
        case SinkDown():
            return "down"
        case SinkLosesAnswer():
            return "loses answers"
        case _:
            assert_never(fault)


def _sink_states(analysis: RunAnalysis) -> Iterator[Event]:
    """When a fault takes hold of the sink and lets go, and who knocks in vain while nobody listens."""
    ends = analysis.evidence.end.at if analysis.evidence.end else 0
    for fault in analysis.scenario.faults:
        if not isinstance(fault, SinkFault):
            continue
        whose = "" if isinstance(fault, SinkDown) or not fault.operation else f" for {fault.operation}"
        if 0 < fault.since <= ends:
            since = f"{_sink_symptom(fault)}{whose} from here"
            yield Event(at=fault.since, lane=SINK, text=since, kind="sink fault", tone=Tone.FAULT)
        if fault.until is not None and fault.until <= ends:
            until = f"well again{whose}"
            yield Event(at=fault.until, lane=SINK, text=until, kind="sink recovered", tone=Tone.GOOD)
    for index, bit, fault in analysis.faults_applied:
        if isinstance(fault, SinkDown):
            words = "nobody listens"
            yield Event(at=bit.at, lane=SINK, text=words, kind="knock", tone=Tone.FAULT, entries=(index,))


def _unsent(analysis: RunAnalysis) -> Iterator[Event]:
    for index, entry in analysis.unsent:
        operation = analysis.operation_named(entry.op)
        text, brief = record_text.UNSENT[entry.reason]
        yield Event(
            at=entry.at,
            lane=entry.region,
            text=_named(analysis, operation, text),
            kind=f"unsent {entry.reason}",
            brief=_named(analysis, operation, brief),
            tone=Tone.ODD,
            operation=operation,
            entries=(index,),
        )


def _together(analysis: RunAnalysis, begun: tuple[int, int], ended: tuple[int, int]) -> bool:
    """Whether an end followed its beginning (instant, index) soon, with no start or death in between."""
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
    sent, answered, operation = attempt.sent, attempt.ended, analysis.operation_of(attempt)
    words, brief = record_text.request(analysis, attempt)
    again = f"{bool(sent.copy)} {bool(sent.retry)}"
    kind = f"attempt {analysis.outcome_of(attempt)} {attempt.invalid_because} {again}"

    def cell(at: int, text: str, short: str, tone: Tone, entries: tuple[int, ...]) -> Event:
        return Event(
            at=at,
            lane=attempt.origin,
            text=_named(analysis, operation, text),
            kind=f"{kind} {entries[0] == attempt.index}",
            brief=_named(analysis, operation, short),
            tone=tone,
            operation=operation,
            entries=entries,
        )

    if answered is None or answered.error == "run-ended":
        yield cell(sent.at, f"{words}, no answer", f"{brief} ?".strip(), Tone.ODD, attempt.records)
        return
    end, end_brief, tone = record_text.answer(analysis, attempt, answered)
    if _shown_at(analysis, attempt) == sent.at:
        yield cell(sent.at, f"{words} → {end}", f"{brief} {end_brief}".strip(), tone, attempt.records)
        return
    yield cell(sent.at, words, brief or "sent", Tone.PLAIN, attempt.records[:1])
    after = f"→ {end}, after {format_duration(answered.at - sent.at)}"
    yield cell(answered.at, after, end_brief, tone, attempt.records[1:])


def _fan_in(analysis: RunAnalysis, operation: OperationAnalysis) -> Iterator[Event]:
    """How many regions have arrived, and the timer: armed, called off or fired."""
    regions = len(operation.scenario.regions)
    shown = sorted(
        (_shown_at(analysis, attempt), attempt.index, analysis.outcome_of(attempt) is AttemptOutcome.COUNTED)
        for attempt in operation.records.attempts
        if analysis.outcome_of(attempt) in (AttemptOutcome.COUNTED, AttemptOutcome.AT_DEADLINE)
    )
    in_time = all(certain for _, _, certain in shown)
    for nth, (at, index, _) in enumerate(shown, start=1):
        full = nth == regions
        text = f"{nth} of {regions}"
        if full:
            text += ": all arrived" if in_time else ", on the line"
        yield Event(
            at=at,
            lane=AGGREGATOR,
            text=_named(analysis, operation, text),
            kind=f"count {full}",
            tone=Tone.GOOD if full and in_time else Tone.PLAIN,
            operation=operation,
            entries=(index,),
        )
    window = operation.deadline
    if window is None:
        return
    armed = f"armed: {'' if len(analysis.operations) > 1 else 'fires at '}{clock(window[0])}"
    yield _timer(analysis, operation, operation.armed_at(window[0]), armed, "armed")
    if len(shown) == regions and in_time:
        yield _timer(analysis, operation, shown[-1][0], "called off", "off")
    elif analysis.evidence.end is None or window[0] <= analysis.evidence.end.at:
        yield from _deadline(analysis, operation, window[0])


def _deadline(analysis: RunAnalysis, operation: OperationAnalysis, at: int) -> Iterator[Event]:
    yield _timer(analysis, operation, at, "fires", "fires")
    before = {region for region, counted in operation.counted.items() if counted <= at}
    missing = [
        f"{region}?" if region in operation.indefinite | operation.counted.keys() else region
        for region in operation.scenario.regions
        if region not in before
    ]
    named = ", ".join(missing) if len(missing) <= _NAMED else f"{len(missing)} regions"
    what = f"deadline: {named} missing" if missing else "deadline"
    yield Event(
        at=at,
        lane=AGGREGATOR,
        text=_named(analysis, operation, what),
        kind="deadline",
        tone=Tone.ODD,
        operation=operation,
    )


def _timer(analysis: RunAnalysis, operation: OperationAnalysis, at: int, text: str, kind: str) -> Event:
    tone = Tone.ODD if kind == "fires" else Tone.PLAIN
    words = _named(analysis, operation, text)
    return Event(at=at, lane=TIMER, text=words, kind=kind, tone=tone, operation=operation)


def _post(analysis: RunAnalysis, post: Notification) -> Iterator[Event]:
    """One cell for notification and answer when they belong together, else one each."""
    operation, replied = analysis.notified_operation(post), post.response
    words, tone = record_text.told(analysis, post)
    again = operation is not None and operation.records.notifications[0] is not post
    kind = f"post {again} {record_text.said_outcome(post)}"

    def cell(at: int, text: str, how: str, said: Tone, entries: tuple[int, ...]) -> Event:
        named = _named(analysis, operation, text)
        worst = tone if tone is Tone.BAD else said
        return Event(at=at, lane=SINK, text=named, kind=how, tone=worst, operation=operation, entries=entries)

    if replied is None or post.response_index is None:
        yield cell(post.at, words, kind, tone, post.records)
        return
    end, end_tone = record_text.reply(post, replied)
    hung = replied.error == "hung"
    if hung or _together(analysis, (post.at, post.index), (replied.at, post.response_index)):
        yield cell(post.at, f"{words} → {end}", f"{kind} {end}", end_tone, post.records)
        return
    yield cell(post.at, words, kind, tone, post.records[:1])
    after = f"→ {end}, after {format_duration(replied.at - post.at)}"
    yield cell(replied.at, after, f"{kind} {end}", end_tone, post.records[1:])
