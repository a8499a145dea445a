"""Splits the notifications under one key by the operations that may legally have had the key.

A key names one operation, and its outcome is remembered for the retention (contract, clause 6). An attempt
after that may find nothing and start a new operation with the same key, or may still count as late: both are
right. So from then on, and only then, one further outcome is legal, and again after its own retention. Where
the image is the key, each further push may have an outcome besides (`fanin.harness.oracle.pushes`). A
notification that the sink has not accepted is repeated all the same, however many operations have followed.

Its cost is linear in the number of notifications.
"""

from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from fanin.harness.oracle.allowances import Allowances
from fanin.harness.oracle.bounds import FOREVER, RETENTION_MS, Bounds, bounds_of, forgotten_from
from fanin.harness.oracle.evidence import Attempt, Evidence, Notification, Operation
from fanin.harness.oracle.mixed_pushes import outcomes_at_most
from fanin.harness.oracle.successors import Explanations, Successors, explains, fits


class Generation(NamedTuple):
    """One operation that had the key: what may have come of it, and what the sink read."""

    bounds: Bounds
    # In the order in which the sink read them; only the first generation may have none.
    notifications: tuple[Notification, ...]
    first: bool  # False: it is legal only because its predecessor may have been forgotten
    opener: str  # the scenario's name of the operation whose delivery may have started it


def generations(operation: Operation, evidence: Evidence, allowances: Allowances) -> list[Generation]:
    """The operations that had this key. The first is always there, even without a notification."""
    scenario = evidence.configured_for(operation)[0]
    bounds = bounds_of(operation.attempts, scenario, clock_drift=evidence.run.clock_drift)
    if operation.pushes > 1:
        _put_first(operation, evidence, bounds)
    found = _Generations(operation, evidence, allowances, bounds)
    for notification in operation.notifications:
        found.add(notification)
    return [
        Generation(it.bounds, tuple(it.notifications), n == 0, it.opener) for n, it in enumerate(found.all)
    ]


class _Open:
    """A generation while notifications are added to it."""

    def __init__(self, bounds: Bounds, decided_from: int, opener: str) -> None:
        self.bounds, self.decided_from, self.opener = bounds, decided_from, opener
        self.notifications: list[Notification] = []
        self.accepted = False


