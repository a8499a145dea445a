"""Writes one run as the document that the player plays.

Rules of this file: pure; the document holds everything that is shown, so that a saved page needs no server;
instants are milliseconds since the scenario's start; the same run gives the same document.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from fanin.harness.history import (
    AttemptEnded,
    AttemptSent,
    ClientDisconnected,
    End,
    Entry,
    FaultApplied,
    History,
    NotificationReceived,
    RegistryEvent,
    SinkResponded,
    TargetState,
    Unsent,
)
from fanin.harness.report import outcome_table
from fanin.harness.report.analysis import OperationAnalysis, RunAnalysis, analyse
from fanin.harness.report.causes import resemblances
from fanin.harness.report.evidence_text import EvidenceText
from fanin.harness.report.line import clean, listed
from fanin.harness.report.recording.captions import CLAUSES, Caption, Captions
from fanin.harness.report.recording.messages import messages
from fanin.harness.report.recording.questions import questions
from fanin.harness.report.representatives import first_outcome, tally
from fanin.harness.report.scenario_text import sender_text
from fanin.harness.report.timeline.event import EventKind
from fanin.harness.report.timeline.events import events
from fanin.harness.results import Judged
from fanin.harness.verdict import Finding, Rule, Verdict
from fanin.harness.world.inspection import Stored
from fanin.simulator.durations import format_duration
from fanin.simulator.faults.sink import SinkFault

FORMAT = 1
# A longer run is played to here; its verdict is about all of it.
EVENTS_MAX = 4_000
TRACE_SHOWN = 12  # hexadecimal digits
_REGIONS_NAMED = 8
# What has no record, and is told all the same.
_DERIVED = {
    EventKind.DEADLINE: ("deadline", Rule.OUTCOME),
    EventKind.SINK_FAULT: ("sink-fault", Rule.ISOLATION),
    EventKind.SINK_RECOVERED: ("sink-recovered", Rule.ISOLATION),
}

Kind = Literal[
    "registry", "unsent", "sent", "ended", "notification", "sink-response", "disconnected", "fault", "state",
    "end", "deadline", "sink-fault", "sink-recovered",
]  # fmt: skip
_KINDS: Mapping[type[Entry], Kind] = {
    RegistryEvent: "registry",
    Unsent: "unsent",
    AttemptSent: "sent",
    AttemptEnded: "ended",
    NotificationReceived: "notification",
    SinkResponded: "sink-response",
    ClientDisconnected: "disconnected",
    FaultApplied: "fault",
    TargetState: "state",
    End: "end",
}


class PlayedEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step of the player."""

    at: int
    kind: Kind
    text: str
    clause: str = ""
    tone: str = "plain"
    label: str = ""
    op: str = ""  # the operation's name, as in `PlayedOperation`
    lane: str = ""  # the region
    of: int = 0  # the attempt or the notification
    entry: int = -1  # the record's index in the history; -1: it has none


class PlayedOperation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One operation: what it waits for, and until when."""

    name: str
    key: str
    regions: tuple[str, ...]
    timeout: int
    counted: dict[str, int]  # by region: when its 2xx came
    armed: int | None = None
    deadline: tuple[int, int | None] | None = None  # the window; its end is None where it has none
    outcome: str = ""  # as first notified
    notified: int | None = None


class PlayedOutage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A time in which the aggregator is down, or the sink fails."""

    since: int
    until: int | None
    what: str
    replica: int = 0


