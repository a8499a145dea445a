"""Puts a run into pictures: which operations together, what of them, and which instants get a column."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fanin.harness.report.analysis import Operation, Reading
from fanin.harness.report.html.bands import timer, weather
from fanin.harness.report.html.examples import focus, focused_verdict
from fanin.harness.report.html.marks import recorded, spoken, unfired
from fanin.harness.report.html.scene import REGISTRY, Band, Block, Mark, Scene
from fanin.harness.report.timeline.events import AGGREGATOR, SINK, TIMER, Moment, moments
from fanin.harness.report.timeline.selection import select
from fanin.harness.verdict import Verdict

# An answer that took so long has a column of its own; a quicker one only while there is room.
_APART_MS = 1_000
_COLUMNS_MAX = 44
# With more marks than this, one that says what the one before it on its lane says has no label.
_LABELLED_MAX = 24


def scenes(reading: Reading, verdict: Verdict, drawn: Sequence[Operation]) -> list[Scene]:
    """One picture of all operations when they have room on one axis, else one of each.

    Examples of many have a picture each: what lies between them is not theirs.
    """
    if len(drawn) < len(reading.operations):
        return [_scene(reading, verdict, [operation], brief=True) for operation in drawn]
    together = _scene(reading, verdict, drawn)
    if len(drawn) <= 1 or len(together.instants) <= _COLUMNS_MAX:
        return [together]
    return [_scene(reading, verdict, [operation]) for operation in drawn]


def _scene(reading: Reading, verdict: Verdict, drawn: Sequence[Operation], *, brief: bool = False) -> Scene:
    """These operations and what concerns everybody; when brief, only what does so during their time."""
    last = max((entry.at for entry in reading.history.entries), default=0)
    scene = Scene(reading.evidence.end.at if reading.evidence.end else last)
    alone = len(drawn) == 1
    parts = [_Part(reading, verdict, operation, everybody=alone, brief=brief) for operation in drawn]
    if not alone:
        parts.append(_Part(reading, verdict, None, everybody=True, brief=False))
    deciding = {index for finding in verdict.findings for index in finding.evidence}
    for part in parts:
        block = part.block(deciding, scene.end)
        if block.lanes:
            scene.blocks.append(replace(block, heading="") if alone else block)
        scene.instants |= part.instants | {mark.begins for mark in block.marks}
        scene.folded += part.folded
    scene.instants.add(scene.end)
    _give_columns(scene)
    return scene


def _give_columns(scene: Scene) -> None:
    """A column for every end that has none yet: all of them if there is room, else only the distant ones."""
    marks = [mark for block in scene.blocks for mark in block.marks]
    ends = {mark.ends for mark in marks} - scene.instants
    if len(scene.instants | ends) > _COLUMNS_MAX:
        ends &= {mark.ends for mark in marks if mark.ends - mark.begins > _APART_MS}
    scene.minor = ends


class _Part:
    """What a picture shows of one operation, or of what concerns none."""

    def __init__(
        self,
        reading: Reading,
        verdict: Verdict,
        operation: Operation | None,
        *,
        everybody: bool,
        brief: bool,
    ) -> None:
        self._operation, self._reading, self._brief = operation, focus(reading, operation), brief
        told = moments(self._reading)
        told = _in_its_time(told) if brief else told
        rows = select(self._reading, told, focused_verdict(reading, verdict, operation)).rows
        self._moments = [it for row in rows for it in row.moments if everybody or it.operation is not None]
        self.instants = {moment.at for moment in self._moments}
        self.folded = [(row.at, row.folded) for row in rows if row.folded]

    def block(self, deciding: set[int], end: int) -> Block:
        """Its lanes, marks and bands.

        Args:
            deciding: Indices of the records on which findings rest.
            end: Of the watch.
        """
        marks = [mark if deciding.isdisjoint(mark.entries) else _decides(mark) for mark in self._marks(end)]
        if len(marks) > _LABELLED_MAX:
            marks = list(_unrepeated(marks))
        bands = tuple(self._bands(end))
        busy = {mark.lane for mark in marks}
        if self._operation is None:
            lanes = tuple(lane for lane in (AGGREGATOR, SINK) if lane in busy)
            return Block("all of them", lanes, tuple(marks), bands)
        regions = self._reading.scenario.regions
        others = sorted(busy - {*regions, REGISTRY, AGGREGATOR, TIMER, SINK})  # of a damaged history
        lanes = (REGISTRY, *regions, *others, AGGREGATOR, TIMER, SINK)
        return Block(self._operation.name, lanes, tuple(marks), bands)

    def _marks(self, end: int) -> Iterator[Mark]:
        chosen = {index for moment in self._moments for index in moment.entries}
        yield from (mark for mark in recorded(self._reading) if not chosen.isdisjoint(mark.entries))
        # Of several counts in one instant, the last says it all.
        counts = {moment.at: moment for moment in self._moments if moment.kind.startswith("count")}
        told = [it for it in self._moments if not it.kind.startswith("count") or counts[it.at] is it]
        yield from (mark for mark in map(spoken, told) if mark is not None)
        window = self._operation.deadline if self._operation else None
        if window and window[0] <= end and not any(it.kind == "fires" for it in self._moments):
            yield unfired(window[0])

    def _bands(self, end: int) -> Iterator[Band]:
        last = max(self.instants, default=end) if self._brief else end
        for band in weather(self._reading, self._operation, end):
            if band.begins <= last or band.kind == "up":
                yield band
        if self._operation is not None:
            yield from timer(self._operation, self._moments, end)


def _in_its_time(told: Sequence[Moment]) -> list[Moment]:
    """Of what concerns everybody only what happened during the operation."""
    own = [moment.at for moment in told if moment.operation is not None]
    begin, end = min(own, default=0), max(own, default=0)
    return [moment for moment in told if moment.operation is not None or begin <= moment.at <= end]


def _unrepeated(marks: Sequence[Mark]) -> Iterator[Mark]:
    said: dict[str, str] = {}
    for mark in sorted(marks, key=lambda mark: (mark.begins, mark.ends)):
        repeats = mark.label == said.get(mark.lane)
        said[mark.lane] = mark.label
        yield replace(mark, label="") if repeats and not mark.deciding else mark


def _decides(mark: Mark) -> Mark:
    return replace(mark, deciding=True, title=f"{mark.title} (decides a finding)")
