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
from fanin.simulator.instants import clock

_KEY_SHOWN = 18


class EvidenceText:
    """Says in words what the records of one run prove."""

    def __init__(self, analysis: RunAnalysis) -> None:
        self._analysis = analysis
        self._entries = analysis.history.entries
        self._attempts = {it.sent.attempt: it for it in analysis.evidence.attempts}
        self._notifications = {it.received.request: it for it in analysis.evidence.notifications}

    def rows(self, indices: Sequence[int]) -> list[tuple[int, str, str]]:
        """Of each record: index, instant, and what it says. Indices outside the history are left out."""
        known = [index for index in indices if 0 <= index < len(self._entries)]
        entries = ((index, self._entries[index]) for index in known)
        return [(index, clock(entry.at), self._words(entry)) for index, entry in entries]

    def sentences(self, indices: Sequence[int]) -> list[str]:
        """The same as text, with aligned instants."""
        rows = self.rows(indices)
        width = max((len(instant) for _, instant, _ in rows), default=0)
        return [f"{instant:<{width}}  {words}" for _, instant, words in rows]

    def _words(self, entry: Entry) -> str:
        match entry:
            case AttemptSent() | AttemptEnded():
                return self._attempt_words(entry)
            case NotificationReceived() | SinkResponded() | ClientDisconnected():
                return self._notification_words(entry)
            case RegistryEvent():
                image = entry.repository + (f":{entry.tag}" if entry.tag else "")
                return f"registry: {entry.action} {entry.op}, {image}"
            case Unsent():
                return f"{entry.region}: {entry.op} {record_text.UNSENT[entry.reason][0]}"
            case _:
                return self._run_words(entry)

    def _attempt_words(self, entry: AttemptSent | AttemptEnded) -> str:
        attempt = self._attempts.get(entry.attempt)
        if attempt is None:
            return f"attempt {entry.attempt}, which was never sent"
        webhook = f"{attempt.sent.region}: webhook of {attempt.sent.op}"
        if isinstance(entry, AttemptEnded):
            return f"{webhook} → {record_text.response(self._analysis, attempt, entry)[0]}"
        special = record_text.request(self._analysis, attempt)[0]
        return f"{webhook} sent" + (f" ({special})" if special != "sent" else "")

    def _notification_words(self, entry: NotificationReceived | SinkResponded | ClientDisconnected) -> str:
        received = self._notifications.get(entry.request)
        if received is None:
            return f"response to request {entry.request}, which the sink never received"
        operation = self._analysis.notified_operation(received)
        name = operation.name if operation else "no known operation"
        if isinstance(entry, ClientDisconnected):
            return (
                f"aggregator: disconnects from the sink, perhaps without having read its answer about {name}"
            )
        if isinstance(entry, SinkResponded):
            return f"sink: {name} → {record_text.sink_response(received, entry)[0]}"
        missing = record_text.stated_missing(received)
        named = f", missing {listed(missing)}" if missing else ""
        key = f"key {shorten(entry.key, _KEY_SHOWN)}" if entry.key else "no key"
        return f"sink: {name} {record_text.outcome_words(received)}{named} ({key})"

    def _run_words(self, entry: TargetState | FaultApplied | End) -> str:
        match entry:
            case TargetState():
                reason = f" ({entry.reason})" if entry.reason != "start" else ""
                return f"aggregator: {entry.state}{reason}{': ' + entry.error if entry.error else ''}"
            case FaultApplied():
                faults = self._analysis.scenario.faults
                known = entry.fault < len(faults)
                return f"fault: {faults[entry.fault].describe() if known else entry.fault}"
            case _:
                return "end of the watch" + ("" if entry.complete else ", cut short")
