"""The conformance card: the results of many scenarios, by scenario and by rule.

Rules of this file: pure. A rule counts as kept only where a run with the stated verdict exercised it
(`fanin.harness.rule_coverage`), and where all that it is about could be seen.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from fanin.harness.capabilities import Capability
from fanin.harness.history import History
from fanin.harness.rule_coverage import PARTS, exercised_rules, unobservable_parts
from fanin.harness.verdict import Exit, Finding, Rule, Validity, Verdict

_WIDTH = 100
_SHOWN_MAX = 3  # findings of one rule
_CONTINUED = " " * 11

RuleStatus = Literal["kept", "BROKEN", "partly", "untested"]


class Judged(msgspec.Struct, frozen=True):
    """One scenario that was played, and its verdict."""

    history: History
    verdict: Verdict
    notes: tuple[str, ...] = ()  # what else the harness noticed, such as a process that ended by itself

    @property
    def name(self) -> str:
        return self.history.run.scenario.scenario

    @property
    def as_stated(self) -> bool:
        """It got the verdict that its scenario states for a right aggregator."""
        return self.verdict.validity == self.history.run.scenario.verdict

    @property
    def remark(self) -> str:
        """``must be valid``, ``as stated`` where that is not valid, or nothing."""
        stated = self.history.run.scenario.verdict
        if not self.as_stated:
            return f"must be {stated}"
        return "" if stated == "valid" else "as stated"

    @property
    def summary(self) -> str:
        """What went wrong in one sentence: the first finding or doubt; empty where nothing did."""
        verdict = self.verdict
        if verdict.findings:
            return f"{verdict.findings[0].rule}: {verdict.findings[0].message}"
        if verdict.doubts:
            return verdict.doubts[0]
        stated = self.history.run.scenario.verdict
        return "" if self.as_stated else f"{verdict.validity}, but the scenario states {stated}"


class Skipped(msgspec.Struct, frozen=True):
    """One scenario that was not played, and the capabilities that it needs and the target does not have."""

    name: str
    lacks: tuple[Capability, ...]
    why: str = ""  # what the names of capabilities do not say


class Card(msgspec.Struct, frozen=True):
    """The results of a run, in the order of its scenarios."""

    target: str
    results: Sequence[Judged | Skipped]
    notes: tuple[str, ...] = ()  # about the run as a whole

    @property
    def judged(self) -> list[Judged]:
        """The scenarios that were played."""
        return [result for result in self.results if isinstance(result, Judged)]

    @property
    def skipped(self) -> list[Skipped]:
        """The scenarios that were not."""
        return [result for result in self.results if isinstance(result, Skipped)]

    @property
    def exit_code(self) -> Exit:
        """Invalid if a verdict is wrong, unknown if one is missing or nothing was played, else valid."""
        odd = [result for result in self.judged if not result.as_stated]
        if any(result.verdict.validity is not Validity.UNKNOWN for result in odd):
            return Exit.INVALID
        return Exit.UNKNOWN if odd or not self.judged else Exit.VALID


class RuleResult(msgspec.Struct, frozen=True):
    """What all scenarios together say about one rule."""

    rule: Rule
    status: RuleStatus
    why: str = ""  # what kept it from being tested
    findings: tuple[tuple[str, Finding], ...] = ()  # by scenario


def rule_results(card: Card) -> list[RuleResult]:
    """The result of every clause of the contract that can be judged."""
    tested: set[Rule] = set()
    for result in card.judged:
        if result.as_stated and result.verdict.validity is Validity.VALID:
            tested |= exercised_rules(result.history)
    return [_rule_result(card, rule, tested=rule in tested) for rule in Rule if rule is not Rule.EXPECTATION]


def _rule_result(card: Card, rule: Rule, *, tested: bool) -> RuleResult:
    findings = tuple(
        (result.name, finding)
        for result in card.judged
        for finding in result.verdict.findings
        if finding.rule is rule
    )
    if findings:
        return RuleResult(rule, "BROKEN", findings=findings)
    unobservable = dict.fromkeys(
        part for result in card.judged for part in unobservable_parts(rule, result.history.run)
    )
    if unobservable:
        status: RuleStatus = "partly" if tested and len(unobservable) < len(PARTS[rule]) else "untested"
        return RuleResult(rule, status, f"not seen: {', '.join(unobservable)}")
    if not tested:
        return RuleResult(rule, "untested", "no scenario with the stated verdict exercised it")
    return RuleResult(rule, "kept")


def line(result: Judged | Skipped) -> str:
    """One scenario on one line."""
    if isinstance(result, Skipped):
        why = f" ({result.why})" if result.why else ""
        return _cut(f"skipped  {result.name:<24} needs {', '.join(result.lacks)}{why}")
    doubtful = result.as_stated and result.verdict.doubts and not result.verdict.findings
    why = f"{'as stated: ' if doubtful else ''}{result.summary}"
    return _cut(f"{result.verdict.validity:<8} {result.name:<24} {why}".rstrip())


def text(card: Card) -> list[str]:
    """The rules, each kept or broken with its evidence, and a sum. The scenarios' lines come before it."""
    lines = ["", f"{card.target} and the contract (docs/contract.md):", ""]
    for it in rule_results(card):
        lines += _rule_lines(it)
    notes = [f"{result.name}: {note}" for result in card.judged for note in result.notes]
    for note in (*card.notes, *notes):
        lines += ["", *f"note: {note}".splitlines()]
    return [*lines, "", _sum(card)]


