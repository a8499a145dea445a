"""A search plays, judges, learns within its blocks, and gives the command that repeats a run."""

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from fanin.harness.explore import subject as subject_module
from fanin.harness.explore.generate import Space
from fanin.harness.explore.runs import ExploredRun, explore, shrink_run
from fanin.harness.explore.search import BLOCK, Search, base_scenario, pack
from fanin.harness.explore.subject import Subject
from fanin.harness.history import RegistryEvent
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Validity
from fanin.harness.world.play import play
from fanin.simulator.language.load import load
from fanin.simulator.language.scenario import Scenario
from tests.paths import ROOT


def played(search: Search, numbers: range) -> list[ExploredRun]:
    return list(explore(search, numbers, jobs=1))


@cache
def blocks(count: int) -> list[ExploredRun]:
    """The first runs of a search without options, for tests that compare others with them."""
    return played(Search(), range(count * BLOCK))


def test_a_run_depends_on_its_search_and_seed_alone() -> None:
    """Whatever was played before it, in whichever process."""
    search = Search(variants_of=("dropped-region", "hot-op"))

    (alone,) = played(search, range(5, 6))
    among = played(search, range(8))

    assert among[5] == alone
    assert [it.number for it in among] == list(range(8))
    assert {it.base for it in among} == {"dropped-region", "hot-op"}


def test_a_run_that_varies_another_one_is_the_same_alone() -> None:
    """What a run may be a variant of depends on its block, not on what else was asked for."""
    search = Search()
    variant = next(it for it in blocks(1) if it.base)

    assert played(search, range(variant.number, variant.number + 1)) == [variant]


def test_the_replay_of_a_variant_names_what_it_varies() -> None:
    """So that one run is played for it, not all that came before it in its block."""
    search = Search()
    variant = next(it for it in blocks(1) if it.base)
    again = Search(variants_of=(variant.base,))

    (repeated,) = played(again, range(variant.seed, variant.seed + 1))

    assert search.replay(variant)[2:4] == ["--variants-of", variant.base]
    assert repeated == variant
    assert again.scenario_of(repeated) == search.scenario_of(variant)


def test_processes_and_shares_give_what_one_process_gives() -> None:
    """Results come in the order of the seeds, whichever process played them."""
    search, seeds = Search(subject=Subject(timeout_ms_max=60_000)), range(25, 25 + 2 * BLOCK)
    alone = played(search, seeds)

    shares = [list(explore(search, seeds, jobs=1, shard=(part, 2))) for part in (1, 2)]

    assert list(explore(search, seeds, jobs=2)) == alone
    assert all(shares)
    assert sorted((run for share in shares for run in share), key=lambda it: it.number) == alone


def test_a_lineage_names_a_random_scenario() -> None:
    """First the seed of the one, then those of its variants."""
    space = Space()

    assert base_scenario("random-3", space).scenario == "random-3"
    assert base_scenario("random-3-11", space).scenario == "random-3-11"
    assert base_scenario("slow-region", space).scenario == "slow-region"


def test_an_error_names_the_seed_of_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a defect of the harness could not be found again."""

    def broken(_: Scenario, *, seed: int) -> None:
        raise RuntimeError(f"boom {seed}")

    monkeypatch.setattr(subject_module, "play", broken)

    with pytest.raises(RuntimeError, match="boom 50") as caught:
        played(Search(), range(50, 51))

    assert caught.value.__notes__ == ["while exploring with seed 50"]


def test_few_runs_are_unknown() -> None:
    """A generator whose runs are mostly unknown is useless; and on our own aggregator none is invalid."""
    found = [*played(Search(), range(50)), *played(Search(variants_of=pack()), range(50))]

    counts = Counter(it.validity for it in found)
    assert [it for it in found if it.findings] == []
    assert counts[Validity.UNKNOWN] <= len(found) * 0.02


def test_what_is_played_is_what_was_drawn() -> None:
    """The history's header and operations are the scenario's."""
    scenario = Search().drawn(11)

    history = play(scenario, seed=11)

    names = {it.op.partition("/")[0] for it in history.entries if isinstance(it, RegistryEvent)}
    assert names == {it.name for it in scenario.operations}
    assert (history.run.scenario, history.run.seed) == (scenario, 11)


def test_the_replay_names_the_scenario_whose_variant_it_was() -> None:
    """Not the whole pack, to which others may be added."""
    found = ExploredRun(number=9, seed=9, base="slow-region", validity=Validity.VALID)
    search = Search(variants_of=pack(), subject=Subject(app="my.app:create"))

    assert " ".join(search.replay(found)) == (
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


def test_what_is_lacking_is_part_of_the_replay() -> None:
    """Without it the same seed would be another scenario."""
    found = ExploredRun(number=9, seed=9, validity=Validity.VALID)
    subject = Subject(lacks=("process", "action-filter"), timeout_ms_max=600_000)

    assert " ".join(Search(subject=subject).replay(found)) == (
        "fanin explore --lacks process --lacks action-filter --timeout-max 10m --seed 9 --runs 1"
    )


def test_a_run_that_breaks_a_rule_is_shrunk() -> None:
    """The smallest scenario shows the same finding, with the default seed if it can."""
    search = Search(subject=Subject(bug="no-idempotency-key"))
    found = played(search, range(1))[0]

    shrunk = shrink_run(search, found)

    assert found.validity is Validity.INVALID
    assert shrunk.finding.rule is found.findings[0].rule
    assert len(shrunk.scenario.operations) == 1
    assert shrunk.scenario.faults == ()
    assert shrunk.seed == 0
    assert shrunk.scenario.scenario == "notification-0"
    assert "fanin explore --bug no-idempotency-key --seed 0 --runs 1" in shrunk.scenario.description
