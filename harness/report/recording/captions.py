"""What each record of a run means, as a sentence for a learner, and which clause of the contract it is about.

Rules of this file: it says what was seen and what follows from the contract, never what the aggregator may
have computed. `fanin.harness.report.record_text` has the short words for the same.
"""

from typing import NamedTuple

from fanin.harness.history import (
    SUCCESS,
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
from fanin.harness.oracle.bounds import RETENTION_MS
from fanin.harness.oracle.evidence import Attempt, Notification
from fanin.harness.report import record_text
from fanin.harness.report.analysis import AttemptOutcome, OperationAnalysis, RunAnalysis
from fanin.harness.report.line import Tone, listed
from fanin.harness.verdict import Rule
from fanin.simulator.durations import format_duration
from fanin.simulator.faults.sink import SinkFault
from fanin.simulator.instants import clock

# In one sentence each, for the player; docs/contract.md has them in full.
CLAUSES: dict[str, str] = {
    Rule.IDENTITY: "An operation is what one correlation key names.",
    Rule.EXPECTED_REGIONS: "The regions that are waited for are settled when the operation starts.",
    Rule.DEADLINE: "The deadline is one timeout after the first arrival was stored, and never moves.",
    Rule.OUTCOME: "All regions before the deadline: completed. Otherwise timed_out. One outcome, ever.",
    Rule.ACKNOWLEDGEMENT: "A 2xx says that the arrival is stored, and survives a crash that follows at once.",
    Rule.LATE_AND_DUPLICATE: "What comes late or again is answered 2xx and changes nothing.",
    Rule.NOTIFICATION: "One key per outcome; sent until the sink answers 2xx, and not again after that.",
    Rule.ISOLATION: "A sink that fails changes no outcome and holds up no answer.",
    Rule.CONTENT: "The notification names its own operation, and every region as arrived or missing.",
    "10-unrecoverable": "What a sender that does not retry has lost is lost: timed_out is right.",
    Rule.PING: "A ping is answered 200 and starts nothing.",
}
UNRECOVERABLE = "10-unrecoverable"
_BUSY = 503
_KEY_SHOWN = 8  # characters: enough to tell two keys apart


class Caption(NamedTuple):
    """A sentence, its clause (empty where none is concerned), its tone, and a few words for a picture."""

    text: str
    clause: str = ""
    tone: Tone = Tone.PLAIN
    label: str = ""


class Captions:
    """Explains the records of one run."""

    def __init__(self, analysis: RunAnalysis) -> None:
        self._analysis = analysis
        self._attempts = {it.sent.attempt: it for it in analysis.evidence.attempts}
        self._notifications = {it.received.request: it for it in analysis.evidence.notifications}
        self._several = len(analysis.operations) > 1
        self._found: dict[int, Caption] = {}  # by index

    def of(self, index: int, entry: Entry) -> Caption:
        """The caption of one record of the history, whose index is given."""
        if index not in self._found:
            self._found[index] = self._caption(index, entry)
        return self._found[index]

    def _caption(self, index: int, entry: Entry) -> Caption:  # noqa: PLR0911 - one for each record
        match entry:
            case RegistryEvent():
                return self._registry_event(entry)
            case Unsent():
                return self._unsent(entry)
            case AttemptSent():
                return self._sent(self._attempts[entry.attempt], index)
            case AttemptEnded():
                return self._ended(self._attempts.get(entry.attempt), entry)
            case NotificationReceived() | SinkResponded() | ClientDisconnected():
                return self._notification(self._notifications.get(entry.request), entry)
            case FaultApplied():
                return self._fault(entry)
            case TargetState():
                return _target_state(entry)
            case End():
                return _end(entry)

    def _of(self, op: str) -> str:
        """Names the operation where there are several."""
        return f" for {op}" if self._several else ""

    def _registry_event(self, entry: RegistryEvent) -> Caption:
        image = entry.repository + (f":{entry.tag}" if entry.tag else "")
        done = {"push": "is pushed", "delete": "is deleted"}.get(
            entry.action, f"sees the action {entry.action}"
        )
        about = f"{image} {done}" if image else f"The registry sees {entry.action}"
        if entry.action == "ping":
            return Caption(
                "The registry pings the aggregator, which starts nothing.", Rule.PING, Tone.STRONG, "ping"
            )
        text = f"{about}. Every region will announce it with a webhook of its own."
        return Caption(text, Rule.IDENTITY, Tone.STRONG, f"{entry.action} {entry.op}")

    def _unsent(self, entry: Unsent) -> Caption:
        words, brief = record_text.UNSENT[entry.reason]
        why = {
            "dropped": f"{entry.region} never sends its webhook{self._of(entry.op)}: it was dropped.",
            "never-replicated": f"The image never reaches {entry.region}, so no webhook comes from there"
            f"{self._of(entry.op)}.",
        }.get(entry.reason, f"{entry.region} sends no webhook{self._of(entry.op)}: {words}.")
        return Caption(why, UNRECOVERABLE, Tone.ODD, brief)

    def _sent(self, attempt: Attempt, index: int) -> Caption:
        sent, (words, brief) = attempt.sent, record_text.request(self._analysis, attempt)
        text = f"{sent.region} sends its webhook{self._of(sent.op)}"
        clause = str(Rule.IDENTITY)
        if sent.retry:
            text, clause = (
                f"{sent.region} tries again{self._of(sent.op)}, attempt {sent.retry + 1}",
                Rule.ACKNOWLEDGEMENT,
            )
        elif sent.copy:
            text, clause = (
                f"{sent.region} sends the same webhook again{self._of(sent.op)}",
                Rule.LATE_AND_DUPLICATE,
            )
        elif words != "sent":
            text += f" ({words})"
        if attempt.invalid_because:
            clause = Rule.EXPECTED_REGIONS if "region" in attempt.invalid_because else Rule.ACKNOWLEDGEMENT
            text += "; it must be refused"
        del index
        return Caption(f"{text}.", clause, Tone.PLAIN, brief)

    def _ended(self, attempt: Attempt | None, entry: AttemptEnded) -> Caption:
        if attempt is None:
            return Caption("An answer to a webhook that was never sent.", Rule.ACKNOWLEDGEMENT, Tone.BAD)
        words, brief, tone = record_text.response(self._analysis, attempt, entry)
        if entry.status is None:
            return Caption(self._silence(attempt, entry, words), _silence_clause(entry), tone, brief)
        region, outcome = attempt.sent.region, self._analysis.outcome_of(attempt)
        text, clause = self._consequence(attempt, entry, region, outcome)
        return Caption(text, clause, tone, brief)

    def _consequence(
        self, attempt: Attempt, entry: AttemptEnded, region: str, outcome: AttemptOutcome
    ) -> tuple[str, str]:
        status = entry.status
        match outcome:
            case AttemptOutcome.COUNTED:
                return self._counted(attempt, entry)
            case AttemptOutcome.REFUSED:
                return self._refused(attempt, entry)
            case AttemptOutcome.DUPLICATE:
                text, clause = (
                    f"{region} had arrived before. {status}, and nothing changes.",
                    Rule.LATE_AND_DUPLICATE,
                )
            case AttemptOutcome.LATE:
                text = f"{region} comes too late. {status}, and the outcome stays what it is."
                clause = Rule.LATE_AND_DUPLICATE
            case AttemptOutcome.AT_DEADLINE:
                text = (
                    f"{region} is answered {status} just as the deadline passes: either outcome is right now."
                )
                clause = Rule.OUTCOME
            case AttemptOutcome.NO_EFFECT:
                text, clause = f"{status} for {region}, and nothing starts.", Rule.PING
            case AttemptOutcome.WRONGLY_ACCEPTED:
                text = f"{region} is answered {status} for a webhook that had to be refused."
                clause = Rule.ACKNOWLEDGEMENT
            case _:
                text, clause = f"{region} is answered {status}", Rule.ACKNOWLEDGEMENT
                busy = ": the aggregator is busy, and the sender may try again."
                text += busy if status == _BUSY else ". The webhook may have counted, or not."
        return text, clause

    def _counted(self, attempt: Attempt, entry: AttemptEnded) -> tuple[str, str]:
        operation = self._analysis.operation_of(attempt)
        regions = len(operation.scenario.regions)
        ends = sorted(operation.counted.values())
        count = sum(at <= operation.counted.get(attempt.region or "", 0) for at in ends)
        arrived = f"{count} of {regions} have arrived{self._of(attempt.sent.op)}"
        text = f"{attempt.sent.region} is stored and answered {entry.status}: {arrived}."
        if count == regions:
            return f"{text} That is all of them.", Rule.OUTCOME
        if count == 1 and operation.deadline is not None:
            return (
                f"{text} The first one starts the timer: it runs out at {clock(operation.deadline[0])}.",
                Rule.DEADLINE,
            )
        return text, Rule.ACKNOWLEDGEMENT

    def _refused(self, attempt: Attempt, entry: AttemptEnded) -> tuple[str, str]:
        if attempt.invalid_because:
            text = f"Refused with {entry.status}, as it must be; nothing of it is stored."
            region = "region" in attempt.invalid_because
            return text, Rule.EXPECTED_REGIONS if region else Rule.ACKNOWLEDGEMENT
        text = f"{attempt.sent.region} is refused with {entry.status}"
        if attempt.maybe_unexpected:
            return f"{text}: its operation does not wait for it.", Rule.EXPECTED_REGIONS
        return f"{text}, although its webhook is right.", Rule.ACKNOWLEDGEMENT

    def _silence(self, attempt: Attempt, entry: AttemptEnded, words: str) -> str:
        region = attempt.sent.region
        match entry.error:
            case "lost":
                return f"{region} gave up waiting: its request was lost on the way, and never seen."
            case "refused":
                return (
                    f"{region} finds no aggregator: the connection is refused, and the webhook did not count."
                )
            case "reset" if words == "answer lost":
                return f"The answer to {region} was lost on the way back. It may have counted."
            case "reset":
                return f"The connection of {region} breaks before an answer. It may have counted, or not."
            case _:
                return f"{region} got no answer. The webhook may have counted, or not."

    def _notification(
        self, received: Notification | None, entry: NotificationReceived | SinkResponded | ClientDisconnected
    ) -> Caption:
        if received is None:
            return Caption("The sink answers a notification that it never received.", Rule.NOTIFICATION)
        if isinstance(entry, ClientDisconnected):
            text = "The aggregator closes the connection, perhaps before it read the sink's answer."
            return Caption(text, Rule.NOTIFICATION, Tone.ODD)
        if isinstance(entry, SinkResponded):
            return _sink_response(received, entry)
        return self._received(received, entry)

    def _received(self, received: Notification, entry: NotificationReceived) -> Caption:
        words, tone = record_text.notification(self._analysis, received)
        operation = self._analysis.notified_operation(received)
        stated, missing = record_text.stated_outcome(received), record_text.stated_missing(received)
        content = record_text.outcome_words(received) + (f", {listed(missing, 3)} missing" if missing else "")
        key = f" under the key {entry.key[:_KEY_SHOWN]}" if entry.key else " without a key"
        about = self._of(operation.name if operation else "?")
        caption = Caption(f"The sink is notified{about}: {content},{key}.", Rule.OUTCOME, tone, stated or "?")
        if operation is None:
            return caption
        if words.endswith("again, same key"):
            return self._repetition(received, operation, caption, content, about)
        clause: str
        if words.startswith("SECOND: "):
            text, clause = f"A second, other notification{about}: {content},{key}.", Rule.NOTIFICATION
        elif words.startswith("id used again: "):
            text, clause = (
                f"The id is used again{about}, after the retention: {content},{key}.",
                Rule.IDENTITY,
            )
        elif received.is_late_completion:
            text = f"The last region has come after all{about}: a late completion, told once,{key}."
            clause = UNRECOVERABLE
        else:
            return caption
        return caption._replace(text=text, clause=clause)

    @staticmethod
    def _repetition(
        received: Notification, operation: OperationAnalysis, caption: Caption, stated: str, about: str
    ) -> Caption:
        records = operation.records
        first = (records.late_completions if received.is_late_completion else records.notifications)[0]
        if received.repeats(first) or received.at - first.at > RETENTION_MS:
            text = f"The same notification again{about}: {stated}, under the same key."
            return caption._replace(text=text, clause=Rule.NOTIFICATION)
        text = f"The same key again{about}, with another content: {stated}."
        return caption._replace(text=text, clause=Rule.NOTIFICATION, tone=Tone.BAD)

    def _fault(self, entry: FaultApplied) -> Caption:
        faults = self._analysis.scenario.faults
        if not 0 <= entry.fault < len(faults):
            return Caption("A fault takes effect.", "", Tone.FAULT)
        fault = faults[entry.fault]
        if not isinstance(fault, SinkFault):
            return Caption(f"A fault takes effect: {fault.describe()}.", "", Tone.FAULT, "fault")
        text = f"A fault takes effect: {fault.describe()}."
        if fault.refuses_connections:
            happens_at = self._analysis.evidence.planned_times.happens_at
            until = "" if fault.until is None else f" until {clock(happens_at(fault.until))}"
            text = f"The aggregator finds no sink: connections are refused{until}. The notification waits."
        return Caption(text, Rule.ISOLATION, Tone.FAULT, "sink fault")


def _silence_clause(entry: AttemptEnded) -> str:
    return UNRECOVERABLE if entry.error in ("lost", "refused") else Rule.ACKNOWLEDGEMENT


def _sink_response(received: Notification, entry: SinkResponded) -> Caption:
    words, tone = record_text.sink_response(received, entry)
    match entry.error:
        case "hung":
            text = "The sink never answered. The aggregator gives up this attempt and will make another one."
        case "reset":
            text = "The sink's answer is lost: it has the notification, and the aggregator cannot know."
        case "disconnected":
            text = "The aggregator is gone before it can read the sink's answer."
        case _ if entry.status in SUCCESS:
            waited = entry.at - received.at
            after = f", after {format_duration(waited)}" if waited > 1_000 else ""  # noqa: PLR2004 - a second
            return Caption(f"The sink answers {entry.status}{after}: the notification is delivered.",
                           Rule.NOTIFICATION, tone, words)  # fmt: skip
        case _:
            text = f"The sink answers {entry.status}: not accepted, so the aggregator must try again."
    return Caption(text, Rule.ISOLATION if entry.error != "disconnected" else Rule.NOTIFICATION, tone, words)


def _target_state(entry: TargetState) -> Caption:
    name = f"Replica {entry.replica}" if entry.replica else "The aggregator"
    match entry.reason:
        case "crash":
            text = f"{name} is killed (kill -9). What it had not stored is gone."
            return Caption(text, Rule.ACKNOWLEDGEMENT, Tone.FAULT, "kill -9")
        case "stop":
            return Caption(f"{name} is stopped in order.", Rule.DEADLINE, Tone.FAULT, "stopped")
        case "pause":
            text = f"{name} stands still; its clock runs on."
            return Caption(text, Rule.DEADLINE, Tone.FAULT, "paused")
        case "failed":
            return Caption(
                f"{name} cannot start: {entry.error}.", Rule.ACKNOWLEDGEMENT, Tone.BAD, "cannot start"
            )
        case "resume":
            return Caption(
                f"{name} goes on; whatever fell due meanwhile is due now.",
                Rule.DEADLINE,
                Tone.GOOD,
                "resumed",
            )
        case "start":
            text = f"{name} is up" + (", on the data that it left." if entry.at else ".")
            return Caption(text, Rule.DEADLINE if entry.at else "", Tone.GOOD, "up")


def _end(entry: End) -> Caption:
    if not entry.complete:
        return Caption("The recording was cut short here.", "", Tone.ODD, "end")
    return Caption(
        "The watch ends: nothing more came, long after the last deadline.",
        Rule.LATE_AND_DUPLICATE,
        Tone.QUIET,
        "end",
    )
