"""The judge on drawn histories, by seed."""

import random

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Verdict
from tests.harness.oracle.fuzz.illegal import CHANGES, RARE
from tests.harness.oracle.fuzz.legal import legal_run
from tests.harness.oracle.fuzz.model import as_history

_RARE_FIRST = 0.6


def of_legal(seed: int) -> Verdict:
    """On the right aggregator of this seed."""
    return judge(legal_run(seed).history())


def illegal_history(seed: int) -> tuple[str, History]:
    """The history of this seed with one illegal change, and the name of the change."""
    run, rng = legal_run(seed), random.Random(f"illegal {seed}")
    changes = rng.sample(CHANGES, len(CHANGES))
    if rng.random() < _RARE_FIRST:
        changes = [*RARE, *(it for it in changes if it not in RARE)]
    for change in changes:
        if (entries := change(run, rng)) is not None:
            return change.__name__, as_history(run, entries)
    raise AssertionError("some changes are possible in every run")


def of_illegal(seed: int) -> tuple[str, Verdict]:
    """On the same aggregator with one illegal change, and the name of the change."""
    change, changed = illegal_history(seed)
    return change, judge(changed)
