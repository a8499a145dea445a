"""The page of one run: findings first, then the picture, the events, the scenario, and the replay."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fanin.harness.history import History
from fanin.harness.report.analysis import OperationAnalysis, RunAnalysis, analyse
from fanin.harness.report.evidence_text import EvidenceText
from fanin.harness.report.html import diagram_svg, event_table, glyphs, outcome_table, overview
from fanin.harness.report.html.diagram import Diagram, Marker, summary
from fanin.harness.report.html.diagram_layout import diagrams
from fanin.harness.report.html.glyphs import Glyph
from fanin.harness.report.html.markup import style, tag, templates
from fanin.harness.report.line import Tone, listed
from fanin.harness.report.record_text import ABBREVIATIONS
from fanin.harness.report.representatives import examples, first_outcome, tally
from fanin.harness.report.scenario_text import sender_text
from fanin.harness.results import Judged
from fanin.harness.verdict import Finding, Validity, Verdict
from fanin.simulator.durations import format_duration
from fanin.simulator.language.dump import dumps

_TRACE_SHOWN = 12  # hexadecimal digits
_FIRST = {
    Validity.VALID: "Why it is right",
    Validity.INVALID: "Findings",
    Validity.UNKNOWN: "Why nothing is proved",
}


@dataclass(frozen=True, slots=True)
class _Proof:
    instant: str
    words: str
    anchor: str  # of its row in the table of events, if it has one


def render(history: History, verdict: Verdict, *, replay: str, errors: Sequence[str] = ()) -> str:
    """One self-contained page. The same run gives the same text.

    Args:
        history: What happened.
        verdict: The oracle's answer to it.
        replay: The command that shows this run again.
        errors: As `Judged` has them.
    """
    analysis = analyse(history, verdict)
    run = _facts(analysis, verdict) | _details(analysis, verdict) | {"replay": replay}
    run["errors"] = [error.partition("\n")[::2] for error in errors]
    return templates().get_template("run.html.j2").render(style=style(), run=run)


def _facts(analysis: RunAnalysis, verdict: Verdict) -> dict[str, object]:
    """What was played, and how."""
    run, scenario = analysis.history.run, analysis.scenario
    trace = analysis.history.trace_hash()[:_TRACE_SHOWN]
    end = analysis.evidence.end
    facts = [
        ("Judged", run.target or "unknown"),
        ("Seed", run.seed),
        ("Time", f"{run.time}, watched for {format_duration(end.at)}" if end else run.time),
        *([("Tolerance", format_duration(run.tolerance))] if run.time == "real" else []),
        ("Timeout", format_duration(scenario.timeout)),
        ("Regions", listed(scenario.regions, 8)),
        ("Sender", sender_text(scenario.sender)),
        ("Trace", trace),
        ("Version", run.version or "unknown"),
    ]
    return {
        "name": scenario.scenario,
        "title": scenario.title,
        "description": " ".join(scenario.description.split()),
        "verdict": verdict.validity.value,
        "remark": Judged(analysis.history, verdict).remark,
        "facts": facts,
        "first": _FIRST[verdict.validity],
        "trace": trace,
        "yaml": dumps(scenario).splitlines(),
    }


def _details(analysis: RunAnalysis, verdict: Verdict) -> dict[str, object]:
    """What happened, and what it means."""
    shown = examples(analysis, verdict)
    table = event_table.table(analysis, verdict, shown)
    pictured = diagrams(analysis, verdict, shown)
    names = listed([operation.name for operation in shown])
    left = [operation for operation in analysis.operations if operation not in shown]
    return {
        "findings": [_finding(analysis, finding, table.anchors) for finding in verdict.findings],
        "doubts": verdict.doubts,
        "outcomes": outcome_table.outcome_rows(analysis),
        "many": len(analysis.operations) > outcome_table.EACH_MAX,
        "several": len(analysis.operations) > 1,
        "operations": len(analysis.operations),
        "overview": overview.draw(analysis, name="overview") if left else "",
        "shown": names,
        "rest": tally(map(first_outcome, left)),
        "pictures": _pictures(analysis, shown, pictured),
        "legend": _legend(pictured),
        "abbreviations": _abbreviations(pictured),
        "events": table.rows,
        "events_caption": f"Events of {names}, and of the run as a whole" if left else "All events",
    }


def _pictures(
    analysis: RunAnalysis, shown: Sequence[OperationAnalysis], pictured: Sequence[Diagram]
) -> list[tuple[str, Markup]]:
    """Each picture with its heading, which a single one does not need."""
    alone = len(pictured) == 1
    parts = [list(shown)] if alone else [[operation] for operation in shown]
    return [
        (
            "" if alone else f"{part[0].name}: {first_outcome(part[0])}",
            diagram_svg.draw(diagram, name=f"picture-{nth}", about=summary(analysis, part)),
        )
        for nth, (part, diagram) in enumerate(zip(parts, pictured, strict=True))
    ]


def _finding(analysis: RunAnalysis, finding: Finding, anchors: dict[int, str]) -> dict[str, object]:
    rows = EvidenceText(analysis).rows(finding.evidence)
    return {
        "rule": finding.rule.value,
        "message": finding.message,
        "evidence": [_Proof(instant, words, anchors.get(index, "")) for index, instant, words in rows],
        "by_region": finding.by_region,
        "looks_like": listed(finding.looks_like),
    }


def _legend(pictured: Sequence[Diagram]) -> list[tuple[Markup, str]]:
    """The signs that occur, in the order of `Glyph`, in the tone in which each occurs first."""
    tones: dict[Glyph, Tone] = {}
    for marker in _markers(pictured):
        tones.setdefault(marker.glyph, marker.tone)
    signs = []
    for glyph in Glyph:
        if glyph in tones and glyph.value:
            sign = glyphs.draw(glyph, f"t-{tones[glyph].name.lower()}", 8, 8)
            small = tag("svg", sign, width=16, height=16, viewBox="0 0 16 16", aria_hidden="true")
            signs.append((small, glyph.value))
    return signs


def _abbreviations(pictured: Sequence[Diagram]) -> list[tuple[str, str]]:
    """The abbreviations that occur on labels, and what they stand for."""
    labelled = (marker for marker in _markers(pictured) if marker.transmission or marker.entries)
    used = {word for marker in labelled for word in marker.label.split()}
    return [(word, meaning) for word, meaning in ABBREVIATIONS.items() if word in used]


def _markers(pictured: Sequence[Diagram]) -> Iterator[Marker]:
    return (marker for diagram in pictured for block in diagram.blocks for marker in block.markers)
