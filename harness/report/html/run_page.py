"""The page of one run: the player, and for readers without scripts the same in words.

The words are findings first, then the outcomes, the events, the scenario, and the replay. A script puts the
player in their place.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fanin.harness.history import History
from fanin.harness.report import outcome_table
from fanin.harness.report.analysis import RunAnalysis, analyse
from fanin.harness.report.causes import resemblances
from fanin.harness.report.evidence_text import EvidenceText
from fanin.harness.report.html import event_table
from fanin.harness.report.html.markup import style, templates
from fanin.harness.report.line import listed
from fanin.harness.report.player import bundle
from fanin.harness.report.recording.document import document
from fanin.harness.report.representatives import examples
from fanin.harness.results import Judged
from fanin.harness.verdict import Finding, Validity, Verdict
from fanin.simulator.language.dump import dumps

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
    shown = examples(analysis, verdict)
    yaml = dumps(analysis.scenario)
    recording = document(
        history,
        verdict,
        replay=replay,
        yaml=yaml,
        errors=errors,
        only=shown if len(shown) < len(analysis.operations) else None,
    )
    table = event_table.table(analysis, verdict, shown)
    names = listed([operation.name for operation in shown])
    run = _words(analysis, verdict, recording["left"]) | {
        "facts": recording["facts"],
        "findings": [_finding(analysis, finding, table.anchors) for finding in verdict.findings],
        "events": table.rows,
        "events_caption": f"Events of {names}, and of the run as a whole"
        if recording["left"]
        else "All events",
        "yaml": yaml.splitlines(),
        "replay": replay,
        "errors": recording["errors"],
    }
    return (
        templates()
        .get_template("run.html.j2")
        .render(
            run=run,
            style=style(),
            policy=bundle.content_policy(live=False),
            recording=bundle.data("recording", recording),
            player_style=Markup(bundle.style()),  # noqa: S704 - a file of this package
            script=Markup(bundle.script()),  # noqa: S704 - as above
        )
    )


def _words(analysis: RunAnalysis, verdict: Verdict, left: str) -> dict[str, object]:
    scenario = analysis.scenario
    return {
        "name": scenario.scenario,
        "title": scenario.title,
        "description": " ".join(scenario.description.split()),
        "verdict": verdict.validity.value,
        "remark": Judged(analysis.history, verdict).remark,
        "first": _FIRST[verdict.validity],
        "trace": analysis.history.trace_hash()[:12],
        "doubts": verdict.doubts,
        "notes": verdict.notes,
        "outcomes": outcome_table.outcome_rows(analysis),
        "many": len(analysis.operations) > outcome_table.EACH_MAX,
        "several": len(analysis.operations) > 1,
        "left": left,
    }


def _finding(analysis: RunAnalysis, finding: Finding, anchors: dict[int, str]) -> dict[str, object]:
    rows = EvidenceText(analysis).rows(finding.evidence)
    return {
        "rule": finding.rule.value,
        "message": finding.message,
        "evidence": [_Proof(instant, words, anchors.get(index, "")) for index, instant, words in rows],
        "by_region": finding.by_region,
        "looks_like": resemblances(finding),
    }
