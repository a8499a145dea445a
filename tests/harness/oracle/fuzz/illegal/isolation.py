"""The sink holds up what it must not (contract, clause 8)."""

import random

from msgspec.structs import replace

from fanin.harness.history import AttemptSent, SinkResponded
from tests.harness.oracle.fuzz.illegal.seen import FOREVER, Change, Entries, Seen, changed, moved, seen_in
from tests.harness.oracle.fuzz.model import LegalRun
from tests.harness.oracle.fuzz.slow_answers import (
    AFTERWARDS_MS_MAX,
    BY_CHANCE_MAX,
    SENDER_TIMEOUT_MS,
    Completing,
    completing,
)
from tests.harness.oracle.fuzz.surroundings import TOLERANCE_MS

# So many failures in a row, whomever they are about, make a sink look down.
_LOOKS_DOWN = 10


def answers_wait_for_the_sink(run: LegalRun, rng: random.Random) -> Entries | None:
    """Each delivery that completes an operation is answered when the sink has answered its notification."""
    if run.around.outages:
        return None
    found = [*completing(run)]
    waiting = [it for it in found if it is not None]
    if len(waiting) < len(found):
        return None  # one that is answered at once speaks against it
    if len({it.sent.attempt for it in waiting}) <= BY_CHANCE_MAX:
        return None
    later = [it.sink_answered + rng.randint(0, AFTERWARDS_MS_MAX) for it in waiting]
    usual = _usual_ms(seen_in(run), waiting)
    lasts = [at - it.sent.at for at, it in zip(later, waiting, strict=True)]
    if not all(usual + TOLERANCE_MS < it < SENDER_TIMEOUT_MS for it in lasts):
        return None
    return changed(
        run, *((it.ended, replace(it.ended, at=at)) for at, it in zip(later, waiting, strict=True))
    )


def _usual_ms(seen: Seen, waiting: list[Completing]) -> int:
    """How long any other response took."""
    held = {it.sent.attempt for it in waiting}
    sent = (it for it in seen.run.entries if isinstance(it, AttemptSent) and it.attempt not in held)
    pairs = ((it, seen.ended[it.attempt]) for it in sent)
    return max((ended.at - it.at for it, ended in pairs if ended.status is not None), default=0)


def held_up_by_another_operation(run: LegalRun, rng: random.Random) -> Entries | None:
    """The sink fails for others alone, and this one's notification waits for theirs."""
    seen = seen_in(run)
    failures = sum(it.status not in range(200, 300) for it in run.entries if isinstance(it, SinkResponded))
    if run.around.outages or run.successors or failures >= _LOOKS_DOWN:
        return None
    found = []
    for truth in run.truths:
        certain = [seen.certain_by(truth, it) for it in truth.regions]
        about = [it.about for it in run.around.sink_faults]
        if not about or {"", truth.event.op} & {*about} or len(truth.told) != 1 or min(certain) == FOREVER:
            continue
        found.append((truth, min(min(certain) + run.around.timeout, max(certain))))
    if not found:
        return None
    truth, due = rng.choice(found)
    return moved(run, seen, truth.told[0], due + TOLERANCE_MS + 2 * run.drift + rng.choice((1, 500, 100_000)))


CHANGES: tuple[Change, ...] = (answers_wait_for_the_sink, held_up_by_another_operation)
