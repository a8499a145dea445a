"""Deliveries that are put off: after more within a second than any queue must hold, and after a start."""

from fanin.harness.history import AttemptEnded, AttemptSent
from tests.harness.oracle.fuzz.model import LegalRun, Planned, Subject, answered
from tests.harness.oracle.fuzz.surroundings import START_GRACE_MS

# 503 is right after more than so many within a second, though none of them is open any more.
BURST, BURST_MS = 20, 1_000
FIRST_COPY = 40


def plan_burst(run: LegalRun) -> None:
    """Plan them: one by one, or the events of one request."""
    around, rng = run.around, run.around.rng
    subjects = [it for it in run.subjects if not it.in_order]
    if not subjects:
        return
    subject = rng.choice(subjects)
    at = rng.choice(subject.events).at + rng.randint(0, around.latest)
    if around.outage_at(at) or around.outage_from(at, at + 2 * BURST_MS):
        return
    envelope = run.number() if rng.random() < 0.5 else 0
    for copy in range(BURST + rng.randint(1, 4)):
        offset = 0 if envelope else rng.randint(0, BURST_MS - 100)
        planned = _planned(run, subject, at + offset, FIRST_COPY + copy, envelope)
        ended = AttemptEnded(at + offset + 3, planned.sent.attempt)
        subject.planned.append(Planned(planned.sent, planned.event, ended, at + offset + rng.randint(0, 2)))
    put_off = _planned(run, subject, at + rng.randint(BURST_MS - 90, BURST_MS), FIRST_COPY - 1, 0)
    ended = answered(put_off, 503, retry_after="1")
    subject.planned.append(Planned(put_off.sent, put_off.event, ended))
    run.bursts.append((at, put_off.sent.attempt))


def _planned(run: LegalRun, subject: Subject, at: int, copy: int, envelope: int) -> Planned:
    rng, number = run.around.rng, run.number()
    event = rng.choice([it for it in subject.events if it.at <= at])
    region = rng.choice(run.around.all_regions)
    sent = AttemptSent(at, number, event.op, region, event.ids[region], region, copy, envelope=envelope)
    return Planned(sent, event, AttemptEnded(at + 3, number))


def put_off_after_starts(run: LegalRun) -> None:
    """While it still starts, as long as it has accepted nothing since."""
    around, rng = run.around, run.around.rng
    for outage in around.outages:
        accepted = [
            it.at
            for it in run.entries
            if isinstance(it, AttemptEnded) and it.status in range(200, 300) and it.at >= outage.up
        ]
        at = rng.randint(outage.up, outage.up + START_GRACE_MS)
        events = [it for subject in run.subjects for it in subject.events if it.at <= at]
        if min(accepted, default=at + 1) <= at or not events or rng.random() < 0.7:
            continue
        event, region, number = rng.choice(events), rng.choice(around.all_regions), run.number()
        sent = AttemptSent(
            at, number, event.op, region, event.ids[region], region, FIRST_COPY - 2, replica=outage.replica
        )
        run.entries += [sent, AttemptEnded(at + 2, number, 503, retry_after="5")]
