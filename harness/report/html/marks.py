"""The marks of a picture: one for each webhook, notification and event.

Rules of this file: words come from `phrases` and `moments`, so that page and terminal say the same.
"""

from collections.abc import Callable, Iterator

from fanin.harness.oracle.evidence import Attempt, Post
from fanin.harness.report import record_text
from fanin.harness.report.analysis import Fate, Reading
from fanin.harness.report.clock import clock
from fanin.harness.report.html.glyphs import Glyph
from fanin.harness.report.html.scene import REGISTRY, Mark, named
from fanin.harness.report.line import Tone, shorten
from fanin.harness.report.timeline.events import AGGREGATOR, SINK, TIMER, Moment
from fanin.simulator.language.durations import format_duration

_LABEL_MAX = 46  # characters
_OUTCOME_MAX = 16

_FATES = {
    Fate.COUNTED: Glyph.COUNTED,
    Fate.ON_THE_LINE: Glyph.ON_THE_LINE,
    Fate.DUPLICATE: Glyph.DUPLICATE,
    Fate.LATE: Glyph.LATE,
    Fate.IDLE: Glyph.IDLE,
    Fate.REFUSED: Glyph.REFUSED,
    Fate.SWALLOWED: Glyph.WRONG,
    Fate.LOST: Glyph.LOST,
    Fate.DOUBTFUL: Glyph.DOUBTFUL,
}
_OUTCOMES = {"completed": Glyph.COMPLETED, "timed_out": Glyph.TIMED_OUT}
# How an attempt at the sink ended without a status, in one word.
_UNANSWERED = {"hung": "hangs", "reset": "cut", "gone": "unread"}


def recorded(reading: Reading) -> Iterator[Mark]:
    """The marks that are records: webhooks, those that were never sent, and notifications."""
    for attempt in reading.evidence.attempts:
        yield _attempt(reading, attempt)
    for index, entry in reading.unsent:
        words, brief = record_text.UNSENT[entry.why]
        yield Mark(
            lane=entry.region,
            begins=entry.at,
            ends=entry.at,
            glyph=Glyph.UNSENT,
            tone=Tone.ODD,
            label=brief,
            title=f"{clock(entry.at)}  {entry.region}: {words}",
            entries=(index,),
        )
    for post in reading.evidence.posts:
        yield _post(reading, post)


def _attempt(reading: Reading, attempt: Attempt) -> Mark:
    sent, answered, fate = attempt.sent, attempt.answer, reading.fate(attempt)
    words, brief = record_text.request(reading, attempt)
    title = f"{clock(sent.at)}  {attempt.home}: {words}"
    if answered is None or answered.error == "closed":
        ends, tone, label, title = sent.at, Tone.ODD, f"{brief} ?", f"{title}, no answer"
    else:
        end, end_brief, tone = record_text.answer(reading, attempt, answered)
        ends, label = answered.at, f"{brief} {end_brief}"
        title = f"{title} → {end}" + (f", {format_duration(ends - sent.at)} later" if ends > sent.at else "")
    wrongly_refused = fate is Fate.REFUSED and tone is Tone.BAD
    return Mark(
        lane=attempt.home,
        begins=sent.at,
        ends=ends,
        glyph=Glyph.WRONG if wrongly_refused else _FATES[fate],
        tone=tone,
        label=label.strip(),
        title=title,
        entries=attempt.records,
        way=_way(attempt, fate),
    )


def _way(attempt: Attempt, fate: Fate) -> str:
    if fate is Fate.LOST:
        return "refused" if attempt.answer and attempt.answer.error == "refused" else "lost"
    return "doubtful" if fate is Fate.DOUBTFUL else "reached"


def _post(reading: Reading, post: Post) -> Mark:
    words, tone = record_text.told(reading, post)
    operation, outcome = reading.told(post), record_text.said_outcome(post) or "unreadable"
    label, title, ends = shorten(outcome, _OUTCOME_MAX), f"{clock(post.at)}  sink: {words}", post.at
    if operation is None:
        label += ", whose?"
    elif operation.case.posts[0] is not post:
        label += " again"
    if post.reply is not None:
        end, end_tone = record_text.reply(post, post.reply)
        ends = post.reply.at
        answered = _UNANSWERED.get(post.reply.error, str(post.reply.status))
        label, title = f"{label} → {answered}", f"{title} → {end}"
        tone = tone if tone is Tone.BAD else end_tone
    return Mark(
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


def spoken(moment: Moment) -> Mark | None:
    """The mark of a moment that is no record of its own: an occurrence, a count, a life, a timer, weather."""
    drawing = _DRAWN.get(moment.kind.split(" ")[0])
    return None if drawing is None else drawing(moment)


def _occurred(moment: Moment) -> Mark:
    return _mark(moment, REGISTRY, Glyph.OCCURRED, moment.text.split(" ", 1)[0])


def _counted(moment: Moment) -> Mark:
    return _mark(moment, AGGREGATOR, Glyph.NONE, moment.text.split(":")[0].replace(" of ", "/"))


def _aggregator(moment: Moment) -> Mark:
    glyph = {"deadline": Glyph.NONE, "up": Glyph.UP, "back": Glyph.UP}.get(moment.kind, Glyph.DOWN)
    label = moment.text.split(",")[0] if moment.kind in ("up", "back") else moment.text
    return _mark(moment, AGGREGATOR, glyph, label)


def _timer(moment: Moment) -> Mark:
    glyph = {"armed": Glyph.ARMED, "off": Glyph.OFF}.get(moment.kind, Glyph.FIRES)
    return _mark(moment, TIMER, glyph, moment.text.split(":")[0])


def _weather(moment: Moment) -> Mark:
    glyph = {"knock": Glyph.LOST, "sink well": Glyph.UP}.get(moment.kind, Glyph.DOWN)
    label = "" if moment.kind == "knock" else moment.text.removesuffix(" from here")
    return _mark(moment, SINK, glyph, label)


def _mark(moment: Moment, lane: str, glyph: Glyph, label: str) -> Mark:
    return Mark(
        lane=lane,
        begins=moment.at,
        ends=moment.at,
        glyph=glyph,
        tone=moment.tone,
        label=shorten(label, _LABEL_MAX),
        title=f"{clock(moment.at)}  {named([lane])[0]}: {moment.text}",
        # A count's record is the webhook's, which has a mark of its own.
        entries=() if glyph is Glyph.NONE else moment.entries,
    )


def unfired(deadline: int) -> Mark:
    """Where the deadline lies of a timer that does not live to see it."""
    return Mark(
        lane=TIMER,
        begins=deadline,
        ends=deadline,
        glyph=Glyph.NONE,
        tone=Tone.ODD,
        label="deadline",
        title=f"the deadline: {clock(deadline)}",
    )


_DRAWN: dict[str, Callable[[Moment], Mark]] = {
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
    "sink": _weather,
    "knock": _weather,
}
