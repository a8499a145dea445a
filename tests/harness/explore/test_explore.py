"""Exploring: random scenarios that depend on their seed alone, can be played, and are worth playing."""

import os
import subprocess
import sys
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest

from fanin.harness.capabilities import Capability, required_capabilities
from fanin.harness.cli.explore import LACKS
from fanin.harness.explore import search as exploring
from fanin.harness.explore.generate import generate
from fanin.harness.explore.predict import predict
from fanin.harness.explore.repair import DELIVERIES_MAX, accepted, repair
from fanin.harness.explore.search import (
    ExploredRun,
    Search,
    explore,
    pack,
    replay,
    run,
    scenario_of,
)
from fanin.harness.explore.without_capabilities import REMOVABLE
from fanin.harness.history import AttemptEnded, AttemptSent, NotificationReceived, RegistryEvent
from fanin.harness.oracle.oracle import judge
from fanin.harness.parallel import frozen_garbage_collector
from fanin.harness.verdict import Validity
from fanin.harness.world.play import play
from fanin.simulator.faults.aggregator import AggregatorFault, ClockJump, Crash, Pause, Restart
from fanin.simulator.faults.delivery import DeliveryFault
from fanin.simulator.faults.request import Forge, Malform, SignEarlier
from fanin.simulator.faults.sink import SinkFault, SinkHangs
from fanin.simulator.faults.transport import Drop
from fanin.simulator.language.dump import dumps
from fanin.simulator.language.load import load, loads
from fanin.simulator.language.scenario import Operation, Scenario, Sender
from fanin.simulator.pack import find
from fanin.simulator.shapes import Delay
from tests.paths import ROOT

MANY = 300
PROGRAM = """
import sys
from fanin.harness.explore.generate import generate
from fanin.harness.explore.search import Search, scenario_of
from fanin.simulator.language.dump import dumps
print(dumps(generate(7)), dumps(scenario_of(Search(variants_of=("storm", "slow-region")), 7)[1]))
"""


@pytest.fixture(scope="module")
def many() -> list[Scenario]:
    return [generate(seed) for seed in range(MANY)]


def in_another_process(hash_seed: str) -> str:
    ended = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout


# --- random scenarios ---


def test_the_same_seed_is_the_same_scenario_in_another_process() -> None:
    """Whatever the order of sets is there."""
    assert in_another_process("1") == in_another_process("2") != ""


def test_another_seed_is_another_scenario(many: list[Scenario]) -> None:
    """Not one of many is there twice."""
    assert len({dumps(it).partition("regions")[2] for it in many}) == MANY


def test_every_scenario_is_one_that_a_file_could_hold(many: list[Scenario]) -> None:
    """What was drawn can be stored, and what is stored can be played."""
    assert [it for it in many if loads(dumps(it)) != it] == []


def test_everything_that_can_go_wrong_is_drawn(many: list[Scenario]) -> None:
    """A kind of fault that never comes is never tried."""
    faults = Counter(type(fault) for it in many for fault in it.faults)
    kinds = {*_kinds(DeliveryFault), *_kinds(SinkFault), *_kinds(AggregatorFault)}
    kinds -= {Forge, SignEarlier, Pause, ClockJump}  # not every target has what they need

    assert kinds - faults.keys() == set()
    assert {it.step for s in many for it in s.faults if isinstance(it, Crash)} == {
        None, "before-answer", "after-answer", "before-notify", "after-notify",
    }  # fmt: skip
    assert max(sum(isinstance(it, Crash | Restart) for it in s.faults) for s in many) == 3


def _kinds(union: object) -> tuple[type, ...]:
    return tuple(chain(getattr(union, "__args__", ())))


def test_worlds_of_all_sizes_are_drawn(many: list[Scenario]) -> None:
    """From one region to eight, from a second to a month, every sender, with and without a network."""
    assert {len(it.regions) for it in many} == {1, 2, 3, 4, 5, 8}
    assert min(it.timeout for it in many) < 10_000
    assert {3 * 86_400_000, 2**31 - 1, 2**31, 30 * 86_400_000} <= {it.timeout for it in many}
    assert {it.sender.profile for it in many} == {"acr", "retry", "standard-webhooks", "cncf-distribution"}
    assert Delay(fixed=0) in {it.latency for it in many}
    assert {it.correlation for it in many} == {"event-id", "image"}


def test_ties_at_the_deadline_are_drawn(many: list[Scenario]) -> None:
    """A region that reports exactly one timeout after another is where two outcomes hide."""
    ties = [
        it
        for it in many
        for operation in it.operations
        for delays in [
            [delay.fixed for delay in operation.reaches.values() if delay and delay.fixed is not None]
        ]
        if delays and max(delays) - min(delays) == it.timeout
    ]

    assert len(ties) >= 5


def test_no_scenario_is_too_large_to_play_thousands_of(many: list[Scenario]) -> None:
    """The size of a run is bounded, copies aside."""
    sizes = [len(it.regions) * sum(op.repeat for op in it.operations) for it in many]

    assert max(sizes) <= DELIVERIES_MAX


# --- what is repair before it is played ---


def push(**fields: object) -> Scenario:
    return (
        loads(dumps(Scenario("a", "A", operations=(Operation(),)))) if not fields else _with(push(), **fields)
    )


def _with(scenario: Scenario, **fields: object) -> Scenario:
    return Scenario(**{name: getattr(scenario, name) for name in Scenario.__struct_fields__} | fields)


