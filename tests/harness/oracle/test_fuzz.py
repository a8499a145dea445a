"""The judge against histories that are drawn from the contract: right ones, and those with one wrong thing.

Many more are judged by ``python -m tests.harness.oracle.fuzz 100000``.
"""

from collections import Counter

import pytest
from msgspec import structs

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Validity
from tests.harness.oracle.fuzz.illegal import CHANGES
from tests.harness.oracle.fuzz.legal import legal_run
from tests.harness.oracle.fuzz.verdicts import Verdicts, verdicts_of

MANY = 1_000


@pytest.fixture(scope="module")
def judged() -> dict[int, Verdicts]:
    """By seed."""
    return {seed: verdicts_of(seed) for seed in range(MANY)}


def test_no_right_aggregator_is_accused(judged: dict[int, Verdicts]) -> None:
    """The worst bug of a judge. Doubt is no accusation, and rare."""
    verdicts = {seed: it.legal for seed, it in judged.items()}

    counts = Counter(it.validity for it in verdicts.values())
    accused = {seed: it.findings for seed, it in verdicts.items() if it.validity is Validity.INVALID}
    assert accused == {}
    assert counts[Validity.UNKNOWN] < MANY // 20


def test_no_illegal_change_passes(judged: dict[int, Verdicts]) -> None:
    """The second worst. Each kind of change occurs."""
    missed = {seed: it.change for seed, it in judged.items() if it.illegal.validity is Validity.VALID}

    assert missed == {}
    assert {it.change for it in judged.values()} == {it.__name__ for it in CHANGES}


LIMITS = {"tolerance": 0, "start_grace": 100, "redelivery_grace": 1_000}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_judge_that_allows_too_little_is_noticed(limit: str) -> None:
    """The drawn aggregators use what the contract allows."""
    histories = (legal_run(seed).history() for seed in range(MANY // 2))
    strict = (History(structs.replace(it.run, **{limit: LIMITS[limit]}), it.entries) for it in histories)

    assert any(judge(it).validity is Validity.INVALID for it in strict)
