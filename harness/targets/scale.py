"""Scales a scenario in time: the same events in the same order, fast enough to wait for.

Rules of this file: pure. Every instant and duration is multiplied by one factor, the one that makes the
scenario's timeout that of the target. What lies many timeouts ahead (a copy six days later, a region after
hours, the last retries of a sender) is moved closer than that: it only matters that the operation was decided
long before. Where the target's timeout is longer, what machines take (a slow body, a slow sink, a sender's
timeout) does not grow with it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate, pairwise
from typing import Any

import msgspec
from msgspec import inspect

from fanin.simulator.delivery import Profile, next_attempt_after_ms, profile_of
from fanin.simulator.durations import format_duration
from fanin.simulator.faults.aggregator import AggregatorFault
from fanin.simulator.faults.fault import Fault, Scaling
from fanin.simulator.faults.sink import SinkFault
from fanin.simulator.language.scenario import Operation, Scenario
from fanin.simulator.shapes import Delay

# How long a process may take until it listens.
START_S = 30
# How far the target's clock may be from the harness's: rounding to milliseconds, timers that fire a little
# early, and the half per mille by which a machine may slew its clock while it is being set.
MARGIN_MS, MARGIN_TIMEOUTS = 20, 2_000
# Linear up to so many timeouts; beyond that, four times as far ahead is one timeout later.
LINEAR_TIMEOUTS = 6
# A fault of the sink lasts so many timeouts at most. The pauses between attempts do not scale, and grow while
# the sink fails: after a minute of that they would be longer than the grace.
SINK_FAULT_TIMEOUTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeScale:
    """How scenarios are scaled to real time, and how strictly they are judged there."""

    timeout_ms: int = 5_000  # what every scenario's timeout becomes
    tolerance_ms: int = 1_000  # how late a right aggregator may act
    start_grace_ms: int = 2_000  # … after a start
    failover_grace_ms: int = 10_000  # … after a replica is gone
    redelivery_grace_ms: int = 12_000  # … after the sink works again, its own backoff included
    response_timeout_ms_min: int = 5_000  # a sender waits at least so long, whatever its scaled timeout
    repeat_max: int = 100  # more operations within five seconds would test the harness
    jobs: int = 20  # scenarios at the same time; they mostly wait
    start_s: float = START_S  # how long a command may take until it listens

    @property
    def margin_ms(self) -> int:
        """How far clocks may differ within one timeout."""
        return MARGIN_MS + self.timeout_ms // MARGIN_TIMEOUTS

    def __str__(self) -> str:
        """What is scaled and what is tolerated, for people."""
        return (
            f"every timeout is {format_duration(self.timeout_ms)}, and all else in proportion;"
            f" in time is up to {format_duration(self.tolerance_ms)} late,"
            f" {format_duration(self.start_grace_ms)} after a start,"
            f" {format_duration(self.redelivery_grace_ms)} after the sink works again;"
            f" clocks may differ by {format_duration(self.margin_ms)};"
            f" senders wait {format_duration(self.response_timeout_ms_min)} for a response;"
            f" at most {self.repeat_max} repeats"
        )

    def scale(self, scenario: Scenario) -> tuple[Scenario, Profile]:
        """The scenario in real time, and its sender's retry profile."""
        profile = scaled_profile(
            profile_of(scenario.sender),
            scenario.timeout,
            self.timeout_ms,
            timeout_ms_min=self.response_timeout_ms_min,
        )
        return cap_repeats(scaled(scenario, self.timeout_ms), self.repeat_max), profile


def scaled(scenario: Scenario, timeout_ms: int) -> Scenario:
    """The scenario with ``timeout_ms`` as its timeout, and everything else in proportion."""
    factor = timeout_ms / scenario.timeout
    near_faults = _without_long_outages(scenario.faults, scenario.timeout)
    faults = tuple(_scaled_fault(fault, scenario.timeout, factor) for fault in near_faults)
    operations = tuple(_closer(operation, scenario.timeout) for operation in scenario.operations)
    # The network is real and has a latency of its own.
    near = msgspec.structs.replace(scenario, operations=operations, faults=(), latency=Delay(fixed=0))
    result = msgspec.structs.replace(_multiplied(near, factor), timeout=timeout_ms, faults=faults)
    return result if factor <= 1 else msgspec.structs.replace(result, sender=scenario.sender)


def _closer(operation: Operation, timeout_ms: int) -> Operation:
    """An operation whose instants are closer where they lie many timeouts ahead."""
    reaches = {region: _compressed(delay, timeout_ms) for region, delay in operation.reaches.items()}
    return msgspec.structs.replace(operation, at=compress(operation.at, timeout_ms), reaches=reaches)


