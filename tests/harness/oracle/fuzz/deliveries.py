"""The attempts of a drawn run: what is sent when, when it reaches the aggregator, and how it ends.

An attempt is planned first; what the aggregator answers follows when all of its key are known, in the order
in which they are committed.
"""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import Literal

from msgspec.structs import replace

from fanin.harness.history import AttemptEnded, AttemptSent, FaultApplied, RegistryEvent
from fanin.simulator.faults.transport import LoseRequest, LoseResponse
from tests.harness.oracle.fuzz.intake import Intake
from tests.harness.oracle.fuzz.model import TOO_BIG, LegalRun, Planned, Subject, answered
from tests.harness.oracle.fuzz.slow_answers import SENDER_TIMEOUT_MS

_MALFORMED = (
    "malformed:not-json", "malformed:no-id", "malformed:id-not-text", "malformed:empty", TOO_BIG,
)  # fmt: skip
_UNREADABLE = ("malformed:not-json", "malformed:empty")
_SECOND_TO_INTEREST = ("unknown-region", "malformed:no-id", "malformed:id-not-text", TOO_BIG)
_SIGNATURES = ("forged:unsigned", "forged:wrong-secret", "forged:altered", "stale-signature")
_INVALID = ("unknown-region", "wrong-key", *_SIGNATURES, *_MALFORMED)
_REFUSALS = (400, 404, 409, 422)
_ACCEPTANCES = (200, 201, 202, 202, 202, 204)
_WHEN = ("0", "30", "Wed, 21 Oct 2026 07:28:00 GMT")


def plan(run: LegalRun, subject: Subject) -> None:
    """Plan the attempts at a subject's deliveries."""
    around, rng = run.around, run.around.rng
    straggler = _straggler(run, subject)
    for event in subject.events:
        for region in around.all_regions:
            if region not in around.always and rng.random() < 0.4:
                continue
            if straggler:
                _plan_prompt_or_late(run, subject, region, is_late=region == straggler)
                continue
            if subject.in_order:
                sent = _sent(run, event, region, event.at + rng.randint(0, 900), 0)
                _plan_attempt(run, subject, event, sent)
                continue
            for copy in range(rng.choice((0, 1, 1, 1, 1, 1, 2, 3))):
                after = (0, rng.randint(0, around.latest + 1), around.timeout, 8 * 86_400_000 * copy)
                sent = _sent(run, event, region, event.at + rng.choice(after), copy)
                _plan_attempt(run, subject, event, sent)
        if rng.random() < 0.2:
            _plan_invalid(run, subject, event, event.at + rng.randint(0, around.latest))
        if not subject.in_order and subject.awaited and rng.random() < 0.2:
            _plan_busy(run, subject, event, event.at + rng.randint(0, around.latest))


def _straggler(run: LegalRun, subject: Subject) -> str | None:
    """The region that reports after the timeout, while all others are in time; None in most runs.

    Left to chance, a run of a hundred has an operation of which it is certain that it was completed late.
    """
    around, rng = run.around, run.around.rng
    if not run.notifies_late or len(subject.events) > 1 or not around.always or rng.random() < 0.5:
        return None
    return rng.choice(around.always)


def _plan_prompt_or_late(run: LegalRun, subject: Subject, region: str, *, is_late: bool) -> None:
    around, rng, event = run.around, run.around.rng, subject.events[0]
    began = event.at + (around.latest + max(around.timeouts) + 10_000 if is_late else 0)
    for copy in range(rng.choice((1, 1, 2))):
        sent = _sent(run, event, region, began + rng.choice((0, rng.randint(0, around.timeout))), copy)
        _plan_attempt(run, subject, event, sent)


def _sent(run: LegalRun, event: RegistryEvent, region: str, at: int, copy: int) -> AttemptSent:
    """A valid delivery is sent."""
    around, rng, number = run.around, run.around.rng, run.number()
    spelled = rng.choice((region, region, region.upper(), f" {region} ")) if region != "é" else region
    to = number % 2 + 1 if around.replicas > 1 else 0
    return AttemptSent(at, number, event.op, region, event.ids[region], spelled, copy=copy, replica=to)


