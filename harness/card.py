"""The conformance card: what came of a whole pack, scenario by scenario and rule by rule.

Rules of this file: pure. A rule counts as kept only where a valid run put it to the test; the oracle tests
all of its rules in every run, so any valid run will do.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from harness.history import History
from harness.needs import Capability
from harness.verdict import Exit, Finding, Rule, Validity, Verdict

_WIDTH = 100
_INDENT = 4


class Judged(msgspec.Struct, frozen=True):
    """One scenario that was played."""

    history: History
    verdict: Verdict

    @property
    def name(self) -> str:
        return self.history.run.scenario.scenario

    @property
    def as_stated(self) -> bool:
        """It got the verdict that its scenario states for a right aggregator."""
        return self.verdict.validity == self.history.run.scenario.verdict


class Skipped(msgspec.Struct, frozen=True):
    """One scenario that was not, and which of its needs the target lacks."""

    name: str
    lacks: tuple[Capability, ...]


class Card(msgspec.Struct, frozen=True):
    """The whole run, in the pack's order."""

    target: str
    results: Sequence[Judged | Skipped]

    @property
    def exit_code(self) -> Exit:
        """Invalid wins; all else that is not as stated is unknown."""
        judged = [result for result in self.results if isinstance(result, Judged)]
        odd = [result for result in judged if not result.as_stated]
        if any(result.verdict.validity is not Validity.UNKNOWN for result in odd):
            return Exit.INVALID
        return Exit.UNKNOWN if odd or not judged else Exit.VALID


def line(result: Judged | Skipped) -> str:
    """One scenario on one line."""
    if isinstance(result, Skipped):
        return f"skipped  {result.name:<24} needs {', '.join(result.lacks)}"
    verdict = result.verdict
    why = ""
    if verdict.findings:
        first = verdict.findings[0]
        why = f"{first.rule}: {first.what}"
    elif verdict.doubts:
        why = ("as stated: " if result.as_stated else "") + verdict.doubts[0]
    return _cut(f"{verdict.validity:<8} {result.name:<24} {why}".rstrip())


def text(card: Card) -> list[str]:
    """The rules, each kept or broken with its evidence, and a sum. The scenarios' lines come before it."""
    broken = _broken(card)
    tested = any(isinstance(result, Judged) and result.as_stated for result in card.results)
    lines = ["", f"{card.target} and the contract (docs/contract.md):", ""]
    for rule in Rule:
        if rule is Rule.EXPECTATION:
            continue
        if rule not in broken:
            lines.append(f"  {'kept' if tested else 'untested':<8} {rule}")
            continue
        lines.append(f"  {'BROKEN':<8} {rule}")
        for name, finding in broken[rule][:3]:
            lines.append(_cut(f"{'':<11}{name}: {finding.what}"))
        if len(broken[rule]) > 3:  # noqa: PLR2004 - as many as were shown
            lines.append(f"{'':<11}… and {len(broken[rule]) - 3} more")
    return [*lines, "", _sum(card)]


def as_json(card: Card) -> dict[str, Any]:
    """JSON: ``{target, exit_code, scenarios: [{scenario, verdict, as_stated, doubts, findings}]}``."""
    scenarios: list[dict[str, Any]] = []
    for result in card.results:
        if isinstance(result, Skipped):
            scenarios.append({"scenario": result.name, "verdict": "skipped", "lacks": list(result.lacks)})
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
            }
        )
    return {"target": card.target, "exit_code": int(card.exit_code), "scenarios": scenarios}


def _broken(card: Card) -> dict[Rule, list[tuple[str, Finding]]]:
    found: dict[Rule, list[tuple[str, Finding]]] = {}
    for result in card.results:
        if isinstance(result, Judged):
            for finding in result.verdict.findings:
                found.setdefault(finding.rule, []).append((result.name, finding))
    return found


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
