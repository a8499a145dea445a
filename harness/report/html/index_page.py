"""The card of several runs: the contract's rules, each kept or broken, then the runs, the worst first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fanin.harness.report.causes import causes
from fanin.harness.report.html.markup import style, templates
from fanin.harness.report.line import listed
from fanin.harness.report.representatives import judged_outcomes, tally
from fanin.harness.results import Card, Judged, RuleResult, Skipped, rule_results
from fanin.harness.verdict import Exit, Finding, Validity

_EVIDENCE = 3  # shown for each rule
_WORDS = {Exit.VALID: "valid", Exit.INVALID: "invalid", Exit.UNKNOWN: "unknown"}
_TONES = {Validity.VALID: "t-good", Validity.INVALID: "t-bad", Validity.UNKNOWN: "t-odd"}
_STATUS_TONES = {"kept": "t-good", "BROKEN": "t-bad", "partly": "t-odd", "untested": "quiet"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _RunRow:
    verdict: str
    tone: str
    link: str
    name: str
    title: str
    seed: str
    outcomes: str
    why: str


@dataclass(frozen=True, slots=True)
class _RuleRow:
    name: str
    word: str
    tone: str
    evidence: list[tuple[str, str, str]]  # link, scenario, what broke
    more: int  # runs that broke it as well
    why: str  # what kept it from being tested


def render(card: Card, links: Sequence[str]) -> str:
    """One self-contained page.

    Args:
        card: The runs, and what was not played.
        links: The address of each run's page relative to this one, in the card's order.
    """
    pages = list(zip(card.judged, links, strict=True))
    linked = {
        (judged.name, finding): link
        for judged, link in reversed(pages)
        for finding in judged.verdict.findings
    }
    rows = sorted(map(_run_row, pages), key=lambda row: (row[0], row[1].name))
    skipped = f", {len(card.skipped)} skipped" if card.skipped else ""
    details = {
        "headline": f"{len(pages)} runs{skipped}",
        "verdict": _WORDS[card.exit_code],
        "word": _WORDS[card.exit_code].upper(),
        "facts": _facts(card),
        "notes": card.notes,
        "causes": list(causes(card)),
        "rules": [_rule_row(result, linked) for result in rule_results(card)],
        "rows": [*(row for _, row in rows), *map(_skipped, card.skipped)],
    }
    return templates().get_template("index.html.j2").render(style=style(), card=details)


def _facts(card: Card) -> list[tuple[str, object]]:
    runs = [judged.history.run for judged in card.judged]
    targets = list(dict.fromkeys(run.target for run in runs))
    return [
        ("Judged", card.target or listed(targets, 3) or "unknown"),
        ("Time", listed(sorted({run.time for run in runs}))),
        ("Version", listed(sorted({run.version or "unknown" for run in runs}))),
        ("Another verdict than stated", sum(not judged.as_stated for judged in card.judged)),
    ]


def _run_row(page: tuple[Judged, str]) -> tuple[int, _RunRow]:
    """A run's row, and its place: what is not as stated first, and of that the invalid ones."""
    judged, link = page
    verdict, run = judged.verdict, judged.history.run
    row = _RunRow(
        verdict=verdict.validity.upper() + (f" ({judged.remark})" if judged.remark else ""),
        tone=_TONES[verdict.validity],
        link=link,
        name=judged.name,
        title=run.scenario.title,
        seed=str(run.seed),
        outcomes=tally(judged_outcomes(verdict.judgements), space="\N{NO-BREAK SPACE}"),
        why=_why(judged),
    )
    order = (Validity.INVALID, Validity.UNKNOWN, Validity.VALID).index(verdict.validity)
    return order + (3 if judged.as_stated else 0), row


def _why(judged: Judged) -> str:
    findings = judged.verdict.findings
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    notes = "".join(f" (noticed: {note})" for note in judged.all_notes)
    return f"{judged.summary}{more}{notes}"


def _skipped(skipped: Skipped) -> _RunRow:
    return _RunRow(
        verdict="SKIPPED",
        tone="quiet",
        link="",
        name=skipped.name,
        title="",
        seed="",
        outcomes="",
        why=skipped.reason,
    )


def _rule_row(result: RuleResult, links: Mapping[tuple[str, Finding], str]) -> _RuleRow:
    """One rule's row; of each run that broke it the first finding."""
    first = {links[name, finding]: (name, finding.message) for name, finding in reversed(result.findings)}
    broken = [(link, name, what) for link, (name, what) in reversed(first.items())]
    return _RuleRow(
        result.rule.value,
        result.status,
        _STATUS_TONES[result.status],
        broken[:_EVIDENCE],
        len(broken[_EVIDENCE:]),
        result.why,
    )
