"""Splits the notifications under one key by the operations that may legally have had the key.

A key names one operation, and its outcome is remembered for the retention (contract, clause 6). An attempt
after that may find nothing and start a new operation with the same key, or may still count as late: both are
right. So from then on, and only then, one further outcome is legal, and again after its own retention. A
notification that the sink has not accepted is repeated all the same, however many operations have followed.
"""

from collections.abc import Iterator
from typing import NamedTuple

from fanin.harness.oracle.bounds import FOREVER, Bounds, bounds_of
from fanin.harness.oracle.evidence import Attempt, Notification, Operation
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.wire import normalise_region

RETENTION_MS = 7 * 86_400_000
# A request without a response may lie in some queue for so long, and count then.
LINGERS_MS = 600_000


class Generation(NamedTuple):
    """One operation that had the key: what may have come of it, and what the sink read."""

    bounds: Bounds
    # In the order in which the sink read them; only the first generation may have none.
    notifications: tuple[Notification, ...]
    first: bool  # False: it is legal only because its predecessor may have been forgotten
    opener: str  # the scenario's name of the operation whose delivery may have started it


def generations(operation: Operation, scenario: Scenario, *, clock_drift: int = 0) -> list[Generation]:
    """The operations that had this key. The first is always there, even without a notification."""
    bounds = bounds_of(operation.attempts, scenario, clock_drift=clock_drift)
    if len(operation.notifications) <= 1:
        opener = _opener(operation, operation.attempts)
        return [Generation(bounds, tuple(operation.notifications), True, opener)]
    return list(_split(operation, bounds, scenario, clock_drift))


def _split(
    operation: Operation, bounds: Bounds, scenario: Scenario, clock_drift: int
) -> Iterator[Generation]:
    first, *others = operation.notifications
    openers, bounded, notified = [_opener(operation, operation.attempts)], [bounds], [[first]]
    for notification in others:
        forgotten_from = min(FOREVER, bounded[-1].decided_from + RETENTION_MS)
        later = _LaterGeneration.of(operation, forgotten_from, notification, scenario, clock_drift)
        if (pending := _repeated(notification, notified, accepted=False)) is not None:
            pending.append(notification)
        elif later.bounds().may and _is_new(notification, notified[-1]):
            openers.append(_opener(operation, later.attempts))
            notified.append([notification])
            bounded.append(later.unexplained(notification) or later.bounds())
        else:
            (_repeated(notification, notified, accepted=True) or notified[-1]).append(notification)
    for n, notifications in enumerate(notified):
        yield Generation(bounded[n], tuple(notifications), n == 0, openers[n])


class _LaterGeneration(NamedTuple):
    """The attempts that may have counted for an operation whose key an earlier one has had."""

    attempts: list[Attempt]
    since: int  # when the earlier one may have been forgotten
    scenario: Scenario
    clock_drift: int

    @staticmethod
    def of(
        operation: Operation, since: int, notification: Notification, scenario: Scenario, clock_drift: int
    ) -> "_LaterGeneration":
        """With the attempts that can have led to this notification."""
        attempts = [
            it
            for it in operation.attempts
            if it.sent.at <= notification.at and it.ended_at + (0 if it.counts else LINGERS_MS) >= since
        ]
        return _LaterGeneration(attempts, since, scenario, clock_drift)

    def bounds(self, certain: frozenset[int] = frozenset()) -> Bounds:
        """By default no attempt is certain to have counted: all of them may have counted as late."""
        return bounds_of(
            self.attempts, self.scenario, clock_drift=self.clock_drift, since=self.since, certain=certain
        )

    def unexplained(self, notification: Notification) -> Bounds | None:
        """Bounds that do not allow the notification; None when those of some first attempt do.

        Any attempt may have started the operation, so there are bounds for each.
        """
        body = notification.body
        if body.outcome is None:
            return None
        missing: tuple[str, ...] = ()
        started_until = notification.at
        if body.outcome == "timed_out":
            named = body.missing or ()
            missing = tuple(it for it in self.scenario.regions if normalise_region(it) in named)
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

        What came before counted as late. What was sent afterwards met the new operation, and certainly
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
    """The latest generation's notifications that this one repeats, accepted ones or not; None: no one's.

    It may be an earlier generation's: a notification that is refused for long outlasts its operation.
    """
    for notifications in reversed(notified):
        if notification.repeats(notifications[0]) and any(it.accepted for it in notifications) == accepted:
            return notifications
    return None


def _is_new(notification: Notification, before: list[Notification]) -> bool:
    """Whether this is more than a repetition of a notification that the sink has not accepted yet."""
    return not notification.repeats(before[0]) or any(it.accepted for it in before)


def _opener(operation: Operation, attempts: list[Attempt]) -> str:
    openers = (it.sent for it in attempts if it.counts is not False)
    opener = min(openers, key=lambda sent: sent.at, default=None)
    return operation.name if opener is None else opener.op
