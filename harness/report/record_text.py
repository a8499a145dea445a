"""What one record says, in a few words and in a tone: for cells of the timeline and for evidence.

Rules of this file: nothing here knows of lanes.
"""

from fanin.harness.history import SUCCESS, AttemptEnded, SinkResponded
from fanin.harness.oracle.evidence import Attempt, Notification
from fanin.harness.oracle.generations import RETENTION_MS
from fanin.harness.report.analysis import AttemptOutcome, RunAnalysis
from fanin.harness.report.line import Tone, listed, shorten
from fanin.simulator.durations import format_duration
from fanin.simulator.language.scenario import DelayBy, LoseAnswer, SignEarlier, SlowClient

Said = tuple[str, str, Tone]  # in words, in at most about five characters, and in what tone

_KEY_SHOWN = 9  # enough to tell two keys apart at a glance
_BUSY = 503

UNSENT = {
    "dropped": ("dropped", "drop"),
    "disabled": ("webhook disabled", "off"),
    "action": ("action not subscribed", "off"),
    "scope": ("out of scope", "off"),
    "never-replicated": ("never replicates", "n/a"),
}

# What the brief forms stand for, wherever a status alone does not say it.
BRIEF = {
    "copy": "sent again",
    "try": "retry",
    "held": "held back",
    "flaw": "must be refused",
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
    """What is special about a request; ``sent`` when nothing is."""
    sent = attempt.sent
    said: list[tuple[str, str]] = []
    if analysis.has_fault(attempt, DelayBy):
        said.append(("held back", "held"))
    if analysis.has_fault(attempt, SlowClient):
        said.append(("slowly", ""))
    if sent.copy:
        said.append((f"copy {sent.copy}", "copy"))
    if sent.retry:
        said.append((f"retry {sent.retry}", "try"))
    if analysis.has_fault(attempt, SignEarlier):
        said.append(("signed earlier", ""))
    if sent.envelope and sent.envelope != sent.attempt:
        said.append(("in the same request", ""))
    if attempt.invalid_because and attempt.invalid_because != "unknown-region":
        flaw = attempt.invalid_because.removeprefix("malformed:").removeprefix("forged:")
        said.append((flaw.replace("-", " "), "flaw"))
    elif sent.url_region != attempt.origin:
        claimed = f"as {sent.url_region!r}" if sent.url_region else "no region"
        said.append((claimed, "flaw" if attempt.invalid_because else ""))
    return ", ".join(words for words, _ in said) or "sent", " ".join(brief for _, brief in said if brief)


def answer(analysis: RunAnalysis, attempt: Attempt, answered: AttemptEnded) -> Said:
    """How an attempt ended and what that makes of it."""
    if answered.status is None:
        return _no_answer(analysis, attempt, answered)
    words, suffix, tone = {
        AttemptOutcome.COUNTED: ("", "", Tone.GOOD),
        AttemptOutcome.NO_EFFECT: (", nothing to do", "", Tone.GOOD),
        AttemptOutcome.DUPLICATE: (", duplicate", " dup", Tone.ODD),
        AttemptOutcome.LATE: (", late", " late", Tone.ODD),
        AttemptOutcome.AT_DEADLINE: (", on the line", " edge", Tone.ODD),
        AttemptOutcome.WRONGLY_ACCEPTED: (", not refused!", " !", Tone.BAD),
        AttemptOutcome.REFUSED: (", refused", "", Tone.GOOD)
        if attempt.invalid_because
        else (", refused!", " !", Tone.BAD),
    }.get(
        analysis.outcome_of(attempt),
        (", may count", " ?", Tone.ODD if answered.status == _BUSY else Tone.BAD),
    )
    return f"{answered.status}{words}", f"{answered.status}{suffix}", tone


def _no_answer(analysis: RunAnalysis, attempt: Attempt, answered: AttemptEnded) -> Said:
    if analysis.has_fault(attempt, LoseAnswer):
        return "answer lost", "cut", Tone.FAULT
    return {
        "lost": ("lost on the way", "lost", Tone.FAULT),
        "refused": ("no connection", "down", Tone.ODD),
        "reset": ("cut off, may count", "cut", Tone.ODD),
        "timeout": ("no answer, may count", "mute", Tone.ODD),
    }.get(answered.error, ("no answer", "?", Tone.ODD))


def told(analysis: RunAnalysis, post: Notification) -> tuple[str, Tone]:
    """What a post says, its key when that is new, and whether it can be right at all."""
    body, key, operation = post.received.body, post.received.key, analysis.notified_operation(post)
    outcome = said_outcome(post) or ("not JSON" if body is None else "no outcome")
    named = f"key {shorten(key, _KEY_SHOWN)}" if key else "no key!"
    if operation is None:
        return f"{outcome} of nothing that happened, {named}", Tone.BAD
    earlier = operation.records.notifications[: operation.records.notifications.index(post)]
    missing = told_missing(post)
    words = outcome + (f", missing {listed(missing, 2)}" if missing else "")
    if not earlier:
        return f"{words}, {named}", Tone.GOOD if post.body.outcome and key else Tone.BAD
    if all(said_outcome(one) == said_outcome(post) and one.received.key == key for one in earlier):
        return f"{outcome} again, same key", Tone.PLAIN
    if post.at - earlier[0].at > RETENTION_MS:
        return f"id used anew: {words}, {named}", Tone.PLAIN
    return f"SECOND: {words}, {named}", Tone.BAD


def said_outcome(post: Notification) -> str:
    """The outcome as the body names it, right or wrong; empty when it names none."""
    return post.body.raw_outcome if isinstance(post.body.raw_outcome, str) else ""


def told_missing(post: Notification) -> tuple[str, ...]:
    """The regions that a post names as missing; none when it talks nonsense."""
    return post.body.missing or ()


def reply(post: Notification, replied: SinkResponded) -> tuple[str, Tone]:
    """What the sink answered, or how it did not."""
    if replied.error:
        waited = format_duration(replied.at - post.received.at)
        words = {"hung": f"hangs, {waited}", "reset": "breaks off", "disconnected": "nobody there to read it"}
        status = f"{replied.status}, " if replied.status is not None else ""
        return f"{status}{words[replied.error]}", Tone.FAULT
    return str(replied.status), Tone.GOOD if replied.status in SUCCESS else Tone.FAULT