def _plan_attempt(run: LegalRun, subject: Subject, event: RegistryEvent, sent: AttemptSent) -> None:
    """One attempt at a valid delivery: it is committed or not, and its sender sees an end."""
    around, rng, at, to, number = run.around, run.around.rng, sent.at, sent.replica, sent.attempt
    arrives, works = rng.randint(0, 3), rng.choice(around.works)
    commits, ends = at + arrives + rng.randint(0, works), at + arrives + works + rng.randint(0, 3)
    fate = rng.random()
    if fate < 0.05 and not subject.in_order:
        subject.planned.append(_lost_request(run, sent, event))
    elif around.outage_at(at, to) is not None or around.outage_from(at, ends, to) is not None:
        subject.planned.append(_met_by_outage(run, sent, event, commits))
    elif fate < 0.1 and subject.awaited and not subject.in_order:
        _fault_applied(run, sent, LoseResponse())
        subject.planned.append(Planned(sent, event, AttemptEnded(ends, number, error="reset"), commits))
    else:
        subject.planned.append(Planned(sent, event, AttemptEnded(ends, number), commits))


def _fault_applied(run: LegalRun, sent: AttemptSent, fault: LoseRequest | LoseResponse) -> None:
    run.around.other_faults.append(fault)
    index = len(run.around.faults) - 1
    run.entries.append(FaultApplied(sent.at, index, sent.op, sent.region, sent.attempt))


def _lost_request(run: LegalRun, sent: AttemptSent, event: RegistryEvent) -> Planned:
    _fault_applied(run, sent, LoseRequest())
    return Planned(sent, event, AttemptEnded(sent.at + SENDER_TIMEOUT_MS, sent.attempt, error="lost"))


def _met_by_outage(run: LegalRun, sent: AttemptSent, event: RegistryEvent, commits: int) -> Planned:
    """The aggregator is down, goes down, or stands still."""
    around, rng = run.around, run.around.rng
    outage = around.outage_at(sent.at, sent.replica)
    if outage is not None and outage.reason != "pause":
        return Planned(sent, event, AttemptEnded(sent.at + 1, sent.attempt, error="refused"))
    outage = outage or around.outage_from(sent.at, sent.at + SENDER_TIMEOUT_MS, sent.replica)
    assert outage is not None
    if outage.reason != "pause":
        ended = AttemptEnded(outage.down, sent.attempt, error="reset")
        return Planned(sent, event, ended, commits if commits < outage.down else None)
    commits = commits if commits < outage.down else outage.up + rng.randint(0, 50)
    ends, gives_up = max(commits, outage.up) + rng.randint(1, 50), sent.at + SENDER_TIMEOUT_MS
    if ends <= gives_up:
        return Planned(sent, event, AttemptEnded(ends, sent.attempt), commits)
    ended = AttemptEnded(gives_up, sent.attempt, error="timeout")
    return Planned(sent, event, ended, None if rng.random() < 0.3 else commits)


def _is_calm(run: LegalRun, at: int) -> bool:
    return not run.around.outage_at(at) and not run.around.outage_from(at, at + 10)


def _plan_busy(run: LegalRun, subject: Subject, event: RegistryEvent, at: int) -> None:
    """Two at once, of which one is put off. It may have been stored all the same."""
    rng = run.around.rng
    if not _is_calm(run, at):
        return
    for copy, region in enumerate(rng.choices(run.around.all_regions, k=2), start=7):
        number = run.number()
        sent = AttemptSent(at, number, event.op, region, event.ids[region], region, copy=copy)
        planned = Planned(sent, event, AttemptEnded(at + 3, number), at + 2)
        if copy == 8:
            ended = answered(planned, 503, retry_after=rng.choice(_WHEN))
            planned = Planned(sent, event, ended, at + 2 if rng.random() < 0.2 else None)
        subject.planned.append(planned)


def _invalid(run: LegalRun, sent: AttemptSent, kind: str) -> AttemptSent:
    unknown = run.around.rng.choice(("mars", "", None)) if kind == "unknown-region" else sent.url_region
    return replace(sent, url_region=unknown, invalid_because=kind)


def _refusal(run: LegalRun, kind: str) -> int:
    return run.around.rng.choice((401, 403, 404) if kind == "wrong-key" else (400, 404, 413, 422))


