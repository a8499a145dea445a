"""Scenarios are made smaller while they fail."""

from fanin.harness.explore.generate import generate
from fanin.harness.explore.shrink import shrink
from fanin.simulator.faults.aggregator import Crash
from fanin.simulator.faults.transport import Drop, Duplicate
from fanin.simulator.language.dump import dumps
from fanin.simulator.language.load import loads
from fanin.simulator.language.scenario import Operation, Scenario
from fanin.simulator.shapes import Delay
from tests.harness.explore.scenarios import push


def large() -> Scenario:
    """Three operations, three faults, durations that are hard to read."""
    regions = push().regions
    return loads(
        dumps(
            push(
                timeout=123_457,
                operations=tuple(
                    Operation(name=f"op{n}", at=n * 7_919, repeat=4, image="a:{n}", every=33)
                    for n in range(3)
                ),
                replication={regions[0]: Delay(median=1_777, sigma=0.5)},
                faults=(
                    Drop(region=regions[2]),
                    Duplicate(after=(17, 4_321)),
                    Crash(at=54_321, down_for=2_222),
                ),
            )
        )
    )


def test_what_the_failure_does_not_need_is_removed() -> None:
    """Here it is a crash, and nothing else."""
    small = shrink(large(), lambda it: any(isinstance(fault, Crash) for fault in it.faults))

    assert [type(it) for it in small.faults] == [Crash]
    assert small.operations == ()
    assert small.replication == {}
    assert small.timeout == 120_000


def test_every_candidate_is_valid_and_was_not_tried_before() -> None:
    """The loader has accepted it."""
    tried: list[str] = []

    def fails(candidate: Scenario) -> bool:
        assert loads(dumps(candidate)) == candidate
        tried.append(dumps(candidate))
        return len(candidate.operations) > 1

    small = shrink(large(), fails)

    assert len(small.operations) == 2
    assert len(tried) == len(set(tried))


def test_the_result_fails_and_is_not_longer() -> None:
    """Whatever the failure is about."""
    for seed in range(5):
        scenario = generate(seed)

        def fails(candidate: Scenario, at_least: int = len(scenario.faults)) -> bool:
            return len(candidate.faults) >= at_least

        small = shrink(scenario, fails)

        assert fails(small)
        assert len(dumps(small)) <= len(dumps(scenario))


def test_the_same_answers_give_the_same_result() -> None:
    """A shrunk scenario can be found again."""

    def fails(candidate: Scenario) -> bool:
        return len(candidate.regions) > 1

    assert shrink(large(), fails) == shrink(large(), fails)


def test_it_ends_after_so_many_candidates() -> None:
    """The smallest scenario that was found by then is the result."""
    played = 0

    def fails(_: Scenario) -> bool:
        nonlocal played
        played += 1
        return True

    shrink(large(), fails, candidates_max=5)

    assert played == 5


def test_a_duration_becomes_the_simplest_that_still_fails() -> None:
    """A minute is easier to read than 54.321 s."""
    small = shrink(
        large(), lambda it: any(isinstance(fault, Crash) and (fault.at or 0) >= 20_000 for fault in it.faults)
    )

    (crash,) = small.faults
    assert isinstance(crash, Crash)
    assert crash.at in (60_000, 3_600_000, 86_400_000)
