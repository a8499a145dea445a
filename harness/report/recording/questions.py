"""What a learner can predict about a run: the outcome, the instant, the number of POSTs.

Rules of this file: every question and its answer follow from the oracle's judgement and the history; nothing
is written by hand for a scenario. The order of the choices depends on the run alone.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from fanin.harness.report.analysis import OperationAnalysis, RunAnalysis
from fanin.harness.report.verdict_text import reason
from fanin.harness.verdict import Verdict
from fanin.simulator.instants import clock

# An event as it is played: instant, kind, operation, index of its record.
type EventFacts = tuple[int, str, str, int]

_CHOICES = 3
_NO_POST = "none at all"


class Question(msgspec.Struct, frozen=True):
    """One question with its choices; ``right`` is the index of the true one."""

    ask: str
    choices: tuple[str, ...]
    right: int
    why: str


def questions(analysis: RunAnalysis, verdict: Verdict, told: Sequence[EventFacts]) -> dict[str, Any] | None:
    """The questions about the first operation that is judged, and the event before which to stop.

    Returns:
        JSON: ``{before, op, questions}``, ``before`` being the position of an event; None where nothing can
        be asked.
    """
    operation = next((it for it in analysis.operations if it.judgement is not None), None)
    if operation is None or operation.judgement is None:
        return None
    before = _decisive(operation, told)
    if before is None:
        return None
    asked = [_outcome(analysis, operation), _when(analysis, operation), _posts(operation)]
    del verdict
    return {
        "before": before,
        "op": operation.name,
        "questions": [msgspec.to_builtins(it) for it in asked if it is not None],
    }


def _decisive(operation: OperationAnalysis, told: Sequence[EventFacts]) -> int | None:
    """The position of the event that decides: the last webhook before the outcome, or the deadline."""
    ends = {it.ended_index: it.index for it in operation.records.attempts if it.ended_index is not None}
    notified = next(
        (nth for nth, it in enumerate(told) if it[1] == "notification" and it[2] == operation.name), None
    )
    limit = len(told) if notified is None else notified
    own = [nth for nth, it in enumerate(told[:limit]) if it[2] == operation.name]
    for nth in reversed(own):
        _, kind, _, entry = told[nth]
        if kind in ("deadline", "sent"):
            return nth
        if kind == "ended":
            sent = ends.get(entry)
            return next((m for m in own if told[m][3] == sent), nth)
    return own[0] if own else None


def _outcome(analysis: RunAnalysis, operation: OperationAnalysis) -> Question:
    judged = operation.judgement
    assert judged is not None  # noqa: S101 - the caller has looked
    stated = judged.outcome or "none"
    choices = ("completed", "timed_out", "none")
    words = {"completed": "completed", "timed_out": "timed_out", "none": "no notification at all"}
    right = choices.index(stated) if stated in choices else len(choices) - 1
    lawful = stated in judged.legal
    why = (
        f"{reason(analysis, judged)}."
        if lawful
        else (
            f"That is what came, and it is wrong: right would have been {' or '.join(judged.legal)}, because"
            f" {reason(analysis, judged)}."
        )
    )
    return Question(
        f"What will the sink be told about {operation.name}?",
        tuple(words[it] for it in choices),
        right,
        why[0].upper() + why[1:],
    )


def _when(analysis: RunAnalysis, operation: OperationAnalysis) -> Question | None:
    judged = operation.judgement
    assert judged is not None  # noqa: S101 - as above
    if judged.notified_at is None:
        return None
    timeout = operation.scenario.timeout
    last = max((it.ended_at for it in operation.records.attempts), default=0)
    first = min((it.sent.at for it in operation.records.attempts), default=0)
    candidates = [judged.deadline_from or first + timeout, last, first, judged.notified_at + timeout]
    right = clock(_rounded(judged.notified_at))
    others = [text for text in (clock(_rounded(it)) for it in candidates) if text != right]
    choices = sorted({right, *list(dict.fromkeys(others))[: _CHOICES - 1]}, key=_seconds)
    why = f"The first notification reached the sink at {clock(judged.notified_at)}."
    if analysis.evidence.lifecycle and any(it.state == "down" for _, it in analysis.evidence.lifecycle):
        why += " The aggregator was down for a while; what fell due meanwhile came after its start."
    return Question(
        "When does the first notification reach the sink?", tuple(choices), choices.index(right), why
    )


def _posts(operation: OperationAnalysis) -> Question:
    count = len(operation.records.notifications)
    near = sorted({0, 1, 2, count, count + 1} if count else {0, 1, 2})
    at = near.index(count)
    low = max(0, min(at - 1, len(near) - _CHOICES))
    shown = near[low : low + _CHOICES]
    choices = tuple(_NO_POST if it == 0 else str(it) for it in shown)
    keys = len({it.received.key for it in operation.records.notifications})
    if count > 1 and keys == 1:
        why = (
            "All of them carry one key: an attempt was not answered 2xx, or its answer may have been lost,"
            " so it was sent again."
        )
    elif count > 1:
        why = f"They carry {keys} keys, and an outcome has one: that breaks clause 7."
    else:
        why = "One outcome, one key, and the first attempt was accepted." if count else "Nothing was due."
    return Question(
        f"How many POSTs about {operation.name} will the sink read?", choices, shown.index(count), why
    )


def _rounded(ms: int) -> int:
    """To a tenth of a second: who predicts does not know the network's milliseconds."""
    return round(ms / 100) * 100


def _seconds(text: str) -> tuple[int, str]:
    return len(text), text
