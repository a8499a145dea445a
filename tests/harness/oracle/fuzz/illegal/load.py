"""Deliveries that are put off without need, or not as they must be."""

import random

from msgspec.structs import replace

from fanin.harness.history import AttemptEnded, AttemptSent
from tests.harness.oracle.fuzz.bursts import BURST, BURST_MS
from tests.harness.oracle.fuzz.illegal.seen import Change, Entries, changed
from tests.harness.oracle.fuzz.model import LegalRun

_START_GRACE_MS = 5_000


class _Deliveries:
    """All deliveries of a run, and what goes on around an instant."""

    def __init__(self, run: LegalRun) -> None:
        ended = {it.attempt: it for it in run.entries if isinstance(it, AttemptEnded)}
        self.all = [(it, ended[it.attempt]) for it in run.entries if isinstance(it, AttemptSent)]

    def is_idle(self, attempt: int, since: int, until: int) -> bool:
        """Whether no other request is open in an interval, and few came just before."""
        others = [(sent, ended) for sent, ended in self.all if sent.attempt != attempt]
        is_open = any(sent.at <= until and ended.at >= since for sent, ended in others)
        before = sum(since - BURST_MS <= sent.at <= since for sent, _ in others)
        return not is_open and before < BURST and since > _START_GRACE_MS

    def has_started(self, run: LegalRun, since: int, until: int) -> bool:
        """Whether it is up in an interval, and has been for long, or has accepted a delivery since."""
        outages = run.around.outages
        if (run.around.replicas > 1 and outages) or any(
            it.down <= until and it.up >= since for it in outages
        ):
            return False
        came_up = max((it.up for it in outages if it.up < since), default=0)
        awaited = {event.op for subject in run.subjects if subject.awaited for event in subject.events}
        accepted = (
            ended.at
            for sent, ended in self.all
            if ended.status in range(200, 300) and sent.op in awaited and sent.region in run.around.always
            and not sent.envelope and not sent.invalid_because
        )  # fmt: skip
        return since > came_up + _START_GRACE_MS or any(came_up < at < since for at in accepted)


def put_off_when_idle(run: LegalRun, rng: random.Random) -> Entries | None:
    """Answered 503 with Retry-After, and nothing else goes on."""
    deliveries = _Deliveries(run)
    idle = [
        ended
        for sent, ended in deliveries.all
        if ended.status is not None and ended.status != 503
        and deliveries.is_idle(sent.attempt, sent.at, ended.at)
        and deliveries.has_started(run, sent.at, ended.at)
    ]  # fmt: skip
    if not idle:
        return None
    ended = rng.choice(idle)
    return changed(run, (ended, replace(ended, status=503, retry_after="1")))


def put_off_after_a_burst(run: LegalRun, rng: random.Random) -> Entries | None:
    """It comes when the burst is over for more than a second."""
    if not run.bursts or run.around.outages:
        return None
    at, attempt = rng.choice(run.bursts)
    deliveries = _Deliveries(run)
    sent, ended = next(pair for pair in deliveries.all if pair[0].attempt == attempt)
    burst = [it.at for it, _ in deliveries.all if at <= it.at <= at + BURST_MS and it.attempt != attempt]
    later = max(burst) + BURST_MS + rng.choice((1, 1, 500))
    if not deliveries.is_idle(attempt, later, later + 3):
        return None
    return changed(run, (sent, replace(sent, at=later)), (ended, replace(ended, at=later + 3)))


def busy_for_how_long(run: LegalRun, rng: random.Random) -> Entries | None:
    """Put off while it is busy, without saying for how long."""
    put_off = [it for it in run.entries if isinstance(it, AttemptEnded) and it.status == 503]
    if not put_off or run.around.outages:
        return None
    ended = rng.choice(put_off)
    return changed(run, (ended, replace(ended, retry_after=rng.choice((None, "", "soon", "-1", "1.5")))))


CHANGES: tuple[Change, ...] = (put_off_when_idle, put_off_after_a_burst, busy_for_how_long)
