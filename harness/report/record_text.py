"""What one record says, in a few words and in a tone: for the timeline's cells and for evidence.

Rules of this file: nothing here knows of lanes.
"""

from fanin.harness.history import SUCCESS, AttemptEnded, SinkResponded
from fanin.harness.oracle.bounds import RETENTION_MS
from fanin.harness.oracle.evidence import Attempt, Notification
from fanin.harness.report.analysis import AttemptOutcome, RunAnalysis
from fanin.harness.report.line import Tone, listed, shorten
from fanin.simulator.durations import format_duration

# In full, abbreviated to about five characters, and in what tone.
Wording = tuple[str, str, Tone]

_KEY_SHOWN = 9  # characters: enough to tell two keys apart at a glance
_BUSY = 503

# By reason: in full, and abbreviated.
UNSENT = {
    "dropped": ("dropped", "drop"),
    "disabled": ("webhook disabled", "off"),
    "action": ("action not subscribed", "off"),
    "scope": ("out of scope", "off"),
    "never-replicated": ("never replicates", "n/a"),
}

# What the abbreviations stand for, where a status alone does not say it.
ABBREVIATIONS = {
    "copy": "sent again",
    "try": "retry",
    "held": "held back",
    "bad": "must be refused",
    "sent": "no answer yet",
    "dup": "duplicate",
    "late": "after the outcome or the deadline",
    "edge": "as the deadline passed",
    "drop": "never sent",
    "n/a": "never replicates",
    "off": "webhook off for this",
    "lost": "request lost",
    "cut": "answer lost or cut off",
    "down": "no connection",
    "mute": "no answer",
    "!": "wrong",
    "?": "may count",
}


def request(analysis: RunAnalysis, attempt: Attempt) -> tuple[str, str]:
    """What is special about a request, in full and abbreviated; ``sent`` when nothing is."""
    sent = attempt.sent
    parts: list[tuple[str, str]] = []
    faults = analysis.delivery_faults(attempt)
    parts += dict.fromkeys(fault.request_note for fault in faults if fault.request_note is not None)
    if sent.copy:
        parts.append((f"copy {sent.copy}", "copy"))
    if sent.retry:
        parts.append((f"retry {sent.retry}", "try"))
    if sent.envelope and sent.envelope != sent.attempt:
        parts.append(("in the same request", ""))
    if attempt.invalid_because and attempt.invalid_because != "unknown-region":
        reason = attempt.invalid_because.removeprefix("malformed:").removeprefix("forged:")
        parts.append((reason.replace("-", " "), "bad"))
    elif sent.url_region != attempt.origin:
        named = f"as {sent.url_region!r}" if sent.url_region else "no region"
        parts.append((named, "bad" if attempt.invalid_because else ""))
    return ", ".join(words for words, _ in parts) or "sent", " ".join(brief for _, brief in parts if brief)


def response(analysis: RunAnalysis, attempt: Attempt, ended: AttemptEnded) -> Wording:
    """How an attempt ended, and what follows from that."""
    if ended.status is None:
        return _no_response(analysis, attempt, ended)
    # A region that is expected at another time than its operation began may be refused.
    is_right = attempt.invalid_because or attempt.maybe_unexpected
    refused = (", refused", "", Tone.GOOD) if is_right else (", refused!", " !", Tone.BAD)
    words, suffix, tone = {
        AttemptOutcome.COUNTED: ("", "", Tone.GOOD),
        AttemptOutcome.NO_EFFECT: (", nothing to do", "", Tone.GOOD),
        AttemptOutcome.DUPLICATE: (", duplicate", " dup", Tone.ODD),
        AttemptOutcome.LATE: (", late", " late", Tone.ODD),
        AttemptOutcome.AT_DEADLINE: (", at the deadline", " edge", Tone.ODD),
        AttemptOutcome.WRONGLY_ACCEPTED: (", not refused!", " !", Tone.BAD),
        AttemptOutcome.REFUSED: refused,
    }.get(
        analysis.outcome_of(attempt),
        (", may count", " ?", Tone.ODD if ended.status == _BUSY else Tone.BAD),
    )
    return f"{ended.status}{words}", f"{ended.status}{suffix}", tone


def _no_response(analysis: RunAnalysis, attempt: Attempt, ended: AttemptEnded) -> Wording:
    for fault in analysis.delivery_faults(attempt):
        if fault.silence_note is not None:
            return (*fault.silence_note, Tone.FAULT)
    return {
        "lost": ("lost on the way", "lost", Tone.FAULT),
        "refused": ("no connection", "down", Tone.ODD),
        "reset": ("cut off, may count", "cut", Tone.ODD),
        "timeout": ("no answer, may count", "mute", Tone.ODD),
    }.get(ended.error, ("no answer", "?", Tone.ODD))


def notification(analysis: RunAnalysis, received: Notification) -> tuple[str, Tone]:
    """What a notification states, its key when that is new, and whether it can be right at all."""
    key, operation = received.received.key, analysis.notified_operation(received)
    outcome = outcome_words(received)
    named = f"key {shorten(key, _KEY_SHOWN)}" if key else "no key!"
    if operation is None:
        return f"{outcome} of no known operation, {named}", Tone.BAD
    records = operation.records
    first = (records.late_completions if received.is_late_completion else records.notifications)[0]
    missing = stated_missing(received)
    words = outcome + (f", missing {listed(missing, 2)}" if missing else "")
    if received.index == first.index:
        known = received.body.outcome or received.is_late_completion
        return f"{words}, {named}", Tone.GOOD if known and key else Tone.BAD
    if operation.only_repeats(received):
        return f"{outcome} again, same key", Tone.PLAIN
    if received.at - first.at > RETENTION_MS:
        return f"id used again: {words}, {named}", Tone.PLAIN
    return f"SECOND: {words}, {named}", Tone.BAD


def stated_outcome(received: Notification) -> str:
    """The outcome as the body names it, right or wrong; empty when it names none."""
    return received.body.raw_outcome if isinstance(received.body.raw_outcome, str) else ""


def outcome_words(received: Notification) -> str:
    """The outcome as the body names it, or why it names none."""
    return stated_outcome(received) or ("not JSON" if received.received.body is None else "no outcome")


def stated_missing(received: Notification) -> tuple[str, ...]:
    """The regions that the body names as missing; none when the field is absent or of another shape."""
    return received.body.missing or ()


def sink_response(received: Notification, responded: SinkResponded) -> tuple[str, Tone]:
    """What the sink answered, or how it failed to."""
    if responded.error:
        waited = format_duration(responded.at - received.at)
        words = {"hung": f"hangs, {waited}", "reset": "resets", "disconnected": "connection closed"}
        status = f"{responded.status}, " if responded.status is not None else ""
        return f"{status}{words[responded.error]}", Tone.FAULT
    return str(responded.status), Tone.GOOD if responded.status in SUCCESS else Tone.FAULT
