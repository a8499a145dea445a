"""What a picture shows: lanes, and the marks, bars and bands on them. Instants, no pixels.

Rules of this file: words come from `phrases` and `moments`, so that page and terminal say the same; nothing
is judged here.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from harness.evidence import Attempt, Post
from harness.history import Aggregator
from harness.report import phrases
from harness.report.clock import clock
from harness.report.html.examples import focus, focused_verdict
from harness.report.html.glyphs import Glyph
from harness.report.line import Tone, listed, shorten
from harness.report.moments import AGGREGATOR, SINK, TIMER, Moment, moments
from harness.report.reading import Fate, Operation, Reading
from harness.report.selection import Row, select
from harness.report.world import fault_words
from harness.verdict import Verdict
from simulator.scenario import SinkFault
from simulator.units import format_duration

_LABEL_MAX = 26  # characters
# An answer is drawn apart from its request when it took so long, if there is room for no more.
_APART_MS = 1_000
# Beyond so many columns, quick answers share the column of their request.
_COLUMNS_MAX = 44
REGISTRY = "\0registry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something that happened on one lane, from an instant on, perhaps until another."""

    lane: str
    begins: int
    ends: int
    glyph: Glyph
    tone: Tone
    label: str
    title: str  # in full, for whoever points at it
    entries: tuple[int, ...] = ()
    # The request's way to the aggregator or the sink: "" for none, reached, doubtful, refused, lost.
    way: str = ""
    deciding: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A stretch of time in which something holds a lane, or all of them."""

    lane: str | None
    begins: int
    ends: int
    kind: str  # down, ill, deadline, armed, ghost, up
    title: str


@dataclass(frozen=True, slots=True)
class Block:
    """The lanes of one operation, or of what concerns none."""

    heading: str
    lanes: tuple[str, ...]
    marks: tuple[Mark, ...]
    bands: tuple[Band, ...]


@dataclass(slots=True)
class Scene:
    """One picture: blocks below each other on one axis."""

    blocks: list[Block]
    instants: set[int] = field(default_factory=set)  # those that are worth a label
    minor: set[int] = field(default_factory=set)  # those that are only worth a column
    folded: list[tuple[int, str]] = field(default_factory=list)  # what is left out, from when
    end: int = 0  # of the watch


def scenes(reading: Reading, verdict: Verdict, drawn: Sequence[Operation]) -> list[Scene]:
    """One picture of all operations when they fit side by side, else one of each."""
    together = _scene(reading, verdict, drawn)
    if len(drawn) <= 1 or len(together.instants) <= _COLUMNS_MAX:
        return [together]
    return [_scene(reading, verdict, [operation]) for operation in drawn]


def _scene(reading: Reading, verdict: Verdict, drawn: Sequence[Operation]) -> Scene:
    """Everything about these operations, and what concerns everybody."""
    end = reading.evidence.end.at if reading.evidence.end else max(_instants(reading), default=0)
    scene = Scene([], end=end)
    alone = len(drawn) == 1
    shown: list[_Shown] = []
    for operation in drawn:
        mine = focus(reading, operation)
        rows = select(mine, moments(mine), focused_verdict(reading, verdict, operation)).rows
        shown.append(_Shown(operation, mine, rows, everybody=alone))
    if not alone:
        nobody = focus(reading, None)
        rows = select(nobody, moments(nobody), focused_verdict(reading, verdict, None)).rows
        shown.append(_Shown(None, nobody, rows, everybody=True))
    deciding = {index for finding in verdict.findings for index in finding.evidence}
    for part in shown:
        block = part.block(deciding, end=end, others=not alone)
        if block.lanes:
            scene.blocks.append(block)
        scene.instants |= part.instants
        scene.folded += part.folded
    _give_columns(scene)
    return scene


def _instants(reading: Reading) -> Iterator[int]:
    return (entry.at for entry in reading.history.entries)


def _give_columns(scene: Scene) -> None:
    """A column for every end that has none yet: all of them if there is room, else only the distant ones."""
    marks = [mark for block in scene.blocks for mark in block.marks]
    scene.instants |= {mark.begins for mark in marks} | {scene.end}
    ends = {mark.ends for mark in marks} - scene.instants
    if len(scene.instants | ends) > _COLUMNS_MAX:
        far = {mark.ends for mark in marks if mark.ends - mark.begins > _APART_MS}
        ends &= far
    scene.minor = ends


class _Shown:
    """One operation's part of a scene, or everybody's."""

    def __init__(
        self, operation: Operation | None, reading: Reading, rows: Sequence[Row], *, everybody: bool
    ) -> None:
        self.operation, self._reading, self._everybody = operation, reading, everybody
        if not everybody:
            rows = [Row(row.at, tuple(it for it in row.moments if it.operation), row.folded) for row in rows]
        self._moments = [moment for row in rows for moment in row.moments]
        self._entries = {index for moment in self._moments for index in moment.entries}
        self.instants = {row.at for row in rows if row.moments}
        self.folded = [(row.at, row.folded) for row in rows if row.folded]

    def block(self, deciding: set[int], *, end: int, others: bool) -> Block:
        """Marks and bands of this part; ``others``: there are more parts in the picture."""
        marks = [*self._attempts(), *self._unsent(), *self._posts(), *self._spoken()]
        marks = [
            mark if deciding.isdisjoint(mark.entries) else _decides(mark)
            for mark in marks
            if not mark.entries or not self._entries.isdisjoint(mark.entries)
        ]
        bands = tuple(self._bands(end))
        if self.operation is None:
            busy = {mark.lane for mark in marks}
            lanes = tuple(lane for lane in (AGGREGATOR, SINK) if lane in busy)
            return Block("all of them", lanes, tuple(marks), bands)
        lanes = (REGISTRY, *self._reading.scenario.regions, AGGREGATOR, TIMER, SINK)
        return Block(self.operation.name if others else "", lanes, tuple(marks), bands)

    def _attempts(self) -> Iterator[Mark]:
        for attempt in self._reading.evidence.attempts:
            yield _attempt(self._reading, attempt)

    def _unsent(self) -> Iterator[Mark]:
        for index, entry in self._reading.unsent:
            words, brief = phrases.UNSENT[entry.why]
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

    def _posts(self) -> Iterator[Mark]:
        for post in self._reading.evidence.posts:
            yield _post(self._reading, post)

    def _spoken(self) -> Iterator[Mark]:
        """Marks that are moments already: occurrences, counts, lives and deaths, timers, vain knocks."""
        for moment in self._moments:
            drawing = _DRAWN.get(moment.kind.split(" ")[0])
            if drawing is not None and (moment.operation is not None or self._everybody):
                yield drawing(moment)

    def _bands(self, end: int) -> Iterator[Band]:
        evidence = self._reading.evidence
        yield from _lives(evidence.turns, end)
        for fault in self._reading.scenario.faults:
            if isinstance(fault, SinkFault) and self._concerns(fault):
                yield from _illness(fault, end)
        if self.operation is not None:
            yield from self._timer(end)

    def _concerns(self, fault: SinkFault) -> bool:
        named = getattr(fault, "operation", "")
        if not named or self.operation is None:
            return True
        return self.operation.name == named or self.operation.name.startswith(f"{named}/")

    def _timer(self, end: int) -> Iterator[Band]:
        """The timer from its arming to its end, and the window in which the deadline lies."""
        window = self.operation.deadline if self.operation else None
        if window is None:
            return
        begins = window[0] - self._reading.scenario.timeout
        ended = [it.at for it in self._moments if it.kind in ("off", "fires")]
        stops = min([*ended, window[0], end])
        spoken = f"{clock(window[0])}" + (
            f" to {clock(window[1])}" if window[0] < window[1] <= end else ""
        )
        yield Band(lane=TIMER, begins=begins, ends=stops, kind="armed", title=f"armed for {spoken}")
        if window[0] <= end:
            if stops < window[0]:
                title = f"called off at {clock(stops)}; it would have fired at {spoken}"
                yield Band(lane=TIMER, begins=stops, ends=window[0], kind="ghost", title=title)
            title = f"the deadline: {spoken}"
            yield Band(lane=None, begins=window[0], ends=min(window[1], end), kind="deadline", title=title)
            self.instants.add(window[0])


def _decides(mark: Mark) -> Mark:
    return replace(mark, deciding=True, title=f"{mark.title} (decides a finding)")


_GLYPHS = {
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


def _attempt(reading: Reading, attempt: Attempt) -> Mark:
    sent, answered = attempt.sent, attempt.answer
    words, brief = phrases.request(reading, attempt)
    fate = reading.fate(attempt)
    title = f"{clock(sent.at)}  {attempt.home}: {words}"
    if answered is None or answered.error == "closed":
        ends, tone, label, title = sent.at, Tone.ODD, f"{brief} ?", f"{title}, no answer"
    else:
        end, end_brief, tone = phrases.answer(reading, attempt, answered)
        ends, label = answered.at, f"{brief} {end_brief}"
        title = f"{title} → {end}" + (f", {format_duration(ends - sent.at)} later" if ends > sent.at else "")
    wrongly_refused = fate is Fate.REFUSED and tone is Tone.BAD
    return Mark(
        lane=attempt.home,
        begins=sent.at,
        ends=ends,
        glyph=Glyph.WRONG if wrongly_refused else _GLYPHS[fate],
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


# How an attempt at the sink ended without a status, in one word.
_UNANSWERED = {"hung": "hangs", "reset": "cut", "gone": "unread"}


def _post(reading: Reading, post: Post) -> Mark:
    words, tone = phrases.told(reading, post)
    operation = reading.told(post)
    outcome = phrases.said_outcome(post) or "unreadable"
    again = operation is not None and operation.case.posts[0] is not post
    label = shorten(outcome, _LABEL_MAX // 2) + (" again" if again else "")
    title, ends = f"{clock(post.at)}  sink: {words}", post.at
    if post.reply is not None:
        end, end_tone = phrases.reply(post, post.reply)
        ends = post.reply.at
        answered = _UNANSWERED.get(post.reply.error, str(post.reply.status))
        label, title = f"{label} → {answered}", f"{title} → {end}"
        tone = tone if tone is Tone.BAD else end_tone
    if operation is None:
        label = f"{label}, whose?"
    return Mark(
        lane=SINK,
        begins=post.at,
        ends=ends,
        glyph={"completed": Glyph.COMPLETED, "timed_out": Glyph.TIMED_OUT}.get(outcome, Glyph.WRONG),
        tone=tone,
        label=label,
        title=title,
        entries=post.records,
        way="reached",
    )


def _occurred(moment: Moment) -> Mark:
    label = moment.text.split(" ", 1)[0]
    return _spoken(moment, REGISTRY, Glyph.OCCURRED, label)


def _counted(moment: Moment) -> Mark:
    return _spoken(moment, AGGREGATOR, Glyph.NONE, moment.text.split(":")[0].replace(" of ", "/"))


def _aggregator(moment: Moment) -> Mark:
    glyph = {"deadline": Glyph.NONE, "up": Glyph.UP}.get(moment.kind, Glyph.DOWN)
    label = moment.text.split(",")[0] if moment.kind == "up" else moment.text
    return _spoken(moment, AGGREGATOR, glyph, label)


def _timer(moment: Moment) -> Mark:
    glyph = {"armed": Glyph.ARMED, "off": Glyph.OFF}.get(moment.kind, Glyph.FIRES)
    return _spoken(moment, TIMER, glyph, moment.text.split(":")[0])


def _weather(moment: Moment) -> Mark:
    glyph = {"knock": Glyph.LOST, "sink well": Glyph.UP}.get(moment.kind, Glyph.DOWN)
    label = "" if moment.kind == "knock" else moment.text.removesuffix(" from here")
    return _spoken(moment, SINK, glyph, label)


def _spoken(moment: Moment, lane: str, glyph: Glyph, label: str) -> Mark:
    who = {AGGREGATOR: "aggregator", TIMER: "timer", SINK: "sink"}.get(lane, "registry")
    return Mark(
        lane=lane,
        begins=moment.at,
        ends=moment.at,
        glyph=glyph,
        tone=moment.tone,
        label=shorten(label, _LABEL_MAX),
        title=f"{clock(moment.at)}  {who}: {moment.text}",
        entries=moment.entries if lane in (REGISTRY, SINK) else (),
    )


_DRAWN: dict[str, Callable[[Moment], Mark]] = {
    "occurred": _occurred,
    "count": _counted,
    "deadline": _aggregator,
    "down": _aggregator,
    "up": _aggregator,
    "armed": _timer,
    "off": _timer,
    "fires": _timer,
    "sink": _weather,
    "knock": _weather,
}


def _lives(turns: Iterable[tuple[int, Aggregator]], end: int) -> Iterator[Band]:
    """When the aggregator was up, and when down."""
    since, state, why = 0, "down", ""
    for _, turn in turns:
        if turn.at > since or state == "up":
            yield _life(state, since, turn.at, why)
        if turn.state != state:
            since, state, why = turn.at, turn.state, turn.why
    yield _life(state, since, end, why)


def _life(state: str, begins: int, ends: int, why: str) -> Band:
    how = {"crash": "killed", "stop": "stopped", "failed": "could not start"}.get(why, "not started")
    span = format_duration(max(0, ends - begins))
    title = f"aggregator up for {span}" if state == "up" else f"aggregator down ({how}) for {span}"
    return Band(lane=AGGREGATOR, begins=begins, ends=ends, kind=state, title=title)


def _illness(fault: SinkFault, end: int) -> Iterator[Band]:
    """While a fault holds the sink. One that never ends and has no beginning is a trait, not weather."""
    since = getattr(fault, "since", 0)
    until = getattr(fault, "until", None)
    ends = end if until is None else min(until, end)
    if since < ends and (since, until) != (0, None):
        yield Band(lane=SINK, begins=since, ends=ends, kind="ill", title=fault_words(fault))


def named(lanes: Sequence[str]) -> list[str]:
    """The lanes' names for people."""
    known = {REGISTRY: "registry", AGGREGATOR: "aggregator", TIMER: "timer", SINK: "sink"}
    return [known.get(lane, lane) for lane in lanes]


def summary(reading: Reading, drawn: Sequence[Operation]) -> str:
    """The picture in one sentence, for whoever cannot see it."""
    regions = listed(reading.scenario.regions)
    names = listed([operation.name for operation in drawn])
    return (
        f"Timeline of {names}: one lane each for {regions}, the aggregator, its timer and the sink. "
        "The table of events says the same in words."
    )
