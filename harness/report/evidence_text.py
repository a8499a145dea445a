"""Any record of a history as one sentence: the evidence below a finding."""

from collections.abc import Sequence

from fanin.harness.history import (
    AttemptEnded,
    AttemptSent,
    ClientDisconnected,
    End,
    Entry,
    FaultApplied,
    NotificationReceived,
    RegistryEvent,
    SinkResponded,
    TargetState,
    Unsent,
)
from fanin.harness.report import record_text
from fanin.harness.report.analysis import RunAnalysis
from fanin.harness.report.line import listed, shorten
from fanin.harness.report.scenario_text import fault_text
from fanin.simulator.instants import clock

_KEY_SHOWN = 18


class EvidenceText:
    """Says in words what the records of one run prove."""

    def __init__(self, analysis: RunAnalysis) -> None:
        self._analysis = analysis
        self._entries = analysis.history.entries
        self._attempts = {attempt.sent.attempt: attempt for attempt in analysis.evidence.attempts}
        self._posts = {post.received.request: post for post in analysis.evidence.notifications}

    def sentences(self, indices: Sequence[int]) -> list[str]:
        """Records in words, their instants first and aligned."""
        known = [self._entries[index] for index in indices if 0 <= index < len(self._entries)]
        width = max((len(clock(entry.at)) for entry in known), default=0)
        return [f"{clock(entry.at):<{width}}  {self._words(entry)}" for entry in known]

    def _words(self, entry: Entry) -> str:
        match entry:
            case AttemptSent() | AttemptEnded():
                return self._attempt_words(entry)
            case NotificationReceived() | SinkResponded() | ClientDisconnected():
                return self._post_words(entry)
            case RegistryEvent():
                image = entry.repository + (f":{entry.tag}" if entry.tag else "")
                return f"registry: {entry.action} {entry.op}, {image}"
            case Unsent():
                return f"{entry.region}: {entry.op} {record_text.UNSENT[entry.reason][0]}"
            case _:
                return self._world_words(entry)

    def _attempt_words(self, entry: AttemptSent | AttemptEnded) -> str:
        attempt = self._attempts.get(entry.attempt)
        if attempt is None:
            return f"attempt {entry.attempt}, which was never sent"
        sent = attempt.sent
        who = f"{sent.region}: webhook of {sent.op}"
        if isinstance(entry, AttemptEnded):
            return f"{who} → {record_text.answer(self._analysis, attempt, entry)[0]}"
        special = record_text.request(self._analysis, attempt)[0]
        return f"{who} sent" + (f" ({special})" if special != "sent" else "")

    def _post_words(self, entry: NotificationReceived | SinkResponded | ClientDisconnected) -> str:
        post = self._posts.get(entry.request)
        if post is None:
            return f"answer to post {entry.request}, which the sink never got"
        operation = self._analysis.notified_operation(post)
        whose = operation.name if operation else "nobody's"
        if isinstance(entry, ClientDisconnected):
            return f"aggregator: hangs up on the sink, perhaps without having read its answer about {whose}"
        if isinstance(entry, SinkResponded):
            return f"sink: {whose} → {record_text.reply(post, entry)[0]}"
        missing = record_text.told_missing(post)
        named = f", missing {listed(missing)}" if missing else ""
        key = f"key {shorten(entry.key, _KEY_SHOWN)}" if entry.key else "no key"
        return f"sink: {whose} {record_text.said_outcome(post) or 'unreadable'}{named} ({key})"

    def _world_words(self, entry: TargetState | FaultApplied | End) -> str:
        match entry:
            case TargetState():
                why = f" ({entry.reason})" if entry.reason != "start" else ""
                return f"aggregator: {entry.state}{why}{': ' + entry.error if entry.error else ''}"
            case FaultApplied():
                faults = self._analysis.scenario.faults
                return (
                    f"fault: {fault_text(faults[entry.fault]) if entry.fault < len(faults) else entry.fault}"
                )
            case _:
                return "end of the watch" + ("" if entry.complete else ", cut short")
