"""The markers of a picture: one for each webhook, notification and event.

Rules of this file: words come from `phrases` and `events`, so that page and terminal say the same.
"""

from collections.abc import Callable, Iterator

from fanin.harness.oracle.evidence import Attempt, Notification
from fanin.harness.report import record_text
from fanin.harness.report.analysis import AttemptOutcome, RunAnalysis
from fanin.harness.report.html.diagram import Marker, named
from fanin.harness.report.html.glyphs import Glyph
from fanin.harness.report.line import Tone, shorten
from fanin.harness.report.timeline.events import AGGREGATOR, REGISTRY, SINK, TIMER, Event
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
_OUTCOMES = {"completed": Glyph.COMPLETED, "timed_out": Glyph.TIMED_OUT}
# How an attempt at the sink ended without a status, in one word.
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
    for post in analysis.evidence.notifications:
        yield _post(analysis, post)


def _attempt(analysis: RunAnalysis, attempt: Attempt) -> Marker:
    sent, answered, outcome_ = attempt.sent, attempt.ended, analysis.outcome_of(attempt)
    words, brief = record_text.request(analysis, attempt)
    title = f"{clock(sent.at)}  {attempt.origin}: {words}"
    if answered is None or answered.error == "run-ended":
        ends, tone, label, title = sent.at, Tone.ODD, f"{brief} ?", f"{title}, no answer"
    else:
        end, end_brief, tone = record_text.answer(analysis, attempt, answered)
        ends, label = answered.at, f"{brief} {end_brief}"
        title = f"{title} → {end}" + (f", {format_duration(ends - sent.at)} later" if ends > sent.at else "")
    wrongly_refused = outcome_ is AttemptOutcome.REFUSED and tone is Tone.BAD
    return Marker(
        lane=attempt.origin,
        begins=sent.at,
        ends=ends,
        glyph=Glyph.WRONG if wrongly_refused else _GLYPHS[outcome_],
        tone=tone,
        label=label.strip(),
        title=title,
        entries=attempt.records,
        way=_way(attempt, outcome_),
    )


def _way(attempt: Attempt, outcome_: AttemptOutcome) -> str:
    if outcome_ is AttemptOutcome.LOST:
        return "refused" if attempt.ended and attempt.ended.error == "refused" else "lost"
    return "indefinite" if outcome_ is AttemptOutcome.INDEFINITE else "reached"


def _post(analysis: RunAnalysis, post: Notification) -> Marker:
    words, tone = record_text.told(analysis, post)
    operation, outcome = analysis.notified_operation(post), record_text.said_outcome(post) or "unreadable"
    label, title, ends = shorten(outcome, _OUTCOME_MAX), f"{clock(post.at)}  sink: {words}", post.at
    if operation is None:
        label += ", whose?"
    elif operation.records.notifications[0] is not post:
        label += " again"
    if post.response is not None:
        end, end_tone = record_text.reply(post, post.response)
        ends = post.response.at
        answered = _UNANSWERED.get(post.response.error, str(post.response.status))
        label, title = f"{label} → {answered}", f"{title} → {end}"
        tone = tone if tone is Tone.BAD else end_tone
    return Marker(
        lane=SINK,
        begins=post.at,
        ends=ends,
        glyph=_OUTCOMES.get(outcome, Glyph.WRONG),
        tone=tone,
        label=label,
        title=title,
        entries=post.records,
        way="reached",
    )


def event_marker(event: Event) -> Marker | None:
    """The marker of an event that is no request: an occurrence, a count, a start or stop, a timer, faults."""
    drawing = _DRAWN.get(event.kind.split(" ")[0])
    return None if drawing is None else drawing(event)


def _occurred(event: Event) -> Marker:
    return _marker(event, REGISTRY, Glyph.OCCURRED, event.text.split(" ", 1)[0])


def _counted(event: Event) -> Marker:
    return _marker(event, AGGREGATOR, Glyph.NONE, event.text.split(":")[0].replace(" of ", "/"))


def _aggregator(event: Event) -> Marker:
    glyph = {"deadline": Glyph.NONE, "up": Glyph.UP, "back": Glyph.UP}.get(event.kind, Glyph.DOWN)
    label = event.text.split(",")[0] if event.kind in ("up", "back") else event.text
    return _marker(event, AGGREGATOR, glyph, label)


def _timer(event: Event) -> Marker:
    glyph = {"armed": Glyph.ARMED, "off": Glyph.OFF}.get(event.kind, Glyph.FIRES)
    return _marker(event, TIMER, glyph, event.text.split(":")[0])


def _sink(event: Event) -> Marker:
    glyph = {"knock": Glyph.LOST, "sink recovered": Glyph.UP}.get(event.kind, Glyph.DOWN)
    label = "" if event.kind == "knock" else event.text.removesuffix(" from here")
    return _marker(event, SINK, glyph, label)


def _marker(event: Event, lane: str, glyph: Glyph, label: str) -> Marker:
    return Marker(
        lane=lane,
        begins=event.at,
        ends=event.at,
        glyph=glyph,
        tone=event.tone,
        label=shorten(label, _LABEL_MAX),
        title=f"{clock(event.at)}  {named([lane])[0]}: {event.text}",
        # A count's record is the webhook's, which has a marker of its own.
        entries=() if glyph is Glyph.NONE else event.entries,
    )


def unreached_deadline_marker(deadline: int) -> Marker:
    """Where the deadline lies of a timer that does not live to see it."""
    return Marker(
        lane=TIMER,
        begins=deadline,
        ends=deadline,
        glyph=Glyph.NONE,
        tone=Tone.ODD,
        label="deadline",
        title=f"the deadline: {clock(deadline)}",
    )


_DRAWN: dict[str, Callable[[Event], Marker]] = {
    "occurred": _occurred,
    "count": _counted,
    "deadline": _aggregator,
    "down": _aggregator,
    "up": _aggregator,
    "gone": _aggregator,
    "back": _aggregator,
    "clock": _aggregator,
    "armed": _timer,
    "off": _timer,
    "fires": _timer,
    "sink": _sink,
    "knock": _sink,
}
