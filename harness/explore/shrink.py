"""Makes a failing scenario smaller while it still fails: delta debugging on scenarios.

Rules of this file: it knows whether a candidate fails, not why; the same scenario and answers give the same
result. Big steps come first: whole operations, faults and regions before durations. Rounds are repeated until
one changes nothing, or until the limit of candidates is reached.
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
from fanin.simulator.durations import format_duration
from fanin.simulator.language.dump import dumps
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.shapes import Delay

CANDIDATES_MAX = 600
# Durations that are easy to read.
SIMPLE_DURATIONS_MS = (0, 1_000, 10_000, 60_000, 120_000, 3_600_000, 86_400_000)
# Units that durations are rounded to, the coarsest first.
ROUND_TO_MS = (86_400_000, 3_600_000, 600_000, 60_000, 10_000, 1_000, 100, 10)

type Fails = Callable[[Scenario], bool]


def shrink(
    scenario: Scenario,
    fails: Fails,
    *,
    candidates_max: int = CANDIDATES_MAX,
    expired: Callable[[], bool] = lambda: False,
) -> Scenario:
    """The smallest scenario found that still fails.

    Args:
        scenario: One that fails, as the loader returned it.
        fails: Plays a candidate, which the loader has accepted, and says whether it fails in the same way.
        candidates_max: Stop after this many candidates.
        expired: Asked before each candidate; stop when it says so.
    """
    shrinker = _Shrinker(scenario, fails, candidates_max, expired)
    before = None
    while before != shrinker.smallest and not shrinker.exhausted:
        before = shrinker.smallest
        for step in STEPS:
            step(shrinker)
    return shrinker.smallest


class _Shrinker:
    """The smallest failing scenario so far, and the candidates that were tried."""

    def __init__(
        self, scenario: Scenario, fails: Fails, candidates_max: int, expired: Callable[[], bool]
    ) -> None:
        self.smallest = scenario
        self._fails, self._left, self._expired = fails, candidates_max, expired
        self._length = len(dumps(scenario))
        self._tried = {dumps(scenario)}

    @property
    def exhausted(self) -> bool:
        return self._left <= 0 or self._expired()

    def keep(self, candidate: Scenario) -> bool:
        """Keep the candidate if it fails too and is not longer; return whether it was kept."""
        if self.exhausted or len(text := dumps(candidate)) > self._length or text in self._tried:
            return False
        self._tried.add(text)
        if (valid := accepted(candidate)) is None:
            return False
        self._left -= 1
        if not self._fails(valid):
            return False
        self.smallest, self._length = valid, len(text)
        return True

    def keep_first(self, candidates: Iterable[Scenario]) -> None:
        """Keep the first candidate that fails."""
        any(map(self.keep, candidates))


# --- removing ---


def _remove_operations(shrinker: _Shrinker) -> None:
    _remove_chunks(shrinker, lambda it: len(it.operations), without_operations)


def _remove_faults(shrinker: _Shrinker) -> None:
    def without(scenario: Scenario, gone: range) -> Scenario:
        kept = tuple(it for n, it in enumerate(scenario.faults) if n not in gone)
        return msgspec.structs.replace(scenario, faults=kept)

    _remove_chunks(shrinker, lambda it: len(it.faults), without)


def _remove_chunks(
    shrinker: _Shrinker, count: Callable[[Scenario], int], without: Callable[[Scenario, range], Scenario]
) -> None:
    """Remove half of the items, then quarters, at last single ones; the last items first."""
    size = count(shrinker.smallest)
    while size >= 1:
        end = count(shrinker.smallest)
        while end > 0:
            shrinker.keep(without(shrinker.smallest, range(max(0, end - size), end)))
            end -= size
        size //= 2


def _remove_regions(shrinker: _Shrinker) -> None:
    for region in reversed(shrinker.smallest.regions):
        shrinker.keep(without_region(shrinker.smallest, region))


def _remove_items(shrinker: _Shrinker) -> None:
    """Remove items of other lists and mappings: copies, quirks, entries of one region."""
    _each(
        shrinker,
        lambda part: isinstance(part.value, tuple | dict),
        lambda part: (
            without_part(shrinker.smallest, (*part.path, step))
            for step in reversed(list(part.value) if isinstance(part.value, dict) else range(len(part.value)))
        ),
    )


# --- simplifying ---


def _restore_defaults(shrinker: _Shrinker) -> None:
    """Set fields to their defaults, which are not written."""
    _each(
        shrinker,
        lambda part: part.default is not None and part.value != part.default,
        lambda part: (changed(shrinker.smallest, part.path, part.default),),
    )


def _reduce_numbers(shrinker: _Shrinker) -> None:
    _each(
        shrinker,
        lambda part: type(part.value) is int and not part.field_type.duration and part.value > 1,
        lambda part: (changed(shrinker.smallest, part.path, number) for number in (1, 2, 3, part.value // 2)),
    )


def _fix_delays(shrinker: _Shrinker) -> None:
    for part in list(delays(shrinker.smallest)):
        it: Delay = part.value
        values = dict.fromkeys(value for value in (0, it.min, it.median, it.max) if value is not None)
        if it.fixed is None:
            shrinker.keep_first(changed(shrinker.smallest, part.path, Delay(fixed=value)) for value in values)


def _simplify_durations(shrinker: _Shrinker) -> None:
    for part in list(durations(shrinker.smallest)):
        shrinker.keep_first(
            changed(shrinker.smallest, part.path, value) for value in _simpler_durations(part.value)
        )


def _simpler_durations(ms: int) -> list[int]:
    """Durations that are easier to read than this one, the easiest first."""
    rounded = (round(ms / grain) * grain for grain in ROUND_TO_MS if grain <= ms)
    return sorted(
        (value for value in {*SIMPLE_DURATIONS_MS, *rounded} if _reading_effort(value) < _reading_effort(ms)),
        key=_reading_effort,
    )


def _reading_effort(ms: int) -> tuple[int, int]:
    return len(format_duration(ms)), ms


def _each(
    shrinker: _Shrinker, wanted: Callable[[Part], bool], candidates: Callable[[Part], Iterable[Scenario]]
) -> None:
    """Try candidates for every matching part, and again for the part that takes its place after a success."""
    at = 0
    while True:
        found = [part for part in parts(shrinker.smallest) if wanted(part)]
        if at >= len(found) or shrinker.exhausted:
            return
        before = shrinker.smallest
        shrinker.keep_first(candidates(found[at]))
        at += shrinker.smallest is before


STEPS = (
    _remove_operations,
    _remove_faults,
    _remove_regions,
    _restore_defaults,
    _remove_items,
    _reduce_numbers,
    _fix_delays,
    _simplify_durations,
)
