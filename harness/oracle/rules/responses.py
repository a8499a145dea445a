"""Clauses 2, 5, 6, 8 and 11: what a delivery must be answered."""

from collections.abc import Iterator, Mapping

from fanin.harness.history import AttemptEnded
from fanin.harness.oracle.allowances import Excuses
from fanin.harness.oracle.bounds import FOREVER
from fanin.harness.oracle.evidence import Attempt, Evidence
from fanin.harness.oracle.text import clock
from fanin.harness.oracle.violation import Charge, Hearing
from fanin.harness.verdict import Rule
from fanin.simulator.language.scenario import Delay

_OK = 200
_KEY_REFUSALS = (401, 403, 404)
_CLIENT_ERRORS = range(400, 500)
_SERVER_ERRORS = range(500, 600)
_BUSY = 503
# The aggregator may answer such a body before it was read to its end, and close the connection.
_TOO_BIG = "malformed:huge"


def check_answers(evidence: Evidence, hearings: Mapping[str, Hearing]) -> Iterator[Charge]:
    """Judge every attempt that was answered, or was not although it should have been.

    Args:
        evidence: The run.
        hearings: By correlation key.
    """
    for attempt in evidence.attempts:
        if attempt.counts or attempt.answer is None:
            continue
        hearing = hearings[evidence.case_of[attempt.sent.attempt].key]
        if attempt.answer.status is None:
            yield from _silence(attempt, attempt.answer, hearing)
        elif not _is_busy(attempt.answer):
            yield from _status(attempt, attempt.answer.status, hearing)


def _is_busy(answer: AttemptEnded) -> bool:
    return answer.status == _BUSY and bool(answer.retry_after)


def _status(attempt: Attempt, status: int, hearing: Hearing) -> Iterator[Charge]:
    """A status that this attempt should not have had."""
    if status in _SERVER_ERRORS:
        if not hearing.excuses.was_down(attempt):
            yield _server_error(attempt, status, hearing)
    elif attempt.invalid_because:
        # One answer for all that an envelope carries says nothing of a single one.
        yield from () if attempt.sent.envelope else _not_refused(attempt, status, hearing)
    elif attempt.wanted and attempt.region not in hearing.scenario.regions:
        return  # expected now, but not when its operation began: the contract does not say what to answer
    elif attempt.wanted:
        rule, nature = _nature(attempt, hearing)
        yield _wrong_answer(
            attempt,
            hearing,
            rule,
            way=f"a {nature} delivery was refused",
            wanted="answers 2xx to a sound delivery",
            looks_like="B04" if len(hearing.case.attempts) > 1 else "",
        )
    elif status != _OK:
        yield _wrong_answer(
            attempt,
            hearing,
            Rule.PING,
            way="what starts nothing was not answered 200",
            wanted="answers 200 to what starts nothing",
        )


def _not_refused(attempt: Attempt, status: int, hearing: Hearing) -> Iterator[Charge]:
    """A flawed delivery that had no refusal, or not the right one."""
    rule, refusals, looks_like = Rule.ACKNOWLEDGEMENT, tuple(_CLIENT_ERRORS), ""
    wanted = "refuses it with a 4xx"
    if attempt.invalid_because == "wrong-key" and attempt.region is not None:
        refusals, wanted = _KEY_REFUSALS, "refuses it with 401, 403 or 404"
    elif attempt.invalid_because == "unknown-region":
        rule, looks_like = Rule.EXPECTED_REGIONS, "B32"
        if not attempt.wanted:
            # The body says that nothing starts, the URL that nobody asked: the contract ranks neither first.
            refusals = (*refusals, _OK)
    if status not in refusals:
        way = f"{attempt.invalid_because.partition(':')[0]} was not refused as it must be"
        yield _wrong_answer(attempt, hearing, rule, way=way, wanted=wanted, looks_like=looks_like)


