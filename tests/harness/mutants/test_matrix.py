"""The matrix: verdicts on mutants and healthy variants, and what is concluded from them."""

from functools import cache

import pytest

from fanin.harness.mutants import matrix as matrices
from fanin.harness.mutants.matrix import (
    REPEAT_MAX,
    compute,
    has_crash,
    is_played_with,
    mutants_of,
    scenario_of,
    verdicts_of,
)
from fanin.harness.mutants.registry import HEALTHY, MUTANTS
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Finding, Validity
from fanin.harness.world.play import play
from fanin.simulator.pack import names
from tests.harness.mutants.matrices import matrix

# Of so many mutants at least, a finding names the bug.
NAMED_MIN = 124


@cache
def findings_of(mutant: str) -> tuple[Finding, ...]:
    """Of the scenario that shows it best."""
    it = MUTANTS[mutant]
    return judge(play(scenario_of(it.scenario), factory=it.factory)).findings


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_is_killed_by_the_scenario_that_it_names(name: str) -> None:
    """A judge that never accuses proves nothing. A finding looks like the mutant's bug, or like none."""
    mutant = MUTANTS[name]

    findings = findings_of(name)

    assert findings
    looks_like = [it.looks_like for it in findings if it.looks_like]
    assert [it for it in looks_like if not {*it} & {*mutant.catalogue}] == []


def test_most_mutants_are_named() -> None:
    """A hint that is never given helps as little as a wrong one. The number may rise."""
    named = (
        name
        for name, mutant in MUTANTS.items()
        for finding in findings_of(name)
        if {*finding.looks_like} & {*mutant.catalogue}
    )

    assert len(set(named)) >= NAMED_MIN


def test_the_shares_of_the_mutants_are_all_of_them() -> None:
    """Each in one share."""
    dealt = [name for part in range(1, 9) for name in mutants_of((part, 8))]

    assert sorted(dealt) == sorted(MUTANTS)


def test_a_row_has_the_verdict_of_each_scenario() -> None:
    """One that kills, one that does not, one that cannot."""
    row = verdicts_of("counts-deliveries", ["duplicate-not-quorum", "slow-region", "nothing-happened"])

    assert row == {
        "duplicate-not-quorum": Validity.INVALID,
        "slow-region": Validity.VALID,
        "nothing-happened": Validity.UNKNOWN,
    }


def test_a_variant_in_memory_plays_no_scenario_with_a_crash() -> None:
    """It is right until it crashes."""
    verdicts = verdicts_of("in-memory", ["slow-region", "crash-after-ack"])

    assert verdicts == {"slow-region": Validity.VALID}
    assert has_crash(scenario_of("crash-after-ack"))


def test_a_variant_with_capabilities_plays_the_scenarios_that_need_them_and_no_others() -> None:
    """The others say nothing about what it is about."""
    assert set(verdicts_of("first-event-only", ["envelopes", "slow-region", "signed"])) == {"envelopes"}
    assert set(verdicts_of("no-timer", ["envelopes", "slow-region"])) == {"slow-region"}


def test_repetitions_are_limited() -> None:
    """A thousand operations would make hours of minutes."""
    scenario = scenario_of("thousand-ops")

    assert {operation.repeat for operation in scenario.operations} == {REPEAT_MAX}


def test_every_scenario_gets_the_verdict_that_it_states_with_few_repetitions() -> None:
    """Otherwise the matrix would report effects of that limit."""
    within = [name for name in names() if is_played_with(scenario_of(name), frozenset())]

    verdicts = verdicts_of("unmodified", within)

    assert verdicts == {name: scenario_of(name).verdict for name in within}


@pytest.mark.parametrize("name", ["look-then-start", "key-per-attempt", "clears-all-waits"])
def test_a_mutant_behaves_the_same_every_time(name: str) -> None:
    """Same seed, same history: otherwise a finding could not be looked at again."""
    it = MUTANTS[name]
    scenario = scenario_of(it.scenario)

    first = play(scenario, seed=7, factory=it.factory).trace_hash()

    assert play(scenario, seed=7, factory=it.factory).trace_hash() == first


def test_rows_come_in_the_order_of_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """In whichever process each was played."""
    played: list[str] = []

    def play_row(name: str, scenarios: tuple[str, ...]) -> dict[str, Validity]:
        played.append(name)
        return dict.fromkeys(scenarios, Validity.VALID)

    monkeypatch.setattr(matrices, "verdicts_of", play_row)
    advances: list[None] = []

    found = compute(lambda: advances.append(None), jobs=1)

    assert [*found.mutants, *found.healthy] == [*MUTANTS, *HEALTHY] == played
    assert len(advances) == len(played)
    assert found.scenarios == tuple(names())


def test_survivors_and_accused_are_found() -> None:
    """A mutant that no scenario kills, and a healthy variant with a wrong verdict."""
    found = matrix(survivor="no-timer", accused="coarse-timer")

    assert found.survivors == ["no-timer"]
    assert found.accused == [("coarse-timer", "slow-region")]
    assert found.killers("two-timers") == ["slow-region"]
    assert len(found.kills("slow-region")) == len(MUTANTS) - 1


def test_a_healthy_variant_may_be_unknown_where_its_scenario_states_that() -> None:
    """Where nothing happens, no aggregator can be valid."""
    assert matrix().accused == []
