"""A scenario in other time: the same things in the same order, fast enough to wait for.

Rules of this file: pure. Every instant and duration of the scenario shrinks by one factor, the one that makes
its timeout what it is in the target. What lies many timeouts ahead (a copy six days later) shrinks further:
what matters of it is that the operation was decided long ago, and nobody waits four hours for a test of that.
Where the target's timeout is the longer one, what machines do (a slow body, a slow sink, a sender's patience)
does not grow with it: no front end waits hours for a body.
"""

import math
from dataclasses import replace
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from fanin.simulator.delivery import Profile
from fanin.simulator.language.scenario import (
    Delay,
    DelayBy,
    Duplicate,
    Fault,
    Scenario,
    SignEarlier,
    SinkStalls,
    SlowClient,
)

# Linear up to so many timeouts, logarithmic beyond.
LINEAR_TIMEOUTS = 6


def scaled(scenario: Scenario, timeout_ms: int) -> Scenario:
    """The scenario with ``timeout_ms`` as its timeout, everything else in proportion."""
    factor = timeout_ms / scenario.timeout
    faults = tuple(_nearer(fault, scenario.timeout) for fault in scenario.faults)
    operations = tuple(_nearer(operation, scenario.timeout) for operation in scenario.operations)
    near = msgspec.structs.replace(scenario, faults=faults, operations=operations)
    # The network is real: it has a latency of its own.
    real = msgspec.structs.replace(near, latency=Delay(fixed=0))
    small = msgspec.structs.replace(_multiplied(real, factor), timeout=timeout_ms)
    # How old a signature may be is agreed upon by all who sign, and scales with nothing.
    aged = tuple(
        old if isinstance(old, SignEarlier) else new for old, new in zip(faults, small.faults, strict=True)
    )
    small = msgspec.structs.replace(small, faults=aged)
    if factor <= 1:
        return small
    kept = tuple(_at_its_own_pace(old, new) for old, new in zip(faults, small.faults, strict=True))
    return msgspec.structs.replace(small, sender=scenario.sender, faults=kept)


def _at_its_own_pace(fault: Fault, grown: Fault) -> Fault:
    """What machines take is no part of a scenario's time."""
    match fault, grown:
        case SlowClient(), SlowClient():
            return msgspec.structs.replace(grown, over=fault.over)
        case SinkStalls(), SinkStalls():
            return msgspec.structs.replace(grown, by=fault.by)
        case _:
            return grown


def scaled_profile(
    profile: Profile, scenario_timeout_ms: int, timeout_ms: int, *, timeout_ms_min: int
) -> Profile:
    """A sender in the same proportion.

    An attempt still waits ``timeout_ms_min`` for its answer at least, and never longer than its profile says
    where that is more: machines do not scale.
    """
    factor = timeout_ms / scenario_timeout_ms
    gaps = tuple(round(compress(gap, scenario_timeout_ms) * factor) for gap in profile.gaps_ms)
    patience = max(timeout_ms_min, round(profile.timeout_ms * min(1, factor)))
    return replace(profile, gaps_ms=gaps, timeout_ms=patience)


def compress(gap_ms: int, timeout_ms: int) -> int:
    """Leave what is up to `LINEAR_TIMEOUTS` away as it is; of what is farther keep the order only."""
    edge = LINEAR_TIMEOUTS * timeout_ms
    if gap_ms <= edge:
        return gap_ms
    return round(edge + timeout_ms * math.log2(gap_ms / edge))


# Instants, in whichever shape they stand. All pass through one function that keeps their order.
_INSTANTS = ("at", "since", "until")


def _nearer(what: Any, timeout_ms: int) -> Any:
    """An operation or a fault, its instants and its long gaps compressed."""
    instants = {name: getattr(what, name, None) for name in _INSTANTS}
    found: dict[str, Any] = {
        name: compress(at, timeout_ms) for name, at in instants.items() if at is not None
    }
    if isinstance(what, Duplicate):
        found["after"] = tuple(compress(gap, timeout_ms) for gap in what.after)
    elif isinstance(what, DelayBy) and what.by.fixed is not None:
        found["by"] = msgspec.structs.replace(what.by, fixed=compress(what.by.fixed, timeout_ms))
    return msgspec.structs.replace(what, **found) if found else what


def _multiplied[T](value: T, factor: float, *, is_duration: bool = False) -> T:
    """The same value with every duration in it multiplied. What took some time still takes some."""
    match value:
        case msgspec.Struct():
            durations = _duration_fields(type(value))
            parts = {
                name: _multiplied(getattr(value, name), factor, is_duration=name in durations)
                for name in value.__struct_fields__
            }
            return type(value)(**parts)
        case tuple():
            return tuple(_multiplied(item, factor, is_duration=is_duration) for item in value)  # type: ignore[return-value]
        case dict():
            return {key: _multiplied(item, factor) for key, item in value.items()}  # type: ignore[return-value]
        case int() if is_duration:
            return max(min(value, 1), round(value * factor))  # type: ignore[return-value]
        case _:
            return value


@cache
def _duration_fields(shape: type[msgspec.Struct]) -> frozenset[str]:
    info = inspect.type_info(shape)
    assert isinstance(info, inspect.StructType)  # noqa: S101 - msgspec's own promise, told to mypy
    return frozenset(each.name for each in info.fields if _is_duration(each.type))


def _is_duration(annotated: inspect.Type) -> bool:
    match annotated:
        case inspect.Metadata():
            return bool((annotated.extra or {}).get("duration")) or _is_duration(annotated.type)
        case inspect.UnionType():
            return any(map(_is_duration, annotated.types))
        case inspect.VarTupleType():
            return _is_duration(annotated.item_type)
        case _:
            return False