def _nature(attempt: Attempt, hearing: Hearing) -> tuple[Rule, str]:
    """Which clause asks for this sound delivery's 2xx: 6 for a late one or a duplicate, 5 for a first."""
    bounds, sent_at = hearing.first.bounds, attempt.sent.at
    if bounds.must.get(attempt.region or "", FOREVER) <= sent_at:
        return Rule.LATE_AND_DUPLICATE, "duplicate"
    told = hearing.first.posts[0].at if hearing.first.posts else FOREVER
    if min(told, bounds.deadline_until) <= sent_at:
        return Rule.LATE_AND_DUPLICATE, "late"
    return Rule.ACKNOWLEDGEMENT, "first"


def _server_error(attempt: Attempt, status: int, hearing: Hearing) -> Charge:
    way, wanted = f"answered {status}", "never answers a server error but 503 with Retry-After"
    if status == _BUSY:
        way, wanted = "503 without Retry-After", "says Retry-After with its 503"
    looks_like = "" if attempt.invalid_because else "B55"
    return _wrong_answer(
        attempt, hearing, Rule.ACKNOWLEDGEMENT, way=way, wanted=wanted, looks_like=looks_like
    )


def _wrong_answer(
    attempt: Attempt, hearing: Hearing, rule: Rule, *, way: str, wanted: str, looks_like: str = ""
) -> Charge:
    sent, answer = attempt.sent, attempt.answer
    status = None if answer is None else answer.status
    nature = f" ({attempt.invalid_because})" if attempt.invalid_because else ""
    return hearing.charge(
        rule,
        way,
        f"had its delivery from {attempt.home}{nature}, sent at {clock(sent.at)}, answered {status};"
        f" a correct aggregator {wanted}",
        records=attempt.records,
        looks_like=looks_like,
    )


def _silence(attempt: Attempt, answer: AttemptEnded, hearing: Hearing) -> Iterator[Charge]:
    """No answer at all: somebody must have an excuse."""
    excuses, error, sent = hearing.excuses, answer.error, attempt.sent
    if error in ("", "lost", "run-ended") or (error == "reset" and attempt.invalid_because == _TOO_BIG):
        return
    if excuses.silenced(attempt) or excuses.was_down(attempt):
        return
    rule, looks_like = Rule.ACKNOWLEDGEMENT, "B24"
    if error == "timeout":
        if answer.at - sent.at <= hearing.tolerance + 2 * _longest_ms(hearing.evidence.scenario.latency):
            return
        if excuses.sink_held_anyone(sent.at, answer.at):
            rule = Rule.ISOLATION
    else:
        looks_like = "B69" if error == "reset" else ""
    ends = {"timeout": "not answered", "reset": "cut off", "refused": "refused a connection"}
    yield hearing.charge(
        rule,
        f"a delivery was {ends[error]} although the aggregator was up",
        f"had its delivery from {attempt.home}, sent at {clock(sent.at)}, {ends[error]} by"
        f" {clock(answer.at)}, with the aggregator up all the time and no fault to explain it",
        records=attempt.records,
        looks_like=looks_like,
    )


def _longest_ms(delay: Delay) -> int:
    """How long one way may take; FOREVER for a distribution without an end."""
    if delay.median is not None:
        return FOREVER
    return max(delay.fixed or 0, delay.max or 0)


def check_comeback(evidence: Evidence, excuses: Excuses) -> Iterator[Charge]:
    """An aggregator that was up comes up again on its own data; a replica comes up beside the others."""
    if not excuses.ever_up:
        return
    lasts = {turn.replica: (index, turn) for index, turn in evidence.turns}
    for index, last in lasts.values():
        if last.reason == "failed":
            who = f"replica {last.replica}" if last.replica else "the aggregator"
            verb = "come up" if last.replica else "come back"
            what = f"{who} did not {verb} at {clock(last.at)}: {last.error or 'it did not say why'}"
            yield Charge(Rule.ACKNOWLEDGEMENT, f"it did not {verb}", what, (index,))
