"""Scenarios whose sink fails for a shorter time than a deployment's webhooks take at a limited rate."""

import pytest

from fanin.harness.results import Skipped
from fanin.harness.targets.adapt import DeploymentConfig
from fanin.harness.targets.deployment import Deployment, plan
from fanin.harness.targets.endpoint import Endpoint
from fanin.harness.targets.missed_faults import missed_fault, sufficient_rate
from fanin.harness.targets.scale import TimeScale
from fanin.simulator.language.load import load, loads
from fanin.simulator.pack import find

BRIEF_REFUSAL = loads("""
scenario: s
title: t
timeout: 10s
operations:
  - {image: "x:{n}", name: many, repeat: 10, reaches: {northeurope: 0s, westeurope: 0s, eastus: 0s}}
  - {image: y, name: last, at: 1ms, reaches: {northeurope: 0s, westeurope: 0s, eastus: 0s}}
faults:
  - {fault: sink-refuses, operation: last, until: 2s}
""")


@pytest.mark.parametrize(("per_second", "missed"), [(10, True), (16, True), (17, False), (33, False)])
def test_a_fault_that_is_over_before_its_notification_comes_is_missed(
    per_second: int, *, missed: bool
) -> None:
    """The last of thirty-three webhooks makes it, so it has to go within two seconds."""
    fault = missed_fault(BRIEF_REFUSAL, seed=0, per_second=per_second)

    assert (fault is not None) == missed


def test_regions_that_are_not_expected_are_not_waited_for() -> None:
    """Without them it is complete at once, and the fault would meet that."""
    scenario = loads("""
        scenario: s
        title: t
        timeout: 10s
        regions: [northeurope, westeurope, mars]
        expects: [northeurope, westeurope]
        operations:
          - {image: "x:{n}", name: many, repeat: 15, reaches: {northeurope: 0s, westeurope: 0s, mars: never}}
          - {image: y, name: last, at: 1ms, reaches: {northeurope: 0s, westeurope: 0s, mars: never}}
        faults:
          - {fault: sink-refuses, operation: last, until: 2s}
    """)

    assert missed_fault(scenario, seed=0, per_second=10) is not None
    assert missed_fault(scenario, seed=0, per_second=20) is None


def test_a_fault_without_an_end_is_never_missed() -> None:
    """However late the notification is."""
    scenario = load(find("poisoned-sink"))

    assert missed_fault(scenario, seed=0, per_second=1) is None


def test_the_rate_that_is_recommended_is_high_enough() -> None:
    """It is a doubling of the one that was not."""
    assert sufficient_rate(BRIEF_REFUSAL, seed=0, above=5) == 20


def test_a_deployment_with_many_regions_is_not_judged_by_what_could_prove_nothing() -> None:
    """It is skipped, with the rate at which it is played, instead of being undecided each time."""
    regions = tuple(f"region{n}" for n in range(50))

    def planned(per_second: int) -> tuple[int, list[Skipped]]:
        deployment = Deployment(
            endpoint=Endpoint("https://h/{region}"),
            configuration=DeploymentConfig(regions),
            time_scale=TimeScale(timeout_ms=2_000, repeat_max=20),
            per_second=per_second,
        )
        runs, skipped = plan([load(find("sink-gone-for-hours"))], deployment, seed=1)
        return len(runs), skipped

    none, (skipped,) = planned(50)
    assert none == 0
    assert skipped.reason == (
        "its sink-refuses ends at +4s, before 50 requests/s come to a notification; --max-rate 200 plays it"
    )
    assert planned(200) == (1, [])
