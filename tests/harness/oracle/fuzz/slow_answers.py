"""Answers to the deliveries that complete an operation, whose notification a slow sink keeps waiting.

How fast an aggregator answers is its own affair: one or two may come by chance when the sink has answered.
"""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from fanin.harness.history import AttemptEnded, AttemptSent, SinkResponded
from tests.harness.oracle.fuzz.model import LegalRun, Subject, Truth
from tests.harness.oracle.fuzz.surroundings import TOLERANCE_MS

SENDER_TIMEOUT_MS = 10_000
# An answer that comes so soon after the sink's may have waited for it; more than so many have.
AFTERWARDS_MS_MAX, BY_CHANCE_MAX = 250, 2


class Completing(NamedTuple):
    """The delivery that completed an operation, and the sink's slow answer to the notification of that."""

    sent: AttemptSent
    ended: AttemptEnded
    sink_answered: int


def completing(run: LegalRun) -> Iterator[Completing | None]:
    """One for each operation that a slow sink was told of; None where it has no 2xx of its own."""
    ended = {it.attempt: it for it in run.entries if isinstance(it, AttemptEnded)}
    answered = {it.request: it.at for it in run.entries if isinstance(it, SinkResponded)}
    for subject in run.subjects:
        for truth in subject.operations:
            if truth.complete_at is None or not truth.told:
                continue
            first = truth.told[0]
            if answered[first.request] - first.at > TOLERANCE_MS:
                sent = _sent(subject, truth)
                is_alone = sent is not None and sent.at <= first.at
                if sent is None or not is_alone or ended[sent.attempt].status not in range(200, 300):
                    yield None
                else:
                    yield Completing(sent, ended[sent.attempt], answered[first.request])


def _sent(subject: Subject, truth: Truth) -> AttemptSent | None:
    planned = (it for it in subject.planned if it.commits == truth.complete_at and not it.sent.envelope)
    return next((it.sent for it in planned), None)


def slow_by_chance(run: LegalRun) -> None:
    """One or two are answered just when the sink has answered."""
    rng = run.around.rng
    found = [it for it in completing(run) if it is not None]
    for it in rng.sample(found, min(len(found), rng.randint(0, BY_CHANCE_MAX))):
        at = it.sink_answered + rng.randint(0, AFTERWARDS_MS_MAX)
        if at - it.sent.at < SENDER_TIMEOUT_MS:
            run.entries[run.entries.index(it.ended)] = replace(it.ended, at=at)
