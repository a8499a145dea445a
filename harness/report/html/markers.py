"""The markers of a picture: one for each webhook, notification and event.

Rules of this file: words come from `record_text` and `timeline.events`, so that page and terminal agree.
"""

from collections.abc import Iterator

from fanin.harness.oracle.evidence import Attempt, Notification
from fanin.harness.report import record_text
from fanin.harness.report.analysis import AttemptOutcome, RunAnalysis
from fanin.harness.report.html.diagram import Marker, Transmission, lane_name
from fanin.harness.report.html.glyphs import Glyph
from fanin.harness.report.line import Tone, shorten
from fanin.harness.report.timeline.events import SINK, TIMER, Event, EventKind
from fanin.simulator.durations import format_duration
from fanin.simulator.instants import clock

_LABEL_MAX = 46  # characters
_OUTCOME_MAX = 16

_GLYPHS = {
    AttemptOutcome.COUNTED: Glyph.COUNTED,
    AttemptOutcome.AT_DEADLINE: Glyph.AT_DEADLINE,
    AttemptOutcome.DUPLICATE: Glyph.DUPLICATE,
    AttemptOutcome.LATE: Glyph.LATE,
    AttemptOutcome.NO_EFFECT: Glyph.NO_EFFECT,
    AttemptOutcome.REFUSED: Glyph.REFUSED,
    AttemptOutcome.WRONGLY_ACCEPTED: Glyph.WRONG,
    AttemptOutcome.LOST: Glyph.LOST,
    AttemptOutcome.INDEFINITE: Glyph.INDEFINITE,
}
_EVENT_GLYPHS = {
    EventKind.REGISTRY_EVENT: Glyph.REGISTRY_EVENT,
    EventKind.COUNT: Glyph.NONE,
    EventKind.DEADLINE: Glyph.NONE,
    EventKind.DOWN: Glyph.DOWN,
    EventKind.REPLICA_DOWN: Glyph.DOWN,
    EventKind.CLOCK_SET: Glyph.DOWN,
    EventKind.UP: Glyph.UP,
    EventKind.REPLICA_UP: Glyph.UP,
    EventKind.ARMED: Glyph.ARMED,
    EventKind.CANCELLED: Glyph.CANCELLED,
    EventKind.FIRES: Glyph.FIRES,
    EventKind.SINK_FAULT: Glyph.DOWN,
    EventKind.SINK_RECOVERED: Glyph.UP,
    EventKind.SINK_UNREACHABLE: Glyph.LOST,
}
_OUTCOMES = {"completed": Glyph.COMPLETED, "timed_out": Glyph.TIMED_OUT}
# How a request to the sink ended without a status, in one word.
_UNANSWERED = {"hung": "hangs", "reset": "cut", "disconnected": "unread"}


def record_markers(analysis: RunAnalysis) -> Iterator[Marker]:
    """The markers that are records: webhooks, those that were never sent, and notifications."""
    for attempt in analysis.evidence.attempts:
        yield _attempt(analysis, attempt)
    for index, entry in analysis.unsent:
        words, brief = record_text.UNSENT[entry.reason]
        yield Marker(
            lane=entry.region,
            begins=entry.at,
            ends=entry.at,
            glyph=Glyph.UNSENT,
            tone=Tone.ODD,
            label=brief,
            title=f"{clock(entry.at)}  {entry.region}: {words}",
            entries=(index,),
        )
    for received in analysis.evidence.notifications:
        yield _notification(analysis, received)


def _attempt(analysis: RunAnalysis, attempt: Attempt) -> Marker:
    sent, ended, outcome = attempt.sent, attempt.ended, analysis.outcome_of(attempt)
    words, brief = record_text.request(analysis, attempt)
    title = f"{clock(sent.at)}  {attempt.origin}: {words}"
    if ended is None or ended.error == "run-ended":
        ends, tone, label, title = sent.at, Tone.ODD, f"{brief} ?", f"{title}, no answer"
    else:
        end, end_brief, tone = record_text.response(analysis, attempt, ended)
        ends, label = ended.at, f"{brief} {end_brief}"
        title = f"{title} → {end}" + (f", {format_duration(ends - sent.at)} later" if ends > sent.at else "")
    wrongly_refused = outcome is AttemptOutcome.REFUSED and tone is Tone.BAD
    return Marker(
        lane=attempt.origin,
        begins=sent.at,
        ends=ends,
        glyph=Glyph.WRONG if wrongly_refused else _GLYPHS[outcome],
        tone=tone,
        label=label.strip(),
        title=title,
        entries=attempt.records,
        transmission=_transmission(attempt, outcome),
    )


def _transmission(attempt: Attempt, outcome: AttemptOutcome) -> Transmission:
    if outcome is AttemptOutcome.LOST:
        refused = attempt.ended is not None and attempt.ended.error == "refused"
        return Transmission.REFUSED if refused else Transmission.LOST
    return Transmission.INDEFINITE if outcome is AttemptOutcome.INDEFINITE else Transmission.REACHED


def _notification(analysis: RunAnalysis, received: Notification) -> Marker:
    words, tone = record_text.notification(analysis, received)
    operation, response = analysis.notified_operation(received), received.response
    outcome = record_text.stated_outcome(received) or "unreadable"
    label, title, ends = shorten(outcome, _OUTCOME_MAX), f"{clock(received.at)}  sink: {words}", received.at
    if operation is None:
        label += " of what?"
    elif operation.records.notifications[0] is not received:
        label += " again"
    if response is not None:
        end, end_tone = record_text.sink_response(received, response)
        ends = response.at
        label = f"{label} → {_UNANSWERED.get(response.error, str(response.status))}"
        title = f"{title} → {end}"
        tone = tone if tone is Tone.BAD else end_tone
    return Marker(
        lane=SINK,
        begins=received.at,
        ends=ends,
        glyph=_OUTCOMES.get(outcome, Glyph.WRONG),
        tone=tone,
        label=label,
        title=title,
        entries=received.records,
        transmission=Transmission.REACHED,
    )


def event_marker(event: Event) -> Marker | None:
    """The marker of an event; None where the event is a record that has one: a webhook, a notification."""
    glyph = _EVENT_GLYPHS.get(event.kind)
    if glyph is None:
        return None
    return Marker(
        lane=event.lane,
        begins=event.at,
        ends=event.at,
        glyph=glyph,
        tone=event.tone,
        label=shorten(_label(event), _LABEL_MAX),
        title=f"{clock(event.at)}  {lane_name(event.lane)}: {event.text}",
        # A count's record is the webhook's, which has a marker of its own.
        entries=() if glyph is Glyph.NONE else event.entries,
    )


def _label(event: Event) -> str:
    """What an event says, as short as its glyph allows."""
    match event.kind:
        case EventKind.REGISTRY_EVENT:
            return event.text.split(" ", 1)[0]
        case EventKind.COUNT:
            return event.text.split(":")[0].replace(" of ", "/")
        case EventKind.UP | EventKind.REPLICA_UP:
            return event.text.split(",")[0]
        case EventKind.ARMED | EventKind.CANCELLED | EventKind.FIRES:
            return event.text.split(":")[0]
        case EventKind.SINK_UNREACHABLE:
            return ""
        case _:
            return event.text.removesuffix(" from here")


def unreached_deadline_marker(deadline: int) -> Marker:
    """Where the deadline of a cancelled timer lies."""
    return Marker(
        lane=TIMER,
        begins=deadline,
        ends=deadline,
        glyph=Glyph.NONE,
        tone=Tone.ODD,
        label="deadline",
        title=f"the deadline: {clock(deadline)}",
    )
