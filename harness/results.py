"""The conformance card: the results of many scenarios, by scenario and by rule.

Rules of this file: pure. A rule counts as kept only where a run with the stated verdict exercised it
(`fanin.harness.rule_coverage`), and where all that it is about could be seen.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from fanin.harness.capabilities import Capability
from fanin.harness.history import History
from fanin.harness.rule_coverage import PARTS, exercised_rules, unobservable_parts
from fanin.harness.verdict import INTERRUPTED, Exit, Finding, Rule, Validity, Verdict, main_finding

RuleStatus = Literal["kept", "BROKEN", "partly", "untested"]


class Judged(msgspec.Struct, frozen=True):
    """One scenario that was played, and its verdict."""

    history: History
    verdict: Verdict
    notes: tuple[str, ...] = ()  # what else the harness noticed, such as a process that ended by itself
    # The first exception that escaped in each of its lives: what and when on one line, then the traceback.
    errors: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.history.run.scenario.scenario

    @property
    def all_notes(self) -> tuple[str, ...]:
        """What the harness noticed, and what the scenario expects beyond the contract."""
        return (*self.verdict.notes, *self.notes)

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
        """What went wrong in one sentence: the main finding or the first doubt; empty where nothing did."""
        verdict = self.verdict
        if verdict.findings:
            finding = main_finding(verdict.findings)
            return f"{finding.rule}: {finding.message}"
        if verdict.doubts:
            return verdict.doubts[0]
        stated = self.history.run.scenario.verdict
        return "" if self.as_stated else f"{verdict.validity}, but the scenario states {stated}"


class Skipped(msgspec.Struct, frozen=True):
    """One scenario that was not played, and the capabilities that it needs and the target does not have."""

    name: str
    lacks: tuple[Capability, ...]
    why: str = ""  # what the names of capabilities do not say, or the reason where it lacks none

    @property
    def reason(self) -> str:
        """``needs process, pause``, with what these do not say; or why else it was not played."""
        if not self.lacks:
            return self.why
        return f"needs {', '.join(self.lacks)}" + (f" ({self.why})" if self.why else "")


class SeemingLack(msgspec.Struct, frozen=True):
    """A capability that the target seems not to have, and did not say so."""

    capability: Capability
    scenarios: tuple[str, ...]  # that need it, and show that
    what: str  # what it does instead

    def __str__(self) -> str:
        return f"{', '.join(self.scenarios)}: {self.what}, say --lacks {self.capability}"


class Card(msgspec.Struct, frozen=True):
    """The results of a run, in the order of its scenarios."""

    target: str
    results: Sequence[Judged | Skipped]
    notes: tuple[str, ...] = ()  # about the run as a whole
    seeming_lacks: tuple[SeemingLack, ...] = ()  # each is among the notes as well
    interrupted: bool = False  # by Ctrl-C or SIGTERM, so that it is not all

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

    @property
    def process_exit_code(self) -> int:
        """What the process exits with, which for one that was interrupted is no verdict."""
        return INTERRUPTED if self.interrupted else int(self.exit_code)


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
    return [_rule_result(card, rule, tested=rule in tested) for rule in Rule]


def _rule_result(card: Card, rule: Rule, *, tested: bool) -> RuleResult:
    findings = [
        (result.name, finding)
        for result in card.judged
        for finding in result.verdict.findings
        if finding.rule is rule or rule in finding.also
    ]
    if findings:
        findings.sort(key=lambda named: named[1].form)
        return RuleResult(rule, "BROKEN", findings=tuple(findings))
    unobservable = dict.fromkeys(
        part for result in card.judged for part in unobservable_parts(rule, result.history.run)
    )
    if unobservable:
        status: RuleStatus = "partly" if tested and len(unobservable) < len(PARTS[rule]) else "untested"
        return RuleResult(rule, status, f"not seen: {', '.join(unobservable)}")
    if not tested:
        return RuleResult(rule, "untested", "no scenario with the stated verdict tests it")
    return RuleResult(rule, "kept")


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
                "notes": list(result.all_notes),
            }
        )
    rules = [{"rule": str(it.rule), "status": it.status, "why": it.why} for it in rule_results(card)]
    return {
        "target": card.target,
        "exit_code": card.process_exit_code,
        "scenarios": scenarios,
        "rules": rules,
        "notes": list(card.notes),
    }
