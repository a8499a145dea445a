"""Which configuration an operation began under, and how it is judged by that."""

from math import inf
from typing import Any

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.config_periods import (
    ConfigPeriod,
    began_under,
    config_periods,
    configured,
)
from fanin.harness.oracle.evidence import collect
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Rule, Validity
from fanin.simulator.language.scenario import Scenario
from tests.harness.oracle.histories import EAST, NORTH, THREE, WEST, Line, down, history, notified, sent, up

THREE_OF_TWO: dict[str, Any] = {"regions": THREE, "expects": (EAST, WEST)}
RESTART = (down(10, "stop"), up(11, expects=THREE))


def periods_of(*lines: Line, **scenario: Any) -> list[tuple[float, float, int, int]]:
    """Each period: since when, until when, how many regions, and the timeout in seconds."""
    evidence = collect(history(*lines, **scenario))
    found = config_periods(evidence.scenario, evidence.lifecycle)
    return [(it.since, it.until, len(it.regions), it.timeout // 1000) for it in found]


PERIODS: dict[str, tuple[tuple[Line, ...], dict[str, Any], list[tuple[float, float, int, int]]]] = {
    "one start": ((), {}, [(-inf, inf, 2, 120)]),
    "the scenario expects fewer regions than there are": ((), THREE_OF_TWO, [(-inf, inf, 2, 120)]),
    "a restart with the same configuration": ((down(5), up(6)), {}, [(-inf, inf, 2, 120)]),
    "a restart that repeats the configuration": (
        (down(5), up(6, expects=(EAST, WEST), timeout=120_000)), {}, [(-inf, inf, 2, 120)],
    ),
    "a restart with another timeout": (
        (down(5), up(6, timeout=30_000)), {}, [(-inf, 5_000, 2, 120), (6_000, inf, 2, 30)],
    ),
    "a restart with another timeout, which fails once": (
        (down(5), down(5.5, "failed"), up(6, timeout=30_000)), {},
        [(-inf, 5_000, 2, 120), (6_000, inf, 2, 30)],
    ),
    "a restart with more regions, and one with another timeout": (
        (*RESTART, down(20), up(22, timeout=30_000)), THREE_OF_TWO,
        [(-inf, 10_000, 2, 120), (11_000, 20_000, 3, 120), (22_000, inf, 3, 30)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PERIODS)
def test_a_configuration_holds_until_the_aggregator_goes_down(name: str) -> None:
    """And the next one from when it is up again, if it differs."""
    lines, scenario, found = PERIODS[name]

    assert periods_of(*lines, **scenario) == found


OLD = ConfigPeriod(-inf, 10, (EAST,), 120_000)
NEW = ConfigPeriod(12, inf, (EAST, WEST), 30_000)


@pytest.mark.parametrize(
    ("earliest", "latest", "found"),
    [
        (1, 9, [OLD]),
        (10, 11, [OLD]),
        (11, 12, [NEW]),
        (10, 12, [OLD, NEW]),
        (-inf, inf, [OLD, NEW]),
        (11, 11, [OLD, NEW]),
        (10.5, 11.5, [OLD, NEW]),
    ],
)
def test_an_operation_began_in_each_period_that_has_an_instant_of_its_interval(
    earliest: float, latest: float, found: list[ConfigPeriod]
) -> None:
    """Both ends of a period are in it. Between two periods, the old process stops or the new one starts."""
    assert began_under([OLD, NEW], earliest, latest) == found


def test_a_scenario_is_configured_as_a_period_says() -> None:
    """Its regions and its timeout, and nothing else."""
    scenario = configured(Scenario("x", "y", regions=THREE), NEW)

    assert (scenario.scenario, scenario.regions, scenario.timeout) == ("x", (EAST, WEST), 30_000)


# --- judged by that ---


def rules(played: History) -> list[Rule]:
    """What was broken; and that all else is beyond doubt."""
    verdict = judge(played)
    assert verdict.doubts == ()
    return [finding.rule for finding in verdict.findings]


def test_an_operation_is_judged_by_what_was_configured_when_it_began() -> None:
    """The first one began with two regions, the second with three."""
    of_two: dict[str, Any] = {"arrived": [EAST, WEST]}
    first = (sent(EAST, 0), sent(WEST, 20), notified("completed", 20.1, **of_two))
    second = (sent(EAST, 30, op="op2"), sent(WEST, 31, op="op2"))
    early = notified("completed", 31.1, op="op2", **of_two)

    right = history(*RESTART, *first, *second, notified("timed_out", 150, NORTH, op="op2"), **THREE_OF_TWO)
    too_early = history(*RESTART, *first, *second, early, **THREE_OF_TWO)
    by_the_new_one = history(*RESTART, *first[:2], notified("timed_out", 120, NORTH), **THREE_OF_TWO)

    assert rules(right) == []
    assert Rule.OUTCOME in rules(too_early)
    assert Rule.EXPECTED_REGIONS in rules(by_the_new_one)


@pytest.mark.parametrize(
    ("status", "at", "broken"),
    [
        pytest.param(400, 5, [], id="refused before it is expected"),
        pytest.param(202, 5, [Rule.EXPECTED_REGIONS], id="accepted before it is expected"),
        pytest.param(202, 30, [], id="late for an operation that never expected it"),
        pytest.param(422, 30, [], id="refused for the same reason"),
    ],
)
def test_a_region_is_unknown_until_it_is_expected(status: int, at: float, broken: list[Rule]) -> None:
    """From then on it counts for new operations; the contract leaves open what it is to an old one."""
    lines = (sent(EAST, 0), sent(WEST, 1), notified("completed", 1.1, arrived=[EAST, WEST]))

    assert rules(history(*lines, *RESTART, sent(NORTH, at, status=status), **THREE_OF_TWO)) == broken


def test_a_new_timeout_is_for_new_operations() -> None:
    """The old one keeps its deadline."""
    restart = (down(10, "stop"), up(11, timeout=30_000))
    new = (sent(EAST, 20, op="op2"), notified("timed_out", 50, WEST, op="op2"))

    assert rules(history(*restart, *new, sent(EAST, 0), notified("timed_out", 120, WEST))) == []
    assert rules(history(*restart, *new, sent(EAST, 0), notified("timed_out", 31, WEST))) == [Rule.DEADLINE]


def test_an_operation_that_may_have_begun_before_or_after_is_not_judged() -> None:
    """Its first delivery had no response, and its second came after the restart."""
    lines = (sent(EAST, 9.99, error="reset", after=20), *RESTART, sent(WEST, 20), notified("completed", 21))

    verdict = judge(history(*lines, **THREE_OF_TWO))

    assert verdict.validity is Validity.UNKNOWN
    assert verdict.doubts == ("op1 may have begun under either of two configurations",)
