"""The judge on drawn histories, by seed."""

from typing import NamedTuple

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Verdict
from tests.harness.oracle.fuzz.chance import Chance
from tests.harness.oracle.fuzz.illegal import CHANGES, RARE
from tests.harness.oracle.fuzz.legal import legal_run
from tests.harness.oracle.fuzz.model import LegalRun, as_history

_RARE_FIRST = 0.6


class Verdicts(NamedTuple):
    """On one right aggregator, and on the same one with one illegal change."""

    legal: Verdict
    change: str  # its name
    illegal: Verdict


def verdicts_of(seed: int) -> Verdicts:
    """What the judge says of this seed."""
    run = legal_run(seed)
    change, changed = illegal_history(seed, run)
    return Verdicts(judge(run.history()), change, judge(changed))


def illegal_history(seed: int, run: LegalRun) -> tuple[str, History]:
    """The history of this seed's run with one illegal change, and the name of the change."""
    rng = Chance(f"illegal {seed}")
    changes = rng.sample(CHANGES, len(CHANGES))
    if rng.random() < _RARE_FIRST:
        changes.sort(key=lambda it: it not in RARE)
    for change in changes:
        if (entries := change(run, rng)) is not None:
            return change.__name__, as_history(run, entries)
    raise AssertionError("some changes are possible in every run")
