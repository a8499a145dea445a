"""Makes a scenario that fails as small as it gets while it still fails: delta debugging on scenarios.

Rules of this file: it never asks why a scenario fails, only whether; the same scenario and answers lead to
the same result. Big steps come first: whole operations, faults and regions before durations. Every round
begins with what the last one left, until a round changes nothing or enough was asked.
"""

from collections.abc import Callable, Iterable

import msgspec

from fanin.harness.explore.edit import (
    Part,
    changed,
    delays,
    durations,
    parts,
    without_operations,
    without_part,
    without_region,
)
from fanin.harness.explore.repair import accepted
from fanin.simulator.language.dump import dumps
from fanin.simulator.language.durations import format_duration
from fanin.simulator.language.scenario import Delay, Scenario

QUESTIONS_MAX = 600
# Durations that a reader takes in at a glance.
PLAIN_MS = (0, 1_000, 10_000, 60_000, 120_000, 3_600_000, 86_400_000)
# To what a duration is rounded, the roughest first.
GRAINS_MS = (86_400_000, 3_600_000, 600_000, 60_000, 10_000, 1_000, 100, 10)

type Fails = Callable[[Scenario], bool]


def shrink(scenario: Scenario, fails: Fails, *, questions_max: int = QUESTIONS_MAX) -> Scenario:
    """The smallest scenario found that still fails.

    Args:
        scenario: One that fails, as the loader returned it.
        fails: Plays a candidate, which is sound to the loader, and says whether it fails in the same way.
        questions_max: After so many candidates it ends with what it has.
    """
    hunt = _Hunt(scenario, fails, questions_max)
    before = None
    while before != hunt.smallest and not hunt.over:
        before = hunt.smallest
        for step in STEPS:
            step(hunt)
    return hunt.smallest


class _Hunt:
    """What is smallest so far, and what was asked already."""

    def __init__(self, scenario: Scenario, fails: Fails, questions_max: int) -> None:
        self.smallest = scenario
        self._fails, self._left = fails, questions_max
        self._length = len(dumps(scenario))
        self._asked = {dumps(scenario)}

    @property
    def over(self) -> bool:
        return self._left <= 0

    def take(self, candidate: Scenario) -> bool:
        """Whether the candidate fails as well and is no longer; then it is the smallest from now on."""
        if self.over or len(text := dumps(candidate)) > self._length or text in self._asked:
            return False
        self._asked.add(text)
        if (sound := accepted(candidate)) is None:
            return False
        self._left -= 1
        if not self._fails(sound):
            return False
        self.smallest, self._length = sound, len(text)
        return True

    def first(self, candidates: Iterable[Scenario]) -> None:
        """Take the first candidate that fails."""
        any(map(self.take, candidates))


# --- what is left out ---


def _fewer_operations(hunt: _Hunt) -> None:
    _without_chunks(hunt, lambda it: len(it.operations), without_operations)


def _fewer_faults(hunt: _Hunt) -> None:
    def without(scenario: Scenario, gone: range) -> Scenario:
        kept = tuple(it for n, it in enumerate(scenario.faults) if n not in gone)
        return msgspec.structs.replace(scenario, faults=kept)

    _without_chunks(hunt, lambda it: len(it.faults), without)


def _without_chunks(
    hunt: _Hunt, count: Callable[[Scenario], int], without: Callable[[Scenario, range], Scenario]
) -> None:
    """Leave out half of the items, then quarters, at last single ones; the last ones first."""
    size = count(hunt.smallest)
    while size >= 1:
        end = count(hunt.smallest)
        while end > 0:
            hunt.take(without(hunt.smallest, range(max(0, end - size), end)))
            end -= size
        size //= 2


def _fewer_regions(hunt: _Hunt) -> None:
    for region in reversed(hunt.smallest.regions):
        hunt.take(without_region(hunt.smallest, region))


def _fewer_items(hunt: _Hunt) -> None:
    """What else is in lists and mappings: copies, quirks, what is said of one region."""
    _each(
        hunt,
        lambda part: isinstance(part.value, tuple | dict),
        lambda part: (
            without_part(hunt.smallest, (*part.path, step))
            for step in reversed(list(part.value) if isinstance(part.value, dict) else range(len(part.value)))
        ),
    )


# --- what becomes plain ---


def _defaults(hunt: _Hunt) -> None:
    """Leave unsaid what need not be said."""
    _each(
        hunt,
        lambda part: part.default is not None and part.value != part.default,
        lambda part: (changed(hunt.smallest, part.path, part.default),),
    )


def _smaller_numbers(hunt: _Hunt) -> None:
    _each(
        hunt,
        lambda part: type(part.value) is int and not part.want.duration and part.value > 1,
        lambda part: (changed(hunt.smallest, part.path, number) for number in (1, 2, 3, part.value // 2)),
    )


def _fixed_delays(hunt: _Hunt) -> None:
    for part in list(delays(hunt.smallest)):
        it: Delay = part.value
        values = dict.fromkeys(value for value in (0, it.min, it.median, it.max) if value is not None)
        if it.fixed is None:
            hunt.first(changed(hunt.smallest, part.path, Delay(fixed=value)) for value in values)


def _plain_durations(hunt: _Hunt) -> None:
    for part in list(durations(hunt.smallest)):
        hunt.first(changed(hunt.smallest, part.path, value) for value in _plainer(part.value))


def _plainer(ms: int) -> list[int]:
    """Durations that are easier to read than this one, the easiest first."""
    rounded = (round(ms / grain) * grain for grain in GRAINS_MS if grain <= ms)
    return sorted((value for value in {*PLAIN_MS, *rounded} if _effort(value) < _effort(ms)), key=_effort)


def _effort(ms: int) -> tuple[int, int]:
    return len(format_duration(ms)), ms


def _each(
    hunt: _Hunt, wanted: Callable[[Part], bool], candidates: Callable[[Part], Iterable[Scenario]]
) -> None:
    """Try something with every part that is wanted, and with what stands in its place after a success."""
    at = 0
    while True:
        found = [part for part in parts(hunt.smallest) if wanted(part)]
        if at >= len(found) or hunt.over:
            return
        before = hunt.smallest
        hunt.first(candidates(found[at]))
        at += hunt.smallest is before


STEPS = (
    _fewer_operations,
    _fewer_faults,
    _fewer_regions,
    _defaults,
    _fewer_items,
    _smaller_numbers,
    _fixed_delays,
    _plain_durations,
)