def _without_long_outages(faults: Sequence[Fault], timeout_ms: int) -> Iterator[Fault]:
    """The faults; those of the sink at their instants here, and for a few timeouts at most.

    What the sink does as soon as it works again begins when it works again here.
    """
    works_again: dict[int, int] = {}  # by the instant that the scenario names
    for fault in faults:
        if isinstance(fault, SinkFault) and fault.until is not None:
            since = compress(fault.since, timeout_ms)
            ends = min(compress(fault.until, timeout_ms), since + SINK_FAULT_TIMEOUTS * timeout_ms)
            works_again[fault.until] = max(ends, works_again.get(fault.until, 0))
    for fault in faults:
        if not isinstance(fault, SinkFault):
            yield fault
            continue
        since = works_again.get(fault.since, compress(fault.since, timeout_ms))
        until = fault.until
        if until is not None:
            until = min(compress(until, timeout_ms), since + SINK_FAULT_TIMEOUTS * timeout_ms)
        yield msgspec.structs.replace(fault, since=since, until=until)


def _scaled_fault(fault: Fault, timeout_ms: int, factor: float) -> Fault:
    """A fault with its durations multiplied, each as the fault's class says."""
    near = {
        name: _compressed(getattr(fault, name), timeout_ms)
        for name, scaling in fault.scaling.items()
        if scaling is Scaling.INSTANT and not isinstance(fault, SinkFault)
    }
    if isinstance(fault, AggregatorFault):  # it is back when what comes at that instant comes here
        away_ms = compress(fault.at_ms + fault.away_ms, timeout_ms) - compress(fault.at_ms, timeout_ms)
        near |= {name: away_ms for name, scaling in fault.scaling.items() if scaling is Scaling.OUTAGE}
    kept = {
        name: getattr(fault, name)
        for name, scaling in fault.scaling.items()
        if scaling is Scaling.FIXED or (scaling is Scaling.MACHINE_TIME and factor > 1)
    }
    return msgspec.structs.replace(_multiplied(msgspec.structs.replace(fault, **near), factor), **kept)


def _compressed(value: Any, timeout_ms: int) -> Any:
    """An instant, several of them, or a delay, closer where it lies many timeouts ahead."""
    match value:
        case int():
            return compress(value, timeout_ms)
        case tuple():
            return tuple(compress(each, timeout_ms) for each in value)
        case Delay() if value.fixed is not None:
            return msgspec.structs.replace(value, fixed=compress(value.fixed, timeout_ms))
        case _:  # no end, or a delay that is drawn
            return value


def scaled_profile(
    profile: Profile, scenario_timeout_ms: int, timeout_ms: int, *, timeout_ms_min: int
) -> Profile:
    """The retry profile of a sender, in the same proportion.

    An attempt waits at least ``timeout_ms_min`` for its response, and otherwise no longer than its profile
    says: machines do not scale.
    """
    factor = timeout_ms / scenario_timeout_ms
    # The instants of the attempts are compressed, not their gaps: what a sender still tries days after the
    # outcome is over soon, and in the order in which other instants come.
    instants = [compress(at, scenario_timeout_ms) * factor for at in accumulate(profile.gaps_ms, initial=0)]
    gaps = tuple(round(after - before) for before, after in pairwise(instants))
    least = {
        status: round(compress(gap, scenario_timeout_ms) * factor)
        for status, gap in profile.gaps_ms_min.items()
    }
    attempt_timeout_ms = max(timeout_ms_min, round(profile.timeout_ms * min(1, factor)))
    return replace(
        profile,
        gaps_ms=gaps,
        gaps_ms_min=least,
        timeout_ms=attempt_timeout_ms,
        # Gaps shrink unevenly, so an age at which it expires would come after another number of attempts.
        attempts=profile.attempts if profile.expires_ms is None else _attempts_until_expired(profile),
        expires_ms=None,
    )


def _attempts_until_expired(profile: Profile) -> int:
    made, age_ms = 1, 0
    while (gap_ms := next_attempt_after_ms(profile, made, status=None, age_ms=age_ms)) is not None:
        made, age_ms = made + 1, age_ms + gap_ms
    return made


def compress(gap_ms: int, timeout_ms: int) -> int:
    """Keep a gap of up to `LINEAR_TIMEOUTS`; shorten longer ones, keeping their order."""
    edge = LINEAR_TIMEOUTS * timeout_ms
    if gap_ms <= edge:
        return gap_ms
    return round(edge + timeout_ms * math.log(gap_ms / edge, 4))


def _multiplied[T](value: T, factor: float, *, is_duration: bool = False) -> T:
    """The value with every duration in it multiplied; no duration becomes 0 that was not."""
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
    assert isinstance(info, inspect.StructType)  # noqa: S101 - msgspec guarantees it; for mypy
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


def cap_repeats(scenario: Scenario, repeat_max: int) -> Scenario:
    """The scenario with at most so many repeats of each operation, over the same span of time.

    Its ``expect`` is left out: on a real machine a webhook may come after a deadline that it was meant to
    meet, and what is right then follows from the history.
    """
    operations = tuple(
        msgspec.structs.replace(
            operation, repeat=repeat_max, every=round(operation.every * operation.repeat / repeat_max)
        )
        if operation.repeat > repeat_max
        else operation
        for operation in scenario.operations
    )
    return msgspec.structs.replace(scenario, operations=operations, expect=())
