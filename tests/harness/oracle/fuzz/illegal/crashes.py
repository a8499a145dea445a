"""A crash that explains nothing."""

import random

from tests.harness.oracle.fuzz.illegal.seen import Change, Entries, seen_in
from tests.harness.oracle.fuzz.last_crash import crashed_and_sent_again, last_accepted
from tests.harness.oracle.fuzz.model import RETENTION_MS, LegalRun
from tests.harness.oracle.fuzz.surroundings import TOLERANCE_MS, Down


def sent_again_after_a_late_crash(run: LegalRun, rng: random.Random) -> Entries | None:
    """The 2xx was read, and there was time enough to store it."""
    if run.successors or (found := last_accepted(run)) is None:
        return None
    told, ended = found
    if any(it.up >= told.at - 2 * TOLERANCE_MS for it in run.around.outages):
        return None
    owner = [it for it in run.truths if told in it.told]
    if not owner or told.at >= seen_in(run).possible_from(owner[0]) + RETENTION_MS // 2:
        return None
    at = ended.at + TOLERANCE_MS + rng.choice((1, 1, 5_000))
    states, again, response = crashed_and_sent_again(run, told, Down(at, at + rng.randint(1, 5_000), "crash"))
    return [*run.entries, *states, again, response]


CHANGES: tuple[Change, ...] = (sent_again_after_a_late_crash,)
