"""Clauses 2, 5, 6, 8 and 11: how a delivery must be answered."""

from collections.abc import Iterator, Mapping

from fanin.harness.history import AttemptEnded
from fanin.harness.oracle.allowances import Allowances
from fanin.harness.oracle.bounds import FOREVER, is_late
from fanin.harness.oracle.evidence import Attempt, Evidence
from fanin.harness.oracle.violation import OperationView, Violation
from fanin.harness.verdict import Rule
from fanin.simulator.instants import clock
from fanin.simulator.shapes import Delay

_OK = 200
_KEY_REFUSALS = (401, 403, 404)
_CLIENT_ERRORS = range(400, 500)
_SERVER_ERRORS = range(500, 600)
_BUSY = 503
# The aggregator may respond before it has read such a body to its end, and close the connection.
_TOO_BIG = "malformed:huge"


def check_responses(evidence: Evidence, views: Mapping[str, OperationView]) -> Iterator[Violation]:
    """Judge every attempt that had a response, or had none although it should have.

    Args:
        evidence: The run.
        views: By correlation key.
    """
    for attempt in evidence.attempts:
        if attempt.counts or attempt.ended is None:
            continue
        view = views[evidence.operation_of[attempt.sent.attempt].key]
        if attempt.ended.status is None:
            yield from _no_response(attempt, attempt.ended, view)
        elif not _is_busy(attempt.ended):
            yield from _status(attempt, attempt.ended.status, view)


def _is_busy(ended: AttemptEnded) -> bool:
    return ended.status == _BUSY and bool(ended.retry_after)


def _status(attempt: Attempt, status: int, view: OperationView) -> Iterator[Violation]:
    """A status that this attempt should not have had."""
    if status in _SERVER_ERRORS:
        if not view.allowances.was_down(attempt):
            yield _server_error(attempt, status, view)
    elif attempt.invalid_because:
        # One response for all that an envelope carries says nothing of a single delivery.
        yield from () if attempt.sent.envelope else _not_refused(attempt, status, view)
    elif attempt.awaited and attempt.region not in view.scenario.regions:
        return  # expected now, but not when its operation began: the contract does not say what to answer
    elif attempt.awaited:
        rule, nature = _nature(attempt, view)
        yield _wrong_response(
            attempt,
            status,
            view,
            rule,
            kind=f"a {nature} delivery was refused",
            correct="answers 2xx to a valid delivery",
            looks_like="B04" if len(view.operation.attempts) > 1 else "",
        )
    elif status != _OK:
        yield _wrong_response(
            attempt,
            status,
            view,
            Rule.PING,
            kind="a delivery that starts no operation was not answered 200",
            correct="answers 200 to what starts no operation",
        )


def _not_refused(attempt: Attempt, status: int, view: OperationView) -> Iterator[Violation]:
    """An invalid delivery that was not refused, or not as it must be."""
    rule, refusals, looks_like = Rule.ACKNOWLEDGEMENT, tuple(_CLIENT_ERRORS), ""
    correct = "refuses it with a 4xx"
    if attempt.invalid_because == "wrong-key" and attempt.region is not None:
        refusals, correct = _KEY_REFUSALS, "refuses it with 401, 403 or 404"
    elif attempt.invalid_because == "unknown-region":
        rule, looks_like = Rule.EXPECTED_REGIONS, "B32"
        if not attempt.awaited:
            # The body starts no operation, the URL names no region: the contract ranks neither first.
            refusals = (*refusals, _OK)
    if status not in refusals:
        kind = f"{attempt.invalid_because.partition(':')[0]} was not refused as it must be"
        yield _wrong_response(attempt, status, view, rule, kind=kind, correct=correct, looks_like=looks_like)


def _nature(attempt: Attempt, view: OperationView) -> tuple[Rule, str]:
    """Which clause asks for this valid delivery's 2xx: 6 for a late one or a duplicate, 5 for a first."""
    bounds, sent_at = view.first.bounds, attempt.sent.at
    if bounds.must.get(attempt.region or "", FOREVER) <= sent_at:
        return Rule.LATE_AND_DUPLICATE, "duplicate"
    notified_at = view.first.notifications[0].at if view.first.notifications else None
    if is_late(sent_at, deadline_until=bounds.deadline_until, notified_at=notified_at):
        return Rule.LATE_AND_DUPLICATE, "late"
    return Rule.ACKNOWLEDGEMENT, "first"


def _server_error(attempt: Attempt, status: int, view: OperationView) -> Violation:
    kind, correct = f"answered {status}", "never answers a server error but 503 with Retry-After"
    if status == _BUSY:
        kind, correct = "503 without Retry-After", "sends Retry-After with its 503"
    looks_like = "" if attempt.invalid_because else "B55"
    return _wrong_response(
        attempt, status, view, Rule.ACKNOWLEDGEMENT, kind=kind, correct=correct, looks_like=looks_like
    )


def _wrong_response(
    attempt: Attempt,
    status: int,
    view: OperationView,
    rule: Rule,
    *,
    kind: str,
    correct: str,
    looks_like: str = "",
) -> Violation:
    reason = f" ({attempt.invalid_because})" if attempt.invalid_because else ""
    return view.violation(
        rule,
        kind,
        f"had its delivery from {attempt.origin}{reason}, sent at {clock(attempt.sent.at)}, answered"
        f" {status}; a correct aggregator {correct}",
        records=attempt.records,
        looks_like=looks_like,
    )


def _no_response(attempt: Attempt, ended: AttemptEnded, view: OperationView) -> Iterator[Violation]:
    """No response at all: a fault or an outage must explain it."""
    allowances, error, sent = view.allowances, ended.error, attempt.sent
    if error in ("", "lost", "run-ended") or (error == "reset" and attempt.invalid_because == _TOO_BIG):
        return
    if allowances.silenced(attempt) or allowances.was_down(attempt):
        return
    rule, looks_like = Rule.ACKNOWLEDGEMENT, "B24"
    if error == "timeout":
        if ended.at - sent.at <= view.tolerance + 2 * _longest_ms(view.evidence.scenario.latency):
            return
        if allowances.sink_blocked_for_any(sent.at, ended.at):
            rule = Rule.ISOLATION
    else:
        looks_like = "B69" if error == "reset" else ""
    ends = {"timeout": "not answered", "reset": "cut off", "refused": "refused a connection"}
    yield view.violation(
        rule,
        f"a delivery was {ends[error]} although the aggregator was up",
        f"had its delivery from {attempt.origin}, sent at {clock(sent.at)}, {ends[error]} by"
        f" {clock(ended.at)}, with the aggregator up all the time and no fault to explain it",
        records=attempt.records,
        looks_like=looks_like,
    )


def _longest_ms(delay: Delay) -> int:
    """How long one way may take; FOREVER for a distribution without an end."""
    if delay.median is not None:
        return FOREVER
    return max(delay.fixed or 0, delay.max or 0)


def check_restarts(evidence: Evidence, allowances: Allowances) -> Iterator[Violation]:
    """An aggregator that was up starts again on its own data; a replica starts beside the others."""
    if not allowances.ever_up:
        return
    last_changes = {change.replica: (index, change) for index, change in evidence.lifecycle}
    for index, last in last_changes.values():
        if last.reason == "failed":
            name = f"replica {last.replica}" if last.replica else "the aggregator"
            again = "" if last.replica else " again"
            message = f"{name} did not start{again} at {clock(last.at)}: {last.error or 'it gave no reason'}"
            yield Violation(Rule.ACKNOWLEDGEMENT, f"it did not start{again}", message, (index,))