def _plan_invalid(run: LegalRun, subject: Subject, event: RegistryEvent, at: int) -> None:
    """A delivery that must be refused, and is."""
    rng, kind = run.around.rng, run.around.rng.choice(_INVALID)
    if not _is_calm(run, at) or (not subject.awaited and kind in _UNREADABLE):
        return
    region, number = rng.choice(run.around.always or run.around.regions), run.number()
    if kind == "wrong-key" and region not in run.around.always:
        return
    sent = _invalid(run, AttemptSent(at, number, event.op, region, event.ids[region], region, copy=9), kind)
    if kind == TOO_BIG and subject.awaited and rng.random() < 0.5:
        error: Literal["", "reset"] = rng.choice(("", "reset"))
        commits = None if error and rng.random() < 0.5 else at + 2
        subject.planned.append(Planned(sent, event, AttemptEnded(at + 3, number, error=error), commits))
        return
    status = _refusal(run, kind)
    if kind in _SECOND_TO_INTEREST and not subject.awaited and rng.random() < 0.5:
        status = 200  # what of it is looked at first is not said
    ended = AttemptEnded(at + rng.randint(0, 5), number, status)
    subject.planned.append(Planned(sent, event, ended))


# --- several events in one request ---


def plan_envelope(run: LegalRun) -> None:
    """One request with events of any subjects, valid or not, which has one response."""
    around, rng = run.around, run.around.rng
    subject = rng.choice(run.subjects)
    at = rng.choice(subject.events).at + rng.randint(0, around.latest)
    if any(it.in_order for it in run.subjects) or not _is_calm(run, at):
        return
    envelope, whole = run.number(), rng.choice(("", "", "", "wrong-key"))
    takes = rng.choice((3, 3, 800))
    down = around.outage_from(at, at + takes)
    for copy in range(20, 20 + rng.randint(1, 4)):
        subject = rng.choice((subject, subject, *run.subjects))
        occurred = [it for it in subject.events if it.at <= at]
        if not occurred:
            continue
        event, region, number = rng.choice(occurred), rng.choice(around.all_regions), run.number()
        kind = whole or rng.choice(("", "", "", rng.choice(("unknown-region", "malformed:no-id"))))
        sent = AttemptSent(at, number, event.op, region, event.ids[region], region, copy, envelope=envelope)
        sent = _invalid(run, sent, kind) if kind else sent
        commits = None if kind else at + rng.randint(0, takes)
        ended = AttemptEnded(at + takes, number)
        if down is not None and down.reason != "pause":
            ended = AttemptEnded(down.down, number, error="reset")
            commits = commits if commits is not None and commits < down.down else None
        subject.planned.append(Planned(sent, event, ended, commits))


# --- answers ---


def play(run: LegalRun) -> None:
    """Let the aggregator take all that is planned, and record how each attempt ends."""
    for subject in run.subjects:
        intake = Intake(run, subject)
        reaching = [(it.commits, it) for it in subject.planned if it.commits is not None]
        for at, it in sorted(reaching, key=lambda pair: (pair[0], pair[1].sent.attempt)):
            it.accepted = intake.take(it.event, it.sent.region, at)
    planned = [it for subject in run.subjects for it in subject.planned]
    planned.sort(key=lambda it: (it.sent.envelope, it.sent.attempt))
    for envelope, together in groupby(planned, key=attrgetter("sent.envelope")):
        if envelope:
            _answer_envelope(run, list(together))
            continue
        for it in together:
            status = _status(run, it)
            run.entries += [it.sent, answered(it, status) if it.is_answered else it.ended]


def _status(run: LegalRun, it: Planned) -> int:
    if not it.accepted:
        return run.around.rng.choice(_REFUSALS)
    awaited = next(subject.awaited for subject in run.subjects if it.event in subject.events)
    return run.around.rng.choice(_ACCEPTANCES) if awaited else 200


def _answer_envelope(run: LegalRun, together: Sequence[Planned]) -> None:
    """One status for all; a 2xx if it takes any of them."""
    rng, kinds = run.around.rng, {it.sent.invalid_because for it in together}
    status = rng.choice((200, 202, 204))
    if kinds == {"wrong-key"}:
        status = rng.choice((401, 403, 404))
    elif not any(it.accepted for it in together) and (len(together) == 1 or rng.random() < 0.5):
        status = 400
    for it in together:
        run.entries += [it.sent, answered(it, status) if it.is_answered else it.ended]