class _Generations:
    """The generations of one operation, and to which of them its next notification belongs."""

    def __init__(
        self, operation: Operation, evidence: Evidence, allowances: Allowances, bounds: Bounds
    ) -> None:
        self._operation, self._evidence, self._allowances = operation, evidence, allowances
        self.all = [_Open(bounds, bounds.decided_from, _opener(operation, operation.attempts))]
        self._remembered = 0  # the first of those that the latest retention remembers
        self._keys: set[str | None] = set()
        # By what their notifications say: the generations, the latest last; and those that are not accepted.
        self._alike: dict[_Said, list[_Open]] = {}
        self._pending: dict[_Said, list[_Open]] = {}

    @cached_property
    def _own(self) -> Successors:
        """What may begin, or count for, an operation of its own pushes."""
        return Successors(self._operation, self._evidence)

    @cached_property
    def _successors(self) -> Successors:
        """What may begin, or count for, an operation when all of its key is forgotten."""
        return Successors(self._operation, self._evidence, of_image=True)

    def add(self, notification: Notification) -> None:
        """Add it to the generation that it belongs to, which may begin with it."""
        said = _said(notification)
        # One that is refused for long outlasts its operation, so it may be an earlier generation's.
        pending = [it for it in self._pending.get(said, ()) if not it.accepted]
        known = _repeated(notification, self._alike.get(said, ()))
        owner = _repeated(notification, pending)
        owner = (
            owner or self._beginning_with(notification, is_known=known is not None) or known or self.all[-1]
        )
        if not owner.notifications:
            self._alike.setdefault(said, []).append(owner)
            pending.append(owner)
        self._pending[said] = pending
        owner.notifications.append(notification)
        owner.accepted = owner.accepted or notification.accepted
        self._keys.add(notification.received.key)

    def _beginning_with(self, notification: Notification, *, is_known: bool) -> _Open | None:
        """The generation of which this is the first notification; None when it cannot be.

        Args:
            notification: It.
            is_known: Whether it says the same as one that the sink has accepted.
        """
        first = self.all[0]
        if not first.notifications:
            if not is_known and self._explains(first.bounds, notification):
                return first
            if len(self.all) == 1:
                explained = self._successor(notification, explained=True) or self._later(notification)
                return explained or self._joined(first, notification) or first
        number = len(self.all) - self._remembered
        is_new = notification.received.key not in self._keys
        if is_new and number < self._operation.pushes:
            # One that follows from what came when all was forgotten uses up no outcome of those before.
            return self._successor(notification, explained=True) or self._one_more(notification, number)
        if (successor := self._successor(notification)) is not None:
            return successor
        # Those of one retention are counted only where it may not be another one.
        bounds = self.all[self._remembered].bounds
        if is_new and number < outcomes_at_most(self._operation, bounds, notification.at):
            return self._one_more(notification, number)
        return None

    def _one_more(self, notification: Notification, number: int) -> _Open:
        """Of pushes that may have mixed: the outcome after so many."""
        own = self._own if self._remembered == 0 else self._successors
        events = self._operation.events
        return self._begun(self._mixed(notification, own), events[min(number, len(events) - 1)].op)

    def _later(self, notification: Notification) -> _Open | None:
        """The second of several pushes, where the sink has read nothing of the first one."""
        if self._operation.pushes == 1:
            return None
        bounds = self._mixed(notification, self._own)
        if not self._explains(bounds, notification):
            return None
        return self._begun(bounds, self._operation.events[1].op)

    def _joined(self, first: _Open, notification: Notification) -> _Open | None:
        """A push for which earlier ones' deliveries count, because all of the image was forgotten by then."""
        operation, drift = self._operation, self._evidence.run.clock_drift
        sent = [it.sent.at for it in operation.attempts if it.counts is not False]
        earlier = operation.of_image[: operation.of_image.index(operation)] if operation.of_image else ()
        if not earlier or not sent:
            return None
        scenario = self._evidence.configured_for(earlier[-1])[0]
        if forgotten_from(bounds_of(earlier[-1].attempts, scenario, clock_drift=drift)) > min(sent):
            return None
        found = self._successors.of(min(sent), notification)
        if not self._is_explained(found, notification):
            return None
        first.bounds = next(it for it in found.explaining if fits(it, notification, self._evidence))
        return first

    def _explains(self, bounds: Bounds, notification: Notification) -> bool:
        return explains(bounds, notification) and fits(bounds, notification, self._evidence)

    def _successor(self, notification: Notification, *, explained: bool = False) -> _Open | None:
        """One that began when the key of the latest may have been forgotten.

        Args:
            notification: The first of it.
            explained: Only one that explains this notification.
        """
        since = self._forgotten_from(self.all[-1], notification.at)
        if since > notification.at:
            return None
        found = self._successors.of(since, notification)
        if found.best is None or (explained and not self._is_explained(found, notification)):
            return None
        opener = _opener(self._operation, self._successors.attempts(since, notification.at))
        self._remembered = len(self.all)
        if self._operation.pushes > 1:
            return self._begun(self._mixed(notification, self._successors), opener)
        return self._begun(found.best, opener, *(found.explaining or found.refuted))

    def _forgotten_from(self, generation: _Open, at: int) -> int:
        """From when its key may name another operation, if that is by an instant.

        It was decided no earlier than its first notification can have been held up.
        """
        earliest = min(FOREVER, generation.decided_from + RETENTION_MS)
        if earliest > at or not generation.notifications:
            return earliest
        told_at, tolerance = generation.notifications[0].at, self._evidence.run.tolerance
        decided = bisect_left(
            range(generation.decided_from, told_at),
            told_at,
            key=lambda at: self._allowances.allowed_until(self._operation, at, at, tolerance),
        )
        return earliest + decided

    def _is_explained(self, found: Explanations, notification: Notification) -> bool:
        return any(fits(it, notification, self._evidence) for it in found.explaining)

    def _begun(self, bounds: Bounds, opener: str, *others: Bounds) -> _Open:
        self.all.append(_Open(bounds, min(it.decided_from for it in (bounds, *others)), opener))
        return self.all[-1]

    def _mixed(self, notification: Notification, among: Successors) -> Bounds:
        """Of a push whose deliveries may have mixed with an earlier one's: any of them may have counted."""
        found = among.mixed(notification.at)
        return max(found, key=lambda it: (explains(it, notification), fits(it, notification, self._evidence)))


type _Said = tuple[object, ...]


def _said(notification: Notification) -> _Said:
    """What notifications that repeat one another have in common, without what may be of any shape."""
    body = notification.body
    return (notification.received.key, body.id, body.outcome, body.arrived, body.missing, *body.content)


def _repeated(notification: Notification, among: Sequence[_Open]) -> _Open | None:
    """The latest generation that this notification repeats."""
    repeated = (it for it in reversed(among) if notification.repeats(it.notifications[0]))
    return next(repeated, None)


def _put_first(operation: Operation, evidence: Evidence, bounds: Bounds) -> None:
    """Where several pushes have outcomes, the sink may have read those of a later one first."""
    told = (it for it in operation.notifications if it.body.outcome is not None)
    explained = [it for it in told if explains(bounds, it)]
    fitting = (it for it in explained if fits(bounds, it, evidence))
    if (first := next(fitting, explained[0] if explained else None)) is not None:
        key = first.received.key
        operation.notifications.sort(key=lambda it: it.received.key != key)


def _opener(operation: Operation, attempts: list[Attempt]) -> str:
    openers = (it.sent for it in attempts if it.counts is not False)
    opener = min(openers, key=lambda sent: sent.at, default=None)
    return operation.name if opener is None else opener.op
