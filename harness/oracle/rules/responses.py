"""Clauses 2, 5, 6, 8 and 11: how a delivery must be answered."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from fanin.harness.history import AttemptEnded
from fanin.harness.oracle.allowances import Allowances
from fanin.harness.oracle.bounds import FOREVER, is_late, longest_ms
from fanin.harness.oracle.evidence import TOO_BIG, Attempt, Evidence
from fanin.harness.oracle.hints import responses as hints
from fanin.harness.oracle.load import DeliveryLoad, says_when
from fanin.harness.oracle.text import quoted
from fanin.harness.oracle.violation import OperationView, Violation
from fanin.harness.verdict import Rule
from fanin.simulator.instants import clock

_OK = 200
_KEY_REFUSALS = (401, 403, 404)
_SUCCESS = range(200, 300)
_CLIENT_ERRORS = range(400, 500)
_SERVER_ERRORS = range(500, 600)
_BUSY = 503
# What an aggregator need not have looked at when the action or a filter says that it waits for no such event.
_SECOND_TO_INTEREST = {
    "unknown-region", TOO_BIG, "malformed:no-id", "malformed:empty-id", "malformed:id-not-text",
    "malformed:no-target", "malformed:deep",
}  # fmt: skip
_RETRY_AFTER = "says in Retry-After how many seconds to wait, or until which date"
_ARTICLES = {"invalid": "an"}


def check_responses(
    evidence: Evidence, allowances: Allowances, views: Mapping[str, OperationView]
) -> Iterator[Violation]:
    """Judge every attempt that had a response, or had none although it should have.

    Args:
        evidence: The run.
        allowances: What its outages and faults allow.
        views: By correlation key.
    """
    load = DeliveryLoad(evidence)
    events = Counter(it.sent.envelope for it in evidence.attempts)
    for attempt in evidence.attempts:
        if attempt.counts or attempt.ended is None:
            continue
        view = views[evidence.operation_of[attempt.sent.attempt].key]
        if attempt.ended.status is None:
            yield from _no_response(attempt, attempt.ended, view)
        elif attempt.ended.status == _BUSY and says_when(attempt.ended.retry_after):
            if not load.may_be_busy(attempt) and not allowances.was_down(attempt):
                yield _idle(attempt, view)
        else:
            shared = attempt.sent.envelope != 0 and events[attempt.sent.envelope] > 1
            yield from _status(attempt, attempt.ended.status, view, shared=shared)


def _idle(attempt: Attempt, view: OperationView) -> Violation:
    """Put off for load, though there was none."""
    rule, nature = Rule.ACKNOWLEDGEMENT, "invalid"
    sent_at, ended_at = attempt.sent.at, attempt.ended_at
    if view.allowances.sink_blocked_for_any(sent_at, ended_at):
        rule = Rule.ISOLATION
    elif not attempt.invalid_because:
        rule, nature = _nature(attempt, view) if attempt.awaited else (Rule.PING, "ping")
    return view.violation(
        rule,
        f"{_ARTICLES.get(nature, 'a')} {nature} delivery was put off without need",
        f"had its delivery from {attempt.origin}, sent at {clock(sent_at)}, answered 503 though no other was"
        " open; an aggregator is too busy only while it has something to do",
        records=attempt.records,
        also=(Rule.ACKNOWLEDGEMENT,),
    )


def _may_be_unknown(attempt: Attempt, view: OperationView) -> bool:
    """Whether its region was not configured at some time, and no operation certainly waited for it then.

    What to answer to a region that is configured, but not waited for, the contract does not say; nor to one
    that is configured no more, when the operation that waited for it has its outcome.
    """
    bounds = view.first.bounds
    waiting = min(bounds.must.values(), default=FOREVER) <= attempt.sent.at
    waiting = waiting and attempt.ended_at < bounds.decided_from and not view.undecidable
    return attempt.maybe_unexpected and not (waiting and attempt.region in view.scenario.regions)


def _shows_nothing(id_: str) -> bool:
    """Whether an id is blank, or has characters that show nothing: it may be refused, and need not be."""
    return not id_.strip() or not id_.isprintable()


def _status(attempt: Attempt, status: int, view: OperationView, *, shared: bool) -> Iterator[Violation]:
    """A status that this attempt should not have had. ``shared``: with other events in the same request."""
    if status in _SERVER_ERRORS:
        if not view.allowances.was_down(attempt):
            yield _server_error(attempt, status, view)
    elif attempt.invalid_because:
        # One response for all that an envelope carries says nothing of a single delivery.
        one_of_several = shared and status in (*_SUCCESS, *_CLIENT_ERRORS)
        yield from () if one_of_several else _not_refused(attempt, status, view)
    elif attempt.awaited and status in _SUCCESS:
        return  # together with others, so that it may have been refused
    elif status in _CLIENT_ERRORS and (_may_be_unknown(attempt, view) or _shows_nothing(attempt.sent.id)):
        return
    elif attempt.awaited:
        rule, nature = _nature(attempt, view)
        yield _wrong_response(
            attempt,
            status,
            view,
            rule,
            kind=f"a {nature} delivery was refused",
            correct="answers 2xx to a valid delivery",
            looks_like=lambda: hints.of_refusal(attempt, status, view, late=nature == "late"),
        )
    elif status != _OK and not (attempt.sent.envelope and status in _SUCCESS):
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
        rule, looks_like = Rule.EXPECTED_REGIONS, "B32 B68"
    if not attempt.awaited and attempt.invalid_because in _SECOND_TO_INTEREST:
        # It starts no operation whatever else it may be: the contract ranks neither first.
        refusals = (*refusals, *(_SUCCESS if attempt.sent.envelope else (_OK,)))
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
        said = attempt.ended.retry_after if attempt.ended else None
        kind, correct = "503 without Retry-After", "sends Retry-After with its 503"
        if said:
            kind, correct = "503 without a useful Retry-After", f"{_RETRY_AFTER}, not {quoted(said)}"
    # What its sink does to it is no bug on record; without that, it does something to itself.
    looks_like = "" if _fails_with_the_sink(attempt, view) else "B55"
    if attempt.invalid_because:  # what it cannot read, it does not handle
        looks_like = "" if status == _BUSY else "B69"
    return _wrong_response(
        attempt, status, view, Rule.ACKNOWLEDGEMENT, kind=kind, correct=correct, looks_like=looks_like
    )


def _fails_with_the_sink(attempt: Attempt, view: OperationView) -> bool:
    """Whether the sink failed while the delivery was handled: by a fault, or in an answer."""
    since, until = attempt.sent.at, attempt.ended.at if attempt.ended else FOREVER
    told = (it for it in view.operation.notifications if since <= it.at <= until)
    return view.allowances.sink_blocked_for_any(since, until) or not all(it.accepted for it in told)


def _wrong_response(
    attempt: Attempt,
    status: int,
    view: OperationView,
    rule: Rule,
    *,
    kind: str,
    correct: str,
    looks_like: str | Callable[[], str] = "",
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
    if error in ("", "lost", "run-ended"):
        return
    if error == "reset" and attempt.invalid_because == TOO_BIG:
        return  # it may respond before it has read such a body to its end, and close the connection
    if allowances.silenced(attempt) or allowances.was_down(attempt):
        return
    rule = Rule.ACKNOWLEDGEMENT
    if error == "timeout":
        if ended.at - sent.at <= view.tolerance + 2 * longest_ms(view.evidence.scenario.latency):
            return
        if allowances.sink_blocked_for_any(sent.at, ended.at):
            rule = Rule.ISOLATION
    ends = {"timeout": "not answered", "reset": "cut off", "refused": "refused a connection"}
    yield view.violation(
        rule,
        f"a delivery was {ends[error]} although the aggregator was up",
        f"had its delivery from {attempt.origin}, sent at {clock(sent.at)}, {ends[error]} by"
        f" {clock(ended.at)}, with the aggregator up all the time and no fault to explain it",
        records=attempt.records,
        looks_like=hints.of_silence(attempt, error),
        also=(Rule.ACKNOWLEDGEMENT,),
    )
