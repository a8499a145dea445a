"""A verdict as text: what was decided, why it was right, or what broke and how to see it again.

Rules of this file: a verdict that is not ``valid`` fits in so many lines as `_room` says, notes and
exceptions of the application apart, and ends in the replay command; a line that is too wide is broken.
"""

import re
from collections.abc import Iterator, Sequence

from fanin.harness.report.analysis import RunAnalysis
from fanin.harness.report.causes import resemblances
from fanin.harness.report.evidence_text import EvidenceText
from fanin.harness.report.line import WIDTH, Line, Tone, line, listed, shorten, wrap
from fanin.harness.report.representatives import (
    NOT_NOTIFIED,
    grouped,
    judged_outcomes,
    judgement_kind,
    legal_outcomes,
    tally,
)
from fanin.harness.verdict import Finding, Judgement, Validity, Verdict
from fanin.simulator.instants import clock

_LINES, _LINES_NARROW = 18, 22  # at full width, and where sentences need more lines
TRACE_SHOWN = 8  # hexadecimal digits: enough to compare by eye
_OPERATIONS = 6  # valid operations that are explained one by one
_SENTENCE = 3  # lines of the sentence that says what broke
_ERRORS = 3  # exceptions that are named
_SHOWN = 4  # pieces of evidence, and lines by region
_PADDING = re.compile(r"(?<=\S) {3,}")  # between columns
TONES = {Validity.VALID: Tone.GOOD, Validity.INVALID: Tone.BAD, Validity.UNKNOWN: Tone.ODD}


def render(
    analysis: RunAnalysis, verdict: Verdict, *, replay: str, errors: Sequence[str] = (), width: int = WIDTH
) -> Iterator[Line]:
    """Headline, reasons, and for all but ``valid`` the command that shows it again."""
    yield from _headline(analysis, verdict, width)
    match verdict.validity:
        case Validity.VALID:
            yield from _reasons(analysis, verdict, width)
            yield from _notes(verdict, width)
            return
        case Validity.INVALID:
            yield from _findings(analysis, verdict, width)
        case Validity.UNKNOWN:
            yield from _doubts(verdict, width)
            yield from _notes(verdict, width)
    yield from error_lines(errors, width)
    yield line(f"  replay: {replay}", Tone.STRONG)


def error_lines(errors: Sequence[str], width: int) -> Iterator[Line]:
    """The first exceptions that escaped the application, and one traceback: they are often alike."""
    for nth, error in enumerate(errors[:_ERRORS]):
        first, *traceback = error.splitlines()
        yield from (line(text, Tone.BAD) for text in wrap(f"  raised in {first}", width, hanging=" " * 6))
        for text in traceback if nth == 0 else ():
            yield from (line(part, Tone.QUIET) for part in wrap(f"      {text}", width, hanging=" " * 10))
    if len(errors) > _ERRORS:
        yield line(f"  … and in {len(errors) - _ERRORS} more lives", Tone.QUIET)


def _room(width: int) -> int:
    """Lines of a verdict, without its headline and its replay command."""
    return (_LINES if width >= WIDTH else _LINES_NARROW) - 2


def _headline(analysis: RunAnalysis, verdict: Verdict, width: int) -> Iterator[Line]:
    """``VALID  slow-region  target="…" time=virtual seed=7 trace=3f9ac1…``, the target below if too long."""
    run = analysis.history.run
    word, tone = verdict.validity.upper(), TONES[verdict.validity]
    facts = f"time={run.time} seed={run.seed} trace={analysis.history.trace_hash()[:TRACE_SHOWN]}"
    name = f"  {run.scenario.scenario}  "
    target = f'target="{run.target}"' if run.target else ""
    together = f"{name}{target} {facts}" if target else f"{name}{facts}"
    if len(word) + len(together) <= width:
        yield (word, tone), (together, Tone.PLAIN)
        return
    yield (word, tone), (shorten(f"{name}{facts}", width - len(word)), Tone.PLAIN)
    if target:
        yield line(shorten(f"  {target}", width))


def _reasons(analysis: RunAnalysis, verdict: Verdict, width: int) -> Iterator[Line]:
    """Why each outcome was right."""
    shown = verdict.judgements
    if len(shown) > _OPERATIONS:
        shown = tuple(alike[0] for alike in grouped(verdict.judgements, judgement_kind))[:_OPERATIONS]
    for judgement in shown:
        text = f"  {judgement.op}  {_decided(judgement)}: {reason(analysis, judgement)}"
        yield from (line(part) for part in wrap(text, width, hanging=" " * 6))
    rest = [judgement for judgement in verdict.judgements if judgement not in shown]
    if rest:
        outcomes = tally(judged_outcomes(rest))
        yield line(f"  … and {len(rest):,} more: {outcomes}, each of them right", Tone.QUIET)


