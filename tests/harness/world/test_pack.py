"""The pack against this project's own aggregator."""

import pytest

from fanin.harness.capabilities import OUR_CAPABILITIES, missing_capabilities
from fanin.harness.oracle.oracle import judge
from fanin.harness.world.play import play
from fanin.simulator.language.load import load
from fanin.simulator.pack import find, names
from tests.harness.pack_runs import run_of


@pytest.mark.parametrize(
    "name", [name for name in names() if not missing_capabilities(load(find(name)), OUR_CAPABILITIES)]
)
def test_every_scenario_of_the_pack_gets_the_verdict_that_it_states(name: str) -> None:
    """From YAML to verdict, the real thing at every step."""
    verdict = judge(run_of(name))

    assert verdict.findings == ()
    assert verdict.validity == load(find(name)).verdict, verdict.doubts


@pytest.mark.parametrize("name", ["two-replicas", "replica-lost", "zombie", "clock-jumps", "envelopes"])
def test_what_it_does_not_claim_to_have_it_does_not_have(name: str) -> None:
    """Should one of these become valid, the aggregator has learnt something and may say so."""
    assert judge(run_of(name)).validity != "valid"


@pytest.mark.parametrize("seed", range(1, 6))
def test_the_storm_is_weathered_whatever_the_seed(seed: int) -> None:
    """Every seed draws other losses, delays, crashes and races."""
    verdict = judge(play(load(find("storm")), seed=seed))

    assert verdict.findings == ()
    assert verdict.validity == "valid", verdict.doubts