def _rule_lines(it: RuleResult) -> Iterator[str]:
    yield _cut(f"  {it.status:<8} {it.rule:<22} {it.why}".rstrip())
    for name, finding in it.findings[:_SHOWN_MAX]:
        yield _cut(f"{_CONTINUED}{name}: {finding.message}")
    if len(it.findings) > _SHOWN_MAX:
        yield f"{_CONTINUED}… and {len(it.findings) - _SHOWN_MAX} more"


def as_json(card: Card) -> dict[str, Any]:
    """The card for programs.

    JSON: ``{target, exit_code, scenarios: [{scenario, verdict, as_stated, seed, timeout_ms, tolerance_ms,
    doubts, findings, notes} or {scenario, verdict: "skipped", lacks, why}], rules: [{rule, status, why}],
    notes}``.
    """
    scenarios: list[dict[str, Any]] = []
    for result in card.results:
        if isinstance(result, Skipped):
            skipped = {"verdict": "skipped", "lacks": list(result.lacks), "why": result.why}
            scenarios.append({"scenario": result.name, **skipped})
            continue
        run = result.history.run
        scenarios.append(
            {
                "scenario": result.name,
                "verdict": str(result.verdict.validity),
                "as_stated": result.as_stated,
                "seed": run.seed,
                "timeout_ms": run.scenario.timeout,
                "tolerance_ms": run.tolerance,
                "doubts": list(result.verdict.doubts),
                "findings": msgspec.to_builtins(result.verdict.findings),
                "notes": list(result.notes),
            }
        )
    rules = [{"rule": str(it.rule), "status": it.status, "why": it.why} for it in rule_results(card)]
    return {
        "target": card.target,
        "exit_code": int(card.exit_code),
        "scenarios": scenarios,
        "rules": rules,
        "notes": list(card.notes),
    }


def _sum(card: Card) -> str:
    counts: dict[str, int] = {}
    for result in card.results:
        kind = "skipped" if isinstance(result, Skipped) else str(result.verdict.validity)
        if isinstance(result, Judged) and result.as_stated and result.verdict.validity is Validity.UNKNOWN:
            kind = "unknown as stated"
        counts[kind] = counts.get(kind, 0) + 1
    total = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    word = {Exit.VALID: "VALID", Exit.INVALID: "INVALID", Exit.UNKNOWN: "UNKNOWN"}[card.exit_code]
    return f"{word}  {card.target}: {total}"


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
