"""Which operations may have begun under a key whose earlier operation may have been forgotten.

Nothing has to come of such a delivery: it may still count as late. An outcome is right if some attempt can
have begun an operation that leads to it, with the regions and the timeout that were configured when that
began (contract, "After the retention" and "Another configuration").

Rules of this file: pure; what is asked of one instant costs little more than the attempts around it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, pairwise
from math import inf
from typing import NamedTuple

from fanin.harness.oracle.bounds import (
    FOREVER,
    Bounds,
    bounds_of,
    configured_bounds,
    possible_bounds,
    with_legal,
)
from fanin.harness.oracle.config_periods import ConfigPeriod, began_under, configured
from fanin.harness.oracle.evidence import Attempt, Evidence, Notification, Operation
from fanin.harness.oracle.notification_body import instant_ms
from fanin.harness.oracle.outages import by_replica
from fanin.simulator.wire import normalise_region

# A request without a response may lie in some queue for so long, and count then.
LINGERS_MS = 600_000


class Successors:
    """The attempts of one operation that may begin another one under the same key.

    Args:
        operation: It.
        evidence: The run.
        of_image: Also the deliveries of the same image's other pushes. When all are forgotten, any of them
            begins an operation, and counts for it.
    """

    def __init__(self, operation: Operation, evidence: Evidence, *, of_image: bool = False) -> None:
        self._evidence, self._periods = evidence, evidence.config_periods
        known = {region for period in self._periods for region in period.regions}
        operations = operation.of_image if of_image and operation.of_image else (operation,)
        attempts = chain.from_iterable(it.attempts for it in operations)
        counting = (it for it in attempts if it.counts is not False and it.region in known)
        self._attempts = sorted(counting, key=lambda it: it.sent.at)
        self._sent = [it.sent.at for it in self._attempts]
        self._first_sent: dict[str, int] = {}
        for attempt in self._attempts:
            self._first_sent.setdefault(attempt.region or "", attempt.sent.at)
        pauses = _pauses(evidence)
        self._counts_until = [_counts_until(it, pauses) for it in self._attempts]
        # For each attempt: until when it or an earlier one may still count.
        self._until = list(accumulate(self._counts_until, max))

    def attempts(self, since: int, until: int) -> list[Attempt]:
        """Those that were sent by an instant, and may have counted from another one on."""
        first = bisect_left(self._until, since)
        among = range(first, bisect_right(self._sent, until))
        return [self._attempts[n] for n in among if self._counts_until[n] >= since]

    def possible(self, since: int, notification: Notification) -> list[Bounds]:
        """By configuration: bounds by which each attempt in this interval may have counted, or was late.

        Those that the notification's body fits come first.
        """
        found = [bounds for _, _, bounds in self._by_period(since, notification.at)]
        return sorted(found, key=lambda it: not fits(it, notification, self._evidence))

    def _by_period(self, since: int, until: int) -> Iterator[tuple[ConfigPeriod, list[Attempt], Bounds]]:
        """The configurations under which an operation may have begun, by which attempts, and its bounds."""
        attempts = self.attempts(since, until)
        begins = [(it, self._begins_under(it)) for it in attempts]
        for period in self._periods:
            openers = [it for it, under in begins if it.region in period.regions and period in under]
            if openers:
                scenario = configured(self._evidence.scenario, period)
                drift = self._evidence.run.clock_drift
                began = since if period.since < since else round(period.since)
                bounds = bounds_of(attempts, scenario, clock_drift=drift, since=began, certain=frozenset())
                yield period, openers, bounds

    def _begins_under(self, opener: Attempt) -> list[ConfigPeriod]:
        latest = opener.ended_at if opener.counts else inf
        return began_under(self._periods, opener.sent.at, latest)

    def mixed(self, until: int) -> list[Bounds]:
        """By configuration, of what began by an instant: whatever was sent by then may have counted."""
        firsts = {region: at for region, at in self._first_sent.items() if at <= until}
        earliest = min(firsts.values(), default=until)
        drift = self._evidence.run.clock_drift
        return [
            possible_bounds(
                period.regions,
                period.timeout,
                {region: firsts[region] - drift for region in period.regions if region in firsts},
            )
            for period in began_under(self._periods, earliest, until)
        ]

    def of(self, since: int, notification: Notification) -> "Explanations":
        """The operations that may have begun since an instant, and have led to this notification."""
        attempts = self.attempts(since, notification.at)
        explaining, refuted = [], []
        for period, openers, bounds in self._by_period(since, notification.at):
            started = _Started(attempts, since, period, self._evidence.run.clock_drift)
            is_explained, against = started.by_any_of(openers, notification)
            if is_explained:
                explaining.append(bounds)
            else:
                refuted.append(against or bounds)
        explaining.sort(key=lambda it: not fits(it, notification, self._evidence))
        return Explanations(explaining, refuted)


class Explanations(NamedTuple):
    """Bounds by configuration: of those that allow a notification, which fit its body best first."""

    explaining: list[Bounds]
    refuted: list[Bounds]

    @property
    def best(self) -> Bounds | None:
        """By which it is judged; None when no operation can have begun."""
        return next(iter((*self.explaining, *self.refuted)), None)


def named_missing(notification: Notification, bounds: Bounds) -> tuple[str, ...]:
    """The expected regions that a notification names missing, as the scenario writes them."""
    named = notification.body.missing or ()
    return tuple(it for it in bounds.regions if normalise_region(it) in named)


def explains(bounds: Bounds, notification: Notification) -> bool:
    """Whether the bounds allow the outcome that a notification reports."""
    outcome = notification.body.outcome
    if outcome is None:
        return True  # its content is wrong; there is no outcome to judge
    missing = () if outcome == "completed" else named_missing(notification, bounds)
    return bounds.allows(missing, notification.at)


def fits(bounds: Bounds, notification: Notification, evidence: Evidence) -> bool:
    """Whether a body names just the expected regions, and a deadline that is possible, if it names one."""
    body, epoch = notification.body, evidence.run.epoch
    named = {*(body.arrived or ()), *(body.missing or ())}
    if named and named != set(map(normalise_region, bounds.regions)):
        return False
    instant = None if body.deadline is None or epoch is None else instant_ms(body.deadline)
    if instant is None or epoch is None:
        return True
    tolerance, earliest = evidence.run.tolerance, bounds.deadline_from
    latest = notification.at + (0 if body.outcome == "timed_out" else bounds.timeout)
    latest = min(bounds.deadline_until, latest + evidence.run.clock_drift)
    return earliest - tolerance <= instant - epoch <= latest + tolerance


class _Started:
    """The operations that began at some attempt of an interval, under one configuration."""

    def __init__(self, attempts: Sequence[Attempt], since: int, period: ConfigPeriod, drift: int) -> None:
        self._since, self._period, self._drift = since, period, drift
        self._by_region = {
            region: _RegionAttempts([it for it in attempts if it.region == region])
            for region in period.regions
        }

    def by_any_of(self, openers: Sequence[Attempt], notification: Notification) -> tuple[bool, Bounds | None]:
        """Whether an operation that one of these attempts began explains a notification; if not, its bounds.

        There are none where each of them is named missing.
        """
        refuted: Bounds | None = None
        timed_out = notification.body.outcome == "timed_out"
        began_until = notification.at - (self._period.timeout - self._drift if timed_out else 0)
        named = notification.body.missing or () if timed_out else ()
        for opener in openers:
            if normalise_region(opener.region or "") in named:
                continue
            bounds = self._started_by(opener, began_until)
            if explains(bounds, notification):
                return True, None
            refuted = refuted or bounds
        return False, None if refuted is None else with_legal(refuted)

    def _started_by(self, opener: Attempt, until: int) -> Bounds:
        """The bounds of an operation that this attempt has started, at this instant at the latest.

        What came before counted as late. What was sent afterwards met the new operation, and certainly
        counted if it was acknowledged.
        """
        began = max(self._since, opener.sent.at)
        if self._period.since > began:
            began = round(min(self._period.since, opener.ended_at if opener.counts else inf))
        until = min(until, opener.ended_at) if opener.counts else until
        may, must = {}, {}
        for region, attempts in self._by_region.items():
            if (may_from := attempts.may_from(began)) < FOREVER:
                may[region] = may_from - self._drift
            by = attempts.certain_by(until)
            if opener.counts and opener.region == region:
                by = min(by, opener.ended_at)
            if by < FOREVER:
                must[region] = by + self._drift
        return configured_bounds(self._period.regions, self._period.timeout, may, must)


class _RegionAttempts:
    """One region's attempts, in the order in which they were sent."""

    def __init__(self, attempts: Sequence[Attempt]) -> None:
        self._sent = [it.sent.at for it in attempts]
        until = (it.ended_at if it.counts else FOREVER for it in attempts)
        self._until = list(accumulate(until, max))
        ended = [it.ended_at if it.counts else FOREVER for it in attempts]
        # For each attempt: when the first of it and those after it was acknowledged.
        self._acknowledged = [*accumulate(reversed(ended), min)][::-1]

    def may_from(self, began: int) -> int:
        """The earliest instant at which one may have counted for an operation that began then."""
        before = bisect_right(self._sent, began)
        if before and self._until[before - 1] >= began:
            return began
        return self._sent[before] if before < len(self._sent) else FOREVER

    def certain_by(self, after: int) -> int:
        """By when one that was sent after an instant had certainly counted."""
        first = bisect_right(self._sent, after)
        return self._acknowledged[first] if first < len(self._sent) else FOREVER


def _counts_until(attempt: Attempt, pauses: Sequence[tuple[int, int]]) -> int:
    """Until when it may count; what a process has not answered when it is paused, it may when it resumes."""
    if attempt.counts:
        return attempt.ended_at
    until = attempt.ended_at + LINGERS_MS
    resumes = (back for since, back in pauses if attempt.sent.at <= back and since <= until)
    return max([until, *(back + LINGERS_MS for back in resumes)])


def _pauses(evidence: Evidence) -> list[tuple[int, int]]:
    """When each pause began and ended, of those that ended."""
    return [
        (down.at, up.at)
        for changes in by_replica(evidence.lifecycle).values()
        for down, up in pairwise(changes)
        if down.reason == "pause"
    ]