def document(
    history: History,
    verdict: Verdict,
    *,
    replay: str,
    yaml: str = "",
    stored: Sequence[Stored] = (),
    errors: Sequence[str] = (),
    only: Sequence[OperationAnalysis] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The run as plain values, ready for JSON.

    Args:
        history: What happened.
        verdict: The oracle's answer to it.
        replay: The command that plays it again.
        yaml: The scenario as its author wrote it.
        stored: What the aggregator had stored, as `fanin.harness.world.inspection.Stored` has it.
        errors: As `fanin.harness.results.Judged` has them.
        only: The operations that are played, of many; None: all of them.
        extra: Further fields.
    """
    analysis = analyse(history, verdict)
    names = None if only is None else {it.name for it in only}
    captions = Captions(analysis)
    told = [it for it in _events(analysis, captions) if names is None or not it.op or it.op in names]
    first = told[:EVENTS_MAX]
    scenario = analysis.scenario
    end = analysis.evidence.end
    whole: dict[str, Any] = {
        "format": FORMAT,
        "scenario": {
            "name": scenario.scenario,
            "title": scenario.title,
            "description": " ".join(scenario.description.split()),
            "regions": scenario.regions,
            "timeout": scenario.timeout,
            "replicas": scenario.replicas,
            "stated": scenario.verdict,
        },
        "yaml": yaml,
        "run": _run(analysis, replay),
        "end": end.at if end else max((it.at for it in history.entries), default=0),
        "cut": len(told) if len(told) > len(first) else 0,
        "events": first,
        "messages": [it for it in messages(analysis, captions) if names is None or it.op in names],
        "operations": [_operation(it) for it in analysis.operations if names is None or it.name in names],
        "left": "" if names is None else _left(analysis, names),
        "errors": [error.partition("\n")[::2] for error in errors],
        "facts": facts(analysis),
        "outages": list(_outages(analysis)),
        "sink_faults": list(_sink_faults(analysis)),
        "stored": _stored(stored),
        "epoch": history.run.epoch,
        "clauses": {str(slug): text for slug, text in CLAUSES.items()},
        "verdict": _verdict(analysis, verdict, first),
        "questions": questions(analysis, verdict, [(it.at, it.kind, it.op, it.entry) for it in first]),
        **(extra or {}),
    }
    cleaned: dict[str, Any] = _cleaned(msgspec.to_builtins(whole))
    return cleaned


def facts(analysis: RunAnalysis) -> list[tuple[str, str]]:
    """What was played, and how."""
    run, scenario, end = analysis.history.run, analysis.scenario, analysis.evidence.end
    return [
        ("Judged", run.target or "unknown"),
        ("Seed", str(run.seed)),
        ("Time", f"{run.time}, watched for {format_duration(end.at)}" if end else run.time),
        *([("Tolerance", format_duration(run.tolerance))] if run.time == "real" else []),
        ("Timeout", format_duration(scenario.timeout)),
        ("Regions", listed(scenario.regions, _REGIONS_NAMED)),
        ("Sender", sender_text(scenario.sender)),
        ("Trace", analysis.history.trace_hash()[:TRACE_SHOWN]),
        ("Version", run.version or "unknown"),
    ]


def _left(analysis: RunAnalysis, names: Collection[str]) -> str:
    """What became of the operations that are not played."""
    others = [it for it in analysis.operations if it.name not in names]
    if not others:
        return ""
    played, count = (
        listed([it.name for it in analysis.operations if it.name in names]),
        len(analysis.operations),
    )
    outcomes = tally(map(first_outcome, others))
    return f"Of {count:,} operations, {played} are played; of the others, {outcomes}."


def _run(analysis: RunAnalysis, replay: str) -> dict[str, Any]:
    run = analysis.history.run
    return {
        "seed": run.seed,
        "target": run.target,
        "time": run.time,
        "version": run.version,
        "trace": analysis.history.trace_hash()[:TRACE_SHOWN],
        "replay": replay,
        "tolerance": run.tolerance,
    }


def _events(analysis: RunAnalysis, captions: Captions) -> list[PlayedEvent]:
    owners = _Owners(analysis)
    told = [
        (entry.at, float(index), _event(index, entry, captions.of(index, entry), owners.of(entry)))
        for index, entry in enumerate(analysis.history.entries)
    ]
    told += [(it.at, math.inf if it.kind == "deadline" else -1.0, it) for it in _derived(analysis)]
    return [event for _, _, event in sorted(told, key=lambda it: it[:2])]


class _Owners:
    """Whose webhook or notification a record is about."""

    def __init__(self, analysis: RunAnalysis) -> None:
        self._analysis = analysis
        self._sent = {it.sent.attempt: it.sent for it in analysis.evidence.attempts}
        self._received = {it.received.request: it for it in analysis.evidence.notifications}

    def of(self, entry: Entry) -> tuple[str, str, int]:
        """Operation, region and number of the attempt or notification; empty and 0 where there is none."""
        op, lane, of = "", "", 0
        match entry:
            case AttemptSent():
                op, lane, of = entry.op, entry.region, entry.attempt
            case AttemptEnded():
                of = entry.attempt
                if (sent := self._sent.get(of)) is not None:
                    op, lane = sent.op, sent.region
            case Unsent():
                op, lane = entry.op, entry.region
            case RegistryEvent():
                op = entry.op
            case NotificationReceived() | SinkResponded() | ClientDisconnected():
                of = entry.request
                received = self._received.get(of)
                operation = self._analysis.notified_operation(received) if received else None
                return operation.name if operation else "", "", of
            case FaultApplied():
                op, lane = entry.op or "", entry.region or ""
        operation = self._analysis.operation_named(op)
        return operation.name if operation else op, lane, of


def _event(index: int, entry: Entry, caption: Caption, owner: tuple[str, str, int]) -> PlayedEvent:
    op, lane, of = owner
    return PlayedEvent(
        at=entry.at, kind=_KINDS[type(entry)], text=caption.text, clause=str(caption.clause),
        tone=caption.tone.name.lower(), label=caption.label, op=op, lane=lane, of=of, entry=index,
    )  # fmt: skip


def _derived(analysis: RunAnalysis) -> Iterator[PlayedEvent]:
    """What happens without a record: deadlines pass, faults of the sink begin and end."""
    several = len(analysis.operations) > 1
    for it in events(analysis):
        if it.kind not in _DERIVED or it.entries:
            continue
        kind, clause = _DERIVED[it.kind]
        name = it.operation.name if it.operation else ""
        if it.kind is EventKind.DEADLINE:
            what = it.text.partition("deadline: ")[2]
            text = f"The deadline{f' of {name}' if several else ''} passes" + (f": {what}." if what else ".")
            text += " Now only one outcome is right: timed_out." if what and "?" not in what else ""
        else:
            text = f"The sink {it.text}."
        yield PlayedEvent(it.at, kind, text, str(clause), it.tone.name.lower(), it.text, name)  # type: ignore[arg-type]


def _operation(operation: OperationAnalysis) -> PlayedOperation:
    window, judged = operation.deadline, operation.judgement
    return PlayedOperation(
        name=operation.name,
        key=operation.records.key,
        regions=operation.scenario.regions,
        timeout=operation.scenario.timeout,
        counted=dict(operation.counted),
        armed=None if window is None else operation.armed_at(window[0]),
        deadline=None if window is None or judged is None else (window[0], judged.deadline_until),
        outcome=(judged.outcome or "") if judged else "",
        notified=judged.notified_at if judged else None,
    )


def _outages(analysis: RunAnalysis) -> Iterator[PlayedOutage]:
    down: dict[int, TargetState] = {}
    for _, entry in analysis.evidence.lifecycle:
        if entry.state == "down":
            down.setdefault(entry.replica, entry)
        elif (since := down.pop(entry.replica, None)) is not None:
            yield PlayedOutage(since.at, entry.at, since.reason, entry.replica)
    for replica, since in down.items():
        yield PlayedOutage(since.at, None, since.reason, replica)


def _sink_faults(analysis: RunAnalysis) -> Iterator[PlayedOutage]:
    happens_at = analysis.evidence.planned_times.happens_at
    for index, fault in enumerate(analysis.scenario.faults):
        if not isinstance(fault, SinkFault):
            continue
        until = None if fault.until is None else happens_at(fault.until)
        applied = [it.at for _, it, _ in analysis.faults_applied if it.fault == index]
        exhausted = fault.times_max is not None and len(applied) >= fault.times_max
        since = happens_at(fault.since)
        yield PlayedOutage(since, applied[-1] + 1 if exhausted else until, fault.symptom)


def _stored(found: Sequence[Stored]) -> dict[str, Any]:
    """What was stored when. Most of it stays the same from instant to instant, so each view is there once.

    JSON: ``{views: […], reads: [[entry, instant, instances, outbox, more], …]}``; instances and outbox are
    positions in ``views``, or null where the aggregator was down.
    """
    positions: dict[bytes, int] = {}
    views: list[dict[str, Any]] = []

    def listed_positions(shown: list[dict[str, Any]] | None) -> list[int] | None:
        if shown is None:
            return None
        listed_: list[int] = []
        for view in shown:
            encoded = msgspec.json.encode(view)
            if encoded not in positions:
                positions[encoded] = len(views)
                views.append(view)
            listed_.append(positions[encoded])
        return listed_

    reads = [
        [it.entry, it.at, listed_positions(it.instances), listed_positions(it.outbox), it.more]
        for it in found
    ]
    return {"views": views, "reads": reads}


def _verdict(analysis: RunAnalysis, verdict: Verdict, told: Sequence[PlayedEvent]) -> dict[str, Any]:
    position = {event.entry: nth for nth, event in enumerate(told) if event.entry >= 0}
    texts = EvidenceText(analysis)
    rows = outcome_table.outcome_rows(analysis)
    return {
        "validity": verdict.validity.value,
        "remark": Judged(analysis.history, verdict).remark,
        "findings": [_finding(it, texts, position) for it in verdict.findings],
        "doubts": verdict.doubts,
        "notes": verdict.notes,
        "outcomes": [
            {"op": it.example, "count": it.count, "outcome": it.outcome, "at": it.notified_at,
             "legal": it.legal, "right": it.right, "reason": it.reason} for it in rows
        ],
    }  # fmt: skip


def _finding(finding: Finding, texts: EvidenceText, position: Mapping[int, int]) -> dict[str, Any]:
    return {
        "rule": finding.rule.value,
        "message": finding.message,
        "evidence": [
            {"event": position.get(index, -1), "clock": at, "text": words}
            for index, at, words in texts.rows(finding.evidence)
        ],
        "by_region": finding.by_region,
        "looks_like": resemblances(finding),
    }


def _cleaned(value: Any) -> Any:
    """The same without control characters in any text, whatever the judged aggregator wrote."""
    if isinstance(value, str):
        return value if value.isprintable() else "\n".join(map(clean, value.split("\n")))
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(each) for each in value]
    return value
