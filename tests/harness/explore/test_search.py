"""A search plays, judges, shrinks, and gives the command that repeats a run."""

from collections import Counter
from pathlib import Path

import pytest

from fanin.harness.explore import search as search_module
from fanin.harness.explore.search import (
    ExploredRun,
    Search,
    explore,
    pack,
    replay,
    run,
    scenario_of,
    shrink_run,
)
from fanin.harness.history import RegistryEvent
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Validity
from fanin.harness.world.play import play
from fanin.simulator.language.load import load
from fanin.simulator.language.scenario import Scenario
from tests.paths import ROOT


def test_a_run_depends_on_its_search_and_seed_alone() -> None:
    """Whatever was played before it, in whichever process."""
    search = Search(variants_of=("dropped-region", "hot-op"))

    alone = run(search, 5)
    among = list(explore(search, range(8)))

    assert among[5] == alone
    assert [it.seed for it in among] == list(range(8))
    assert {it.base for it in among} == {"dropped-region", "hot-op"}


def test_processes_side_by_side_give_what_one_gives() -> None:
    """Results come in the order of the seeds."""
    search, seeds = Search(), range(20, 28)
    alone = list(explore(search, seeds, jobs=1))

    assert list(explore(search, seeds, jobs=2)) == alone


def test_an_error_names_the_seed_of_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a defect of the harness could not be found again."""

    def broken(_: Scenario, *, seed: int) -> None:
        raise RuntimeError(f"boom {seed}")

    monkeypatch.setattr(search_module, "play", broken)

    with pytest.raises(RuntimeError, match="boom 41") as caught:
        run(Search(), 41)

    assert caught.value.__notes__ == ["while exploring with seed 41"]


def test_few_runs_are_unknown() -> None:
    """A generator whose runs are mostly unknown is useless; and on our own aggregator none is invalid."""
    found = [*explore(Search(), range(60)), *explore(Search(variants_of=pack()), range(60))]

    counts = Counter(it.validity for it in found)
    assert [it for it in found if it.findings] == []
    assert counts[Validity.UNKNOWN] <= len(found) * 0.1


def test_what_is_played_is_what_was_drawn() -> None:
    """The history's header and operations are the scenario's."""
    _, scenario = scenario_of(Search(), 11)

    history = play(scenario, seed=11)

    names = {it.op.partition("/")[0] for it in history.entries if isinstance(it, RegistryEvent)}
    assert names == {it.name for it in scenario.operations}
    assert (history.run.scenario, history.run.seed) == (scenario, 11)


def test_the_replay_names_the_scenario_whose_variant_it_was() -> None:
    """Not the whole pack, to which others may be added."""
    found = ExploredRun(seed=9, base="slow-region", validity=Validity.VALID, findings=(), doubts=())

    assert replay(Search(variants_of=pack(), app="my.app:create"), found) == (
        "fanin explore --variants-of slow-region --app my.app:create --seed 9 --runs 1"
    )


def test_scenarios_whose_verdict_is_not_valid_have_no_variants() -> None:
    """Their variants would be unknown, too."""
    assert "slow-region" in pack()
    assert "nothing-happened" not in pack()


FOUND = sorted((ROOT / "tests" / "harness" / "found").glob("*.yaml"))


@pytest.mark.parametrize("path", FOUND, ids=lambda it: it.stem)
def test_a_right_aggregator_that_the_judge_once_accused_is_valid(path: Path) -> None:
    """Exploring found each of them. The oracle's tests have their histories by hand."""
    assert judge(play(load(path))).validity is Validity.VALID


def test_the_scenarios_that_exploring_found_are_there() -> None:
    """Without files the test above would say nothing."""
    assert len(FOUND) == 4


def test_capabilities_that_are_lacking_are_part_of_the_replay() -> None:
    """Without it the same seed would be another scenario."""
    found = ExploredRun(seed=9, base="", validity=Validity.VALID, findings=(), doubts=())
    search = Search(lacks=("process", "action-filter"))

    assert replay(search, found) == "fanin explore --lacks process --lacks action-filter --seed 9 --runs 1"


def test_a_run_that_breaks_a_rule_is_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest scenario breaks the same rule, with the default seed if it can."""
    from fanin.harness.mutants.registry import MUTANTS

    def play_mutant(scenario: Scenario, *, seed: int) -> object:
        return play(scenario, seed=seed, factory=MUTANTS["no-idempotency-key"].factory)

    monkeypatch.setattr(search_module, "play", play_mutant)
    found = run(Search(), 2)

    shrunk = shrink_run(Search(), found)

    assert found.validity is Validity.INVALID
    assert shrunk.finding.rule is found.findings[0].rule
    assert len(shrunk.scenario.operations) == 1
    assert shrunk.scenario.faults == ()
    assert shrunk.seed == 0
    assert shrunk.scenario.scenario == "notification-2"
    assert "fanin explore --seed 2 --runs 1" in shrunk.scenario.description
