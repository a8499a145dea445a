"""Wrong answers to deliveries, and wrong starts."""

import random
from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from fanin.harness.history import AttemptEnded, AttemptSent, TargetState
from tests.harness.oracle.fuzz.illegal.seen import Change, Entries, changed, is_calm, seen_in
from tests.harness.oracle.fuzz.model import LegalRun


def wrong_response(run: LegalRun, rng: random.Random) -> Entries | None:
    """A delivery is answered as it must not be, or not at all, with nothing to explain it."""
    seen = seen_in(run)
    answered = [
        (sent, ended)
        for truth in run.truths
        for sent, ended in seen.sent(truth)
        if ended.status is not None and ended.status != 503
        and not (sent.envelope and sent.invalid_because)
        and run.around.outage_at(sent.at) is None
        and run.around.outage_from(sent.at - 60_000, sent.at + 40_000) is None
    ]  # fmt: skip
    if not answered or run.around.outages:
        return None
    sent, ended = rng.choice(answered)
    changes: list[dict[str, Any]] = [
        {"status": 500}, {"status": 503}, {"status": 503, "retry_after": "soon"}, {"status": 302},
        {"status": None, "error": "timeout", "at": sent.at + 10_000}, {"status": None, "error": "refused"},
    ]  # fmt: skip
    if sent.invalid_because != "malformed:huge":
        changes.append({"status": None, "error": "reset"})
    must_be_refused = sent.invalid_because or sent.region not in run.around.regions
    if sent.invalid_because != "malformed:huge":
        changes.append({"status": 202 if must_be_refused or ended.status == 200 else 409})
    change = rng.choice(changes)
    if change.get("status") == 202 and (sent.envelope or not must_be_refused) and _awaited(run, sent):
        return None
    if change.get("status") == 202 and sent.envelope:
        return None
    return changed(run, (ended, replace(ended, **change)))


def _awaited(run: LegalRun, sent: AttemptSent) -> bool:
    return next(it.awaited for it in run.truths if it.event.op == sent.op)


def it_stays_down(run: LegalRun, rng: random.Random) -> Entries | None:
    """It crashes when all is done, and does not start again."""
    last = max(it.at for it in run.entries) + rng.randint(2_000, 60_000)
    return [
        *run.entries,
        TargetState(last, "down", "crash", replica=run.around.replicas - 1),
        TargetState(last + 1, "down", "failed", "the file is damaged", replica=run.around.replicas - 1),
    ]


def a_slow_start(run: LegalRun, rng: random.Random) -> Entries | None:
    """A start after an outage takes longer than a minute."""
    ups = (it for it in run.entries if isinstance(it, TargetState) and it.state == "up")
    started = [it for it in ups if it.reason == "start" and it.at > 0]
    if not started:
        return None
    up = rng.choice(started)
    return changed(run, (up, replace(up, took=60_001)))


# --- regions that are expected no more, or not yet ---


def an_unknown_region_is_accepted(run: LegalRun, rng: random.Random) -> Entries | None:
    """It is not configured, and no operation can have begun when it was."""
    seen, found = seen_in(run), []
    for truth in (it for it in run.truths if it.awaited):
        began = seen.possible_from(truth)
        for sent, ended in seen.sent(truth):
            refused = ended.status in range(400, 500) and not sent.invalid_because and not sent.envelope
            if refused and not run.around.ever_configured(sent.region, min(began, sent.at), ended.at):
                found.append(ended)
    if not found:
        return None
    ended = rng.choice(found)
    return changed(run, (ended, replace(ended, status=rng.choice((200, 202)))))


def a_region_that_is_waited_for_is_refused(run: LegalRun, rng: random.Random) -> Entries | None:
    """The operation has begun, its deadline is to come, and another region has not reported at all."""
    seen, found = seen_in(run), []
    for truth in run.truths:
        possible = list(seen.possible(truth))
        began = min((seen.certain_by(truth, it) for it in truth.regions), default=0)
        until = seen.possible_from(truth) + min(run.around.timeouts) - 2 * run.drift
        for sent, ended in possible:
            others = {*truth.regions} - {other.region for other, _ in possible if other.at <= ended.at}
            waits = began < sent.at and ended.at < until and others - {sent.region}
            accepted = ended.status in range(200, 300) and not sent.invalid_because
            if waits and accepted and sent.region in truth.regions:
                found.append((sent, ended))
    undisturbed = [ended for sent, ended in found if not _is_disturbed(run, sent, ended)]
    if not undisturbed:
        return None
    ended = rng.choice(undisturbed)
    return changed(run, (ended, replace(ended, status=rng.choice((400, 404, 409, 422)))))


def _is_disturbed(run: LegalRun, sent: AttemptSent, ended: AttemptEnded) -> bool:
    around = run.around
    return around.outage_at(sent.at) is not None or around.outage_from(sent.at, ended.at) is not None


# --- several events in one request ---


def _envelopes(run: LegalRun) -> Iterator[list[tuple[AttemptSent, AttemptEnded]]]:
    """The requests with several events that were answered."""
    seen, together = seen_in(run), dict[int, list[tuple[AttemptSent, AttemptEnded]]]()
    for it in run.entries:
        if isinstance(it, AttemptSent) and it.envelope and seen.ended[it.attempt].status is not None:
            together.setdefault(it.envelope, []).append((it, seen.ended[it.attempt]))
    yield from together.values()


def a_batch_is_refused(run: LegalRun, rng: random.Random) -> Entries | None:
    """Though one of its events is valid, and would be lost."""
    single = {truth.event.op for truth in run.truths if truth.awaited}
    found = [
        it
        for it in _envelopes(run)
        if any(
            not sent.invalid_because and sent.region in run.around.always and sent.op in single
            for sent, _ in it
        )
    ]
    if not found or not is_calm(run):
        return None
    status = rng.choice((400, 422))
    return changed(run, *((ended, replace(ended, status=status)) for _, ended in rng.choice(found)))


def a_batch_of_one_is_accepted(run: LegalRun, rng: random.Random) -> Entries | None:
    """The only event of a request must be refused."""
    awaited = {event.op for subject in run.subjects if subject.awaited for event in subject.events}
    alone = (it for it in _envelopes(run) if len(it) == 1 and it[0][0].op in awaited)
    found = [it for it in alone if it[0][0].invalid_because]
    if not found:
        return None
    _, ended = rng.choice(found)[0]
    return changed(run, (ended, replace(ended, status=202)))


CHANGES: tuple[Change, ...] = (
    wrong_response, it_stays_down, a_slow_start,
    an_unknown_region_is_accepted, a_region_that_is_waited_for_is_refused, a_batch_is_refused,
    a_batch_of_one_is_accepted,
)  # fmt: skip
