"""Reading the store of an aggregator while it is played."""

import pytest

from fanin.harness.capabilities import OUR_CAPABILITIES, missing_capabilities
from fanin.harness.mutants.registry import MUTANTS
from fanin.harness.world.inspection import Inspector
from fanin.harness.world.play import play
from fanin.simulator.language.load import load
from fanin.simulator.pack import find, names
from tests.harness.pack_runs import run_of

PLAYABLE = [
    name
    for name in names()
    if not missing_capabilities(load(find(name)), OUR_CAPABILITIES) and name not in ("thousand-ops", "storm")
]


@pytest.mark.parametrize("name", PLAYABLE)
def test_a_run_that_is_inspected_is_the_same_run(name: str) -> None:
    """To the last scheduling choice."""
    scenario = load(find(name))

    watched = play(scenario, inspector=Inspector(key=scenario.key))

    assert watched.trace_hash() == run_of(name).trace_hash()


@pytest.mark.parametrize(
    "name", ["original-sample", "replays-activities", "shared-subject", "clears-all-waits"]
)
def test_a_mutant_that_is_inspected_plays_the_same_run_and_shows_its_store(name: str) -> None:
    """Whatever its engine is."""
    mutant = MUTANTS[name]
    scenario, inspector = load(find(mutant.scenario)), Inspector()

    watched = play(scenario, factory=mutant.factory, inspector=inspector)

    assert watched.trace_hash() == play(scenario, factory=mutant.factory).trace_hash()
    assert any(read.instances for read in inspector.found)


def test_a_pending_notification_is_in_the_outbox_and_then_is_not() -> None:
    """While the sink is down it waits there, with its attempts; once it is accepted, the outbox is empty."""
    inspector = Inspector()
    play(load(find("sink-down")), inspector=inspector)

    attempts = [read.outbox[0]["attempts"] for read in inspector.found if read.outbox]
    assert attempts == sorted(attempts)
    assert attempts[-1] > 1
    assert inspector.found[-1].outbox == []


def test_a_wrong_key_reads_nothing() -> None:
    """As an operator without it would."""
    inspector = Inspector(key="wrong")
    play(load(find("wrong-key")), inspector=inspector)

    assert {read.instances is None for read in inspector.found} == {True}
