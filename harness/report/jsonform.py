"""A run's result as one JSON object on one line, for programs. Instants are milliseconds; keys are stable.

The line is ASCII, so that it survives whatever encoding its stream has.

    {"scenario", "seed", "verdict", "stated", "target", "time", "version", "trace", "findings", "doubts",
     "judgements", "replay"}

``stated`` is the verdict that the scenario states. A finding's ``evidence`` holds the deciding
records as the history has them, each with its ``index`` there.
"""

import json
from typing import Any

import msgspec

from fanin.harness.history import History
from fanin.harness.verdict import Finding, Judgement, Verdict


def encode(history: History, verdict: Verdict, *, replay: str) -> str:
    """One object, every key always present."""
    run = history.run
    result = {
        "scenario": run.scenario.scenario,
        "seed": run.seed,
        "verdict": verdict.validity.value,
        "stated": run.scenario.verdict,
        "target": run.target,
        "time": run.time,
        "version": run.version,
        "trace": history.trace_hash(),
        "findings": [_finding(history, finding) for finding in verdict.findings],
        "doubts": list(verdict.doubts),
        "notes": list(verdict.notes),
        "judgements": [_judgement(judgement) for judgement in verdict.judgements],
        "replay": replay,
    }
    return json.dumps(result, separators=(",", ":"))


def _finding(history: History, finding: Finding) -> dict[str, Any]:
    entries = history.entries
    return {
        "rule": finding.rule.value,
        "also": [rule.value for rule in finding.also],
        "message": finding.message,
        "op": finding.op,
        "evidence": [
            {"index": index, **msgspec.to_builtins(entries[index])}
            for index in finding.evidence
            if 0 <= index < len(entries)
        ],
        "by_region": list(finding.by_region),
        "looks_like": list(finding.looks_like),
    }


def _judgement(judgement: Judgement) -> dict[str, Any]:
    return {
        "op": judgement.op,
        "legal": list(judgement.legal),
        "deadline_from_ms": judgement.deadline_from,
        "deadline_until_ms": judgement.deadline_until,
        "outcome": judgement.outcome,
        "notified_at_ms": judgement.notified_at,
    }
