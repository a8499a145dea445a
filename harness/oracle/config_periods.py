"""The aggregator's configuration over time: an operation keeps the regions and timeout it began under.

Rules of this file: pure; the history holds each configuration, and when an operation began lies in an
interval. An operation that may have begun under one configuration or under another is not judged.
"""

from collections.abc import Iterable, Sequence
from math import inf
from typing import NamedTuple

from msgspec import structs

from fanin.harness.history import TargetState
from fanin.simulator.language.scenario import Scenario


class ConfigPeriod(NamedTuple):
    """An interval with one configuration, both ends in. Instants in ms since the scenario's start."""

    since: float
    until: float  # infinite: to the end
    regions: tuple[str, ...]
    timeout: int


def config_periods(
    scenario: Scenario, lifecycle: Iterable[tuple[int, TargetState]]
) -> tuple[ConfigPeriod, ...]:
    """The configurations of a run, in order. The first one holds from the start."""
    periods = [ConfigPeriod(-inf, inf, scenario.expects or scenario.regions, scenario.timeout)]
    down_at: float = -inf
    for _, change in lifecycle:
        if change.state == "down":
            # The process before has gone when a start fails.
            down_at = down_at if change.reason == "failed" else change.at
            continue
        before = periods[-1]
        regions = change.expects or before.regions
        timeout = before.timeout if change.timeout is None else change.timeout
        if (regions, timeout) != (before.regions, before.timeout):
            periods[-1] = before._replace(until=down_at)
            periods.append(ConfigPeriod(change.at, inf, regions, timeout))
    return tuple(periods)


def began_under(periods: Sequence[ConfigPeriod], earliest: float, latest: float) -> list[ConfigPeriod]:
    """The configurations under which an operation may have begun in this interval; at least one.

    What begins between two periods met the old process while that stopped, or the new one just before its
    start was noticed.
    """
    possible = [period for period in periods if period.since <= latest and earliest <= period.until]
    if possible:
        return possible
    later = next(n for n, period in enumerate(periods) if latest < period.since)
    return list(periods[max(0, later - 1) : later + 1])


def configured(scenario: Scenario, period: ConfigPeriod) -> Scenario:
    """The scenario with the configuration of this period."""
    return structs.replace(scenario, regions=period.regions, timeout=period.timeout)
