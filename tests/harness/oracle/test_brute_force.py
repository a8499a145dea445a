"""The judge against a second one that tries every instant, on worlds that are right or wrong by little."""

from collections import Counter
from collections.abc import Iterator

import pytest

from fanin.harness.oracle.bounds import FOREVER, Bounds
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Validity
from tests.harness.oracle.brute_force import drawn, drawn_sequel

MANY, SEQUELS = 3_000, 1_500


def disagreements() -> Iterator[int]:
    """Seeds of worlds about which the two judges do not agree. A doubt is no accusation."""
    return (seed for seed in range(MANY) if _accused(seed) == drawn(seed).is_legal())


def _accused(seed: int) -> bool:
    return judge(drawn(seed).history()).validity is Validity.INVALID


def test_the_judge_accuses_exactly_those_that_nothing_explains() -> None:
    """No false alarm and no missed bug, wherever the windows of deliveries, deadline and outcome overlap."""
    assert list(disagreements()) == []


def test_the_worlds_are_worth_a_comparison() -> None:
    """Right ones, wrong ones, and silence that is right; each often."""
    counts = Counter(drawn(seed).is_legal() for seed in range(MANY))
    silent = [seed for seed in range(MANY) if drawn(seed).reported is None and drawn(seed).is_legal()]

    assert min(counts.values()) > MANY // 4
    assert len(silent) > MANY // 200


@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("off_ms", [-1, 1])
def test_a_judge_whose_start_is_a_millisecond_off_is_noticed(
    monkeypatch: pytest.MonkeyPatch, end: int, off_ms: int
) -> None:
    """Either end of the interval in which the operation may have started."""
    starts = Bounds._starts

    def off(self: Bounds, missing: tuple[str, ...]) -> tuple[int, int] | None:
        found = starts(self, missing)
        return found and (found[0] + off_ms * (end == 0), min(FOREVER, found[1] + off_ms * (end == 1)))

    monkeypatch.setattr(Bounds, "_starts", off)

    assert any(disagreements())


def test_a_second_operation_under_the_same_key_is_judged_as_sharply() -> None:
    """One that came after the retention: neither a false alarm nor a missed bug."""
    sequels = [drawn_sequel(seed) for seed in range(SEQUELS)]
    legal = [it.is_legal() for it in sequels]
    accused = [judge(it.history()).validity is Validity.INVALID for it in sequels]

    assert [seed for seed in range(SEQUELS) if legal[seed] == accused[seed]] == []
    assert SEQUELS // 10 < sum(legal) < SEQUELS // 2
