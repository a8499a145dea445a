"""Splits what the sink was told about one key into the operations that may legally have had it.

A key names one operation, and its end is remembered for the retention (contract, clause 6). An attempt after
that may find nothing and start a new operation with the same key, or may still be taken for late: both are
right. So from then on, and only then, one further outcome is legal, and again after its own retention.
A notification that nobody has accepted is repeated all the same, however many operations have followed.
"""

from collections.abc import Iterator
from typing import NamedTuple

from fanin.harness.oracle.bounds import FOREVER, Bounds, bounds_of
from fanin.harness.oracle.evidence import Attempt, Notification, Operation
from fanin.harness.oracle.notification_body import normalise_region
from fanin.simulator.language.scenario import Scenario

RETENTION_MS = 7 * 86_400_000
# A request that had no answer may lie in some queue for so long, and count then.
LINGERS_MS = 600_000


class Generation(NamedTuple):
    """One operation that had the key: what may have come of it, and what the sink was told."""

    bounds: Bounds
    notifications: tuple[
        Notification, ...
    ]  # in the order in which the sink read them; at least one but for the first
    first: bool  # False: it is one that only a forgotten predecessor makes legal
    opener: str  # the scenario's name of the operation whose delivery may have started it


def generations(operation: Operation, scenario: Scenario, *, clock_drift: int = 0) -> list[Generation]:
    """The operations that had this key. The first is always there, even if the sink was told nothing."""
    bounds = bounds_of(operation.attempts, scenario, clock_drift=clock_drift)
    if len(operation.notifications) <= 1:
        return [
            Generation(bounds, tuple(operation.notifications), True, _opener(operation, operation.attempts))
        ]
    return list(_split(operation, bounds, scenario, clock_drift))


def _split(
    operation: Operation, bounds: Bounds, scenario: Scenario, clock_drift: int
) -> Iterator[Generation]:
    openers, bounded, notified = (
        [_opener(operation, operation.attempts)],
        [bounds],
        [[operation.notifications[0]]],
    )
    for notification in operation.notifications[1:]:
        fresh = _Fresh.of(
            operation,
            min(FOREVER, bounded[-1].decided_from + RETENTION_MS),
            notification,
            scenario,
            clock_drift,
        )
        if (pending := _repeated(notification, notified, accepted=False)) is not None:
            pending.append(notification)
        elif fresh.bounds().may and _is_new(notification, notified[-1]):
            openers, notified = [*openers, _opener(operation, fresh.attempts)], [*notified, [notification]]
            bounded = [*bounded, fresh.unexplained(notification) or fresh.bounds()]
        else:
            (_repeated(notification, notified, accepted=True) or notified[-1]).append(notification)
    for n, notifications in enumerate(notified):
        yield Generation(bounded[n], tuple(notifications), n == 0, openers[n])


class _Fresh(NamedTuple):
    """The attempts that may have counted for an operation whose key an earlier one has had."""

    attempts: list[Attempt]
    since: int  # when that one may have been forgotten
    scenario: Scenario
    clock_drift: int

    @staticmethod
    def of(
        operation: Operation, since: int, notification: Notification, scenario: Scenario, clock_drift: int
    ) -> "_Fresh":
        """Those that can have led to this post."""
        attempts = [
            it
            for it in operation.attempts
            if it.sent.at <= notification.at and it.ended_at + (0 if it.counts else LINGERS_MS) >= since
        ]
        return _Fresh(attempts, since, scenario, clock_drift)

    def bounds(self, certain: frozenset[int] = frozenset()) -> Bounds:
        """None is certain to have counted: all of them may have been taken for late."""
        return bounds_of(
            self.attempts, self.scenario, clock_drift=self.clock_drift, since=self.since, certain=certain
        )

    def unexplained(self, notification: Notification) -> Bounds | None:
        """Bounds that do not allow what was told, if none do, whichever attempt has started the operation."""
        if notification.body.outcome is None:
            return None
        missing: tuple[str, ...] = ()
        started_until = notification.at
        if notification.body.outcome == "timed_out":
            missing = tuple(
                it
                for it in self.scenario.regions
                if normalise_region(it) in (notification.body.missing or ())
            )
            started_until = notification.at - self.scenario.timeout + self.clock_drift
        refuted: Bounds | None = None
        for opener in self.attempts:
            if opener.counts is False or opener.region in missing:
                continue
            bounds = self._started_by(opener, started_until)
            if bounds.allows(missing, notification.at):
                return None
            refuted = refuted or bounds
        return refuted

    def _started_by(self, opener: Attempt, until: int) -> Bounds:
        """The bounds of an operation that this attempt has started, at this instant at the latest.

        What came before was taken for late. What was sent afterwards met the new operation, and certainly
        counted if it was acknowledged.
        """
        until = min(until, opener.ended_at) if opener.counts else until
        certain = [it.index for it in self.attempts if it is opener or it.sent.at > until]
        since = max(self.since, opener.sent.at)
        possible = [it for it in self.attempts if not it.counts or it.ended_at >= since]
        return self._replace(attempts=possible, since=since).bounds(frozenset(certain))


def _repeated(
    notification: Notification, notified: list[list[Notification]], *, accepted: bool
) -> list[Notification] | None:
    """What this repeats, whichever operation's it is: one that the sink refuses for long outlasts its own."""
    return next(
        (
            notifications
            for notifications in reversed(notified)
            if notification.repeats(notifications[0]) and any(it.accepted for it in notifications) == accepted
        ),
        None,
    )


def _is_new(notification: Notification, before: list[Notification]) -> bool:
    """Whether this is no mere repetition of a notification that the sink has not accepted yet."""
    return not notification.repeats(before[0]) or any(it.accepted for it in before)


def _opener(operation: Operation, attempts: list[Attempt]) -> str:
    openers = (it.sent for it in attempts if it.counts is not False)
    opener = min(openers, key=lambda sent: sent.at, default=None)
    return operation.name if opener is None else opener.op
