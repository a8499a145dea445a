"""A scenario in other time: the same things in the same order, fast enough to wait for.

Rules of this file: pure. Every instant and duration of the scenario shrinks by one factor, the one that makes
its timeout what it is in the target. Gaps far beyond the timeout (a copy six days later) shrink further: what
matters of them is that the operation was decided long ago, and nobody waits four hours for a test of that.
"""

import math
from dataclasses import replace
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from simulator.delivery import Profile
from simulator.scenario import Delay, DelayBy, Duplicate, Scenario

# Linear up to so many timeouts, logarithmic beyond.
LINEAR_TIMEOUTS = 6


def scaled(scenario: Scenario, timeout_ms: int) -> Scenario:
    """The scenario with ``timeout_ms`` as its timeout, everything else in proportion."""
    factor = timeout_ms / scenario.timeout
    faults = tuple(_compressed(fault, scenario.timeout) for fault in scenario.faults)
    near = msgspec.structs.replace(scenario, faults=faults)
    # The network is real: it has a latency of its own.
    real = msgspec.structs.replace(near, latency=Delay(fixed=0))
    return msgspec.structs.replace(_shrunk(real, factor), timeout=timeout_ms)


def scaled_profile(
    profile: Profile, scenario_timeout_ms: int, timeout_ms: int, *, timeout_ms_min: int
) -> Profile:
    """A sender in the same proportion.

    An attempt still waits ``timeout_ms_min`` for its answer at least: machines do not scale.
    """
    factor = timeout_ms / scenario_timeout_ms
    gaps = tuple(round(compress(gap, scenario_timeout_ms) * factor) for gap in profile.gaps_ms)
    patience = max(timeout_ms_min, round(profile.timeout_ms * factor))
    return replace(profile, gaps_ms=gaps, timeout_ms=patience)


def compress(gap_ms: int, timeout_ms: int) -> int:
    """Leave a gap of up to `LINEAR_TIMEOUTS` as it is; of a longer one keep the order only."""
    edge = LINEAR_TIMEOUTS * timeout_ms
    if gap_ms <= edge:
        return gap_ms
    return round(edge + timeout_ms * math.log2(gap_ms / edge))


def _compressed(fault: Any, timeout_ms: int) -> Any:
    if isinstance(fault, Duplicate):
        return msgspec.structs.replace(fault, after=tuple(compress(gap, timeout_ms) for gap in fault.after))
    if isinstance(fault, DelayBy) and fault.by.fixed is not None:
        by = msgspec.structs.replace(fault.by, fixed=compress(fault.by.fixed, timeout_ms))
        return msgspec.structs.replace(fault, by=by)
    return fault


def _shrunk[T](value: T, factor: float, *, is_duration: bool = False) -> T:
    """The same value with every duration in it multiplied."""
    match value:
        case msgspec.Struct():
            durations = _duration_fields(type(value))
            parts = {
                name: _shrunk(getattr(value, name), factor, is_duration=name in durations)
                for name in value.__struct_fields__
            }
            return type(value)(**parts)
        case tuple():
            return tuple(_shrunk(item, factor, is_duration=is_duration) for item in value)  # type: ignore[return-value]
        case dict():
            return {key: _shrunk(item, factor) for key, item in value.items()}  # type: ignore[return-value]
        case int() if is_duration:
            return round(value * factor)  # type: ignore[return-value]
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
