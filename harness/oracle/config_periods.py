"""How the aggregator was configured when an operation began: regions and timeout are frozen then.

Rules of this file: pure; what was told is in the history, and when an operation began lies in an interval. An
operation that may have begun under one configuration or under another is not judged.
"""

from collections.abc import Iterable, Sequence
from math import inf
from typing import NamedTuple

from msgspec import structs

from fanin.harness.history import TargetState
from fanin.simulator.language.scenario import Scenario


class Spell(NamedTuple):
    """How long one configuration held."""

    since: float
    until: float  # infinite: to the end
    regions: tuple[str, ...]
    timeout: int


def spells(scenario: Scenario, turns: Iterable[tuple[int, TargetState]]) -> list[Spell]:
    """The configurations of a run, in order. The first one holds from the start."""
    found = [Spell(-inf, inf, scenario.expects or scenario.regions, scenario.timeout)]
    fell_at: float = -inf
    for _, turn in turns:
        if turn.state == "down":
            fell_at = turn.at
            continue
        before = found[-1]
        told = Spell(
            turn.at,
            inf,
            turn.expects or before.regions,
            before.timeout if turn.timeout is None else turn.timeout,
        )
        if (told.regions, told.timeout) != (before.regions, before.timeout):
            found[-1] = before._replace(until=fell_at)
            found.append(told)
    return found


def expected_by(spells: Sequence[Spell], at: int) -> frozenset[str]:
    """The regions that have been expected until this instant, then or earlier."""
    return frozenset(region for spell in spells if spell.since <= at for region in spell.regions)


def began_under(spells: Sequence[Spell], earliest: float, latest: float) -> list[Spell]:
    """The configurations under which an operation may have begun in this interval; at least one."""
    held = [spell for spell in spells if spell.since <= latest and earliest <= spell.until]
    return held or [spells[0]]


def configured(scenario: Scenario, spell: Spell) -> Scenario:
    """The scenario as an operation sees it that began in this spell."""
    return structs.replace(scenario, regions=spell.regions, timeout=spell.timeout)