def _decided(judgement: Judgement) -> str:
    if judgement.outcome is None:
        return NOT_NOTIFIED
    when = f" at {clock(judgement.notified_at)}" if judgement.notified_at is not None else ""
    return f"{judgement.outcome}{when}"


def reason(analysis: RunAnalysis, judgement: Judgement) -> str:
    """Why the outcome was right: because it was the only legal one, or because several were, and why."""
    operation = next((one for one in analysis.operations if one.judgement is judgement), None)
    counted = operation.counted if operation else {}
    deadline = _deadline_words(judgement)
    if len(judgement.legal) > 1:
        doubtful = sorted(operation.indefinite) if operation else []
        because = f"it was decided around {deadline}"
        if doubtful:
            because = f"{listed(doubtful)} may or may not have counted"
        return f"{legal_outcomes(judgement)} was right, because {because}"
    regions = (operation or analysis).scenario.regions
    match judgement.legal:
        case ("completed",):
            return f"all {len(regions)} of {len(regions)} arrived before {deadline}"
        case ("timed_out",):
            late_from = judgement.deadline_from or 0
            missing = [region for region in regions if counted.get(region, late_from) >= late_from]
            return f"{listed(missing)} had not arrived by {deadline}"
        case _:
            return "nothing that was accepted starts a wait"


def _deadline_words(judgement: Judgement) -> str:
    """``the deadline (+2m00s)``, or between two instants where the harness cannot know it better."""
    start, end = judgement.deadline_from, judgement.deadline_until
    if start is None:
        return "a deadline that was never set"
    if end is None:
        return f"a deadline at {clock(start)} or later"
    if end <= start:
        return f"the deadline ({clock(start)})"
    return f"the deadline ({clock(start)} to {clock(end)})"


def _doubts(verdict: Verdict, width: int) -> Iterator[Line]:
    room = _room(width)
    for nth, doubt in enumerate(verdict.doubts):
        parts = wrap(f"  {doubt}", width, hanging="    ")
        if len(parts) > room - 1 and nth < len(verdict.doubts) - 1:
            yield line(f"  … and {len(verdict.doubts) - nth} more doubts", Tone.QUIET)
            return
        room -= len(parts)
        yield from (line(part) for part in parts)


def _notes(verdict: Verdict, width: int) -> Iterator[Line]:
    """What the scenario expects otherwise, though the contract allows it."""
    for note in verdict.notes:
        yield from (line(part, Tone.QUIET) for part in wrap(f"  note: {note}", width, hanging=" " * 8))


def _findings(analysis: RunAnalysis, verdict: Verdict, width: int) -> Iterator[Line]:
    """The first finding in full, the others as far as there is room."""
    evidence_text = EvidenceText(analysis)
    room = _room(width)
    for nth, finding in enumerate(verdict.findings):
        rest = len(verdict.findings) - nth - 1
        block = list(_finding(evidence_text, finding, width, full=nth == 0))
        spare = room - (1 if rest else 0)
        if len(block) > spare and nth > 0:
            yield line(f"  … and {rest + 1} more findings", Tone.QUIET)
            return
        block = block[:spare]
        room -= len(block)
        yield from block


def _finding(evidence_text: EvidenceText, finding: Finding, width: int, *, full: bool) -> Iterator[Line]:
    """Rule and sentence; in full also the evidence, the lines by region, and what it looks like."""
    rule = f"  {finding.rule.value}  "
    for position, part in enumerate(wrap(finding.message, width - len(rule))[:_SENTENCE]):
        yield ((rule if position == 0 else " " * len(rule), Tone.BAD), (part, Tone.PLAIN))
    if not full:
        return
    proofs = [f"      {proof}" for proof in evidence_text.sentences(finding.evidence)]
    yield from _some(proofs, "records", Tone.PLAIN, width)
    yield from _some([f"    {text}" for text in finding.by_region], "regions", Tone.ODD, width)
    yield from _resemblance(finding, width)


def _resemblance(finding: Finding, width: int) -> Iterator[Line]:
    """What is usually behind what the finding looks like."""
    for text in resemblances(finding):
        parts = wrap(f"    looks like {text} (docs/bugs.md)", width, hanging=" " * 6)
        yield from (line(part) for part in parts)


def _some(texts: list[str], what: str, tone: Tone, width: int) -> Iterator[Line]:
    shown = texts if len(texts) <= _SHOWN else texts[: _SHOWN - 1]
    if any(len(text) > width for text in shown):
        shown = [_PADDING.sub("  ", text) for text in shown]
    for text in shown:
        yield from (line(part, tone) for part in wrap(text, width, hanging=" " * 8)[:_SENTENCE])
    if len(texts) > len(shown):
        yield line(f"      … and {len(texts) - len(shown)} more {what}", Tone.QUIET)