def test_faults_that_bite_nothing_are_left_out() -> None:
    """They would make the run prove nothing."""
    rare, certain = Drop(chance=1e-9), Drop(region="eastus")

    assert repair(push(faults=(rare, certain)), 0) == push(faults=(certain,))


def test_faults_that_the_loader_refuses_are_left_out() -> None:
    """The others stay."""
    stranger, certain = Drop(region="mars"), Drop(region="eastus")

    assert repair(push(faults=(stranger, certain)), 0) == push(faults=(certain,))


def test_faults_of_a_sink_that_nobody_speaks_to_are_left_out() -> None:
    """The only outcome is told within seconds."""
    assert repair(push(faults=(SinkHangs(since=60_000, until=90_000),)), 0) == push()


def test_something_is_left_to_acknowledge() -> None:
    """Silence would be all that there is."""
    assert repair(push(faults=(Malform(),)), 0) == push()
    assert repair(push(operations=(Operation(reaches=dict.fromkeys(push().regions)),)), 0) is None


def test_a_sender_that_never_gives_up_does_when_it_is_refused() -> None:
    """It would send the same ten thousand times."""
    stubborn = push(sender=Sender("cncf-distribution"), faults=(Malform(region="eastus"),))

    small = repair(stubborn, 0)

    assert small is not None
    assert small.sender.attempts is not None


def test_what_is_wrong_beyond_its_faults_is_no_scenario() -> None:
    """The loader is the judge."""
    assert accepted(push(regions=())) is None
    assert repair(push(regions=()), 0) is None


# --- what is foreseen ---


@pytest.mark.parametrize("name", ["slow-region", "dropped-region", "original-interleaved", "ack-lost"])
def test_the_forecast_comes_true_on_a_quiet_day(name: str) -> None:
    """Arrivals when they are sent, outcomes when they are told; the network's milliseconds aside."""
    scenario = load(find(name))
    prediction = predict(scenario, 3)

    entries = play(scenario, seed=3).entries

    sent = [it for it in entries if isinstance(it, AttemptSent) and it.retry == 0]
    told = [it.at for it in entries if isinstance(it, NotificationReceived)]
    assert [it.at_ms for it in prediction.arrivals] == [it.at for it in sent]
    assert [it.at_ms for it in prediction.outcomes] == pytest.approx(told, abs=10)
    assert prediction.acknowledged == sum(isinstance(it, AttemptEnded) and it.status == 202 for it in entries)


def test_the_forecast_knows_which_faults_will_bite() -> None:
    """Draws are the same as in the run."""
    scenario = load(find("storm"))
    deliveries = {
        n for n, fault in enumerate(scenario.faults) if not isinstance(fault, SinkFault | AggregatorFault)
    }

    assert predict(scenario, 0).effective_faults == deliveries


# --- runs ---


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


def test_the_seed_of_a_run_that_fails_to_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a defect of the harness could not be found again."""

    def broken(_: Scenario, *, seed: int) -> None:
        raise RuntimeError(f"boom {seed}")

    monkeypatch.setattr(exploring, "play", broken)

    with pytest.raises(RuntimeError, match="boom 41") as caught:
        run(Search(), 41)

    assert caught.value.__notes__ == ["while exploring with seed 41"]


def test_few_runs_prove_nothing() -> None:
    """A generator whose runs are mostly unknown is useless; and on our own aggregator none is invalid."""
    with frozen_garbage_collector():
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


def test_scenarios_of_which_nothing_comes_have_no_variants() -> None:
    """Their variants would be unknown as well."""
    assert "slow-region" in pack()
    assert "nothing-happened" not in pack()


FOUND = sorted((ROOT / "tests" / "harness" / "found").glob("*.yaml"))


@pytest.mark.parametrize("path", FOUND, ids=lambda it: it.stem)
def test_what_exploring_found_wrong_with_the_judge_stays_right(path: Path) -> None:
    """Each accused a right aggregator once. The oracle's tests have it by hand."""
    assert judge(play(load(path))).validity is Validity.VALID


def test_what_exploring_found_is_there() -> None:
    """Without files the test above would say nothing."""
    assert len(FOUND) == 4


# --- what a target does not offer ---


@pytest.mark.parametrize("lack", REMOVABLE)
def test_what_a_target_lacks_is_never_asked_of_it(lack: Capability, many: list[Scenario]) -> None:
    """And it would be, if nobody had said so."""
    asked = [seed for seed, it in enumerate(many) if lack in required_capabilities(it)][:20]
    without_capabilities = [scenario_of(Search(lacks=(lack,)), seed)[1] for seed in asked]

    assert len(asked) == 20
    assert [it.scenario for it in without_capabilities if lack in required_capabilities(it)] == []
    assert [it for it in without_capabilities if loads(dumps(it)) != it] == []


def test_what_is_lacking_is_part_of_the_replay() -> None:
    """Without it the same seed would be another scenario."""
    found = ExploredRun(seed=9, base="", validity=Validity.VALID, findings=(), doubts=())
    search = Search(lacks=("process", "action-filter"))

    assert replay(search, found) == "fanin explore --lacks process --lacks action-filter --seed 9 --runs 1"


def test_the_command_offers_what_can_be_spared() -> None:
    """The names are written twice, because importing them takes time."""
    assert LACKS == REMOVABLE
