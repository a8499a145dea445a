"""Pushes of one image, where the image is the correlation key: which of them are operations of their own.

An operation has its outcome; what a region sends afterwards of another push begins the next one (contract,
clause 1). That is certain if every region, also of those that are expected only now, had reported the
earlier push, and its outcome was decided, before anything of the later one was sent, and if nothing waited
then that a delivery of a forgotten push had begun; each is judged by itself. Pushes whose deliveries may have
mixed stay one operation, of which one outcome is owed and as many as there are pushes are right.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter

from fanin.harness.history import RegistryEvent
from fanin.harness.oracle.allowances import Allowances
from fanin.harness.oracle.bounds import FOREVER, RETENTION_MS, Bounds, bounds_of, forgotten_from
from fanin.harness.oracle.evidence import Attempt, Evidence, Notification, Operation
from fanin.harness.oracle.images_alike import image_of, images_alike, of_image
from fanin.harness.oracle.notification_body import instant_ms
from fanin.harness.oracle.successors import Successors, explains, fits


def separate(evidence: Evidence) -> Evidence:
    """Make an operation of every push that certainly is one."""
    if evidence.scenario.correlation != "image":
        return evidence
    parts = {operation.key: _parts(operation, evidence) for operation in evidence.operations}
    allowances = Allowances(evidence)
    operation_of = dict(evidence.operation_of)
    for alike in images_alike(evidence.operations):
        of_all = [part for operation in alike for part in parts[operation.key]]
        if len(of_all) > 1:
            read = [it for operation in alike for it in operation.read]
            for operation in alike:
                operation.notifications, operation.late_completions = [], []
            _assign(sorted(read, key=attrgetter("index")), of_all, evidence, allowances)
            operation_of |= {it.sent.attempt: part for part in of_all for it in part.attempts}
    operations = tuple(part for of_one in parts.values() for part in of_one)
    return replace(evidence, operations=operations, operation_of=operation_of)


def _parts(operation: Operation, evidence: Evidence) -> list[Operation]:
    own: dict[str, list[Attempt]] = {}
    for attempt in operation.attempts:
        own.setdefault(attempt.sent.op, []).append(attempt)
    first, *others = sorted(operation.events, key=lambda it: _first_sent(own.get(it.op, ())))
    if not others:
        return [operation]
    parts = [Operation(operation.key, [first], own.get(first.op, []), image=operation.key)]
    sent = _SentIds()
    sent.add(first, parts[0])
    for event in others:
        attempts = own.get(event.op, [])
        known = sent.known(event, parts[-1])
        if known is not None or all(it.counts is False for it in attempts):
            part = known or parts[-1]
        elif parts[-1].pushes == 1 and _is_over(parts, attempts, evidence):
            part = Operation(f"{operation.key} (push {len(parts) + 1})", image=operation.key)
            parts.append(part)
        else:
            part = parts[-1]
            part.pushes += 1
        part.events.append(event)
        part.attempts += attempts
        sent.add(event, part)
    for part in parts:
        part.attempts.sort(key=attrgetter("index"))
        part.of_image = parts
    if len(parts) == 1:
        operation.pushes = parts[0].pushes
        return [operation]
    return parts


def _first_sent(attempts: Sequence[Attempt]) -> int:
    """When a push was reported first: a later one may be reported before it, and is then the earlier one."""
    return min((it.sent.at for it in attempts if it.counts is not False), default=FOREVER)


class _SentIds:
    """Which ids each region has sent, and of which pushes."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, str], list[Operation]] = {}

    def add(self, event: RegistryEvent, part: Operation) -> None:
        """An event of a push."""
        for sent in event.ids.items():
            of_id = self._parts.setdefault(sent, [])
            if part not in of_id:
                of_id.append(part)

    def known(self, event: RegistryEvent, latest: Operation) -> Operation | None:
        """The latest push of which every region has sent this id before: then it is no other push."""
        if not event.ids:
            return latest
        first, *others = (self._parts.get(sent, []) for sent in event.ids.items())
        return next((it for it in reversed(first) if all(it in parts for parts in others)), None)


def _is_over(parts: Sequence[Operation], later: Sequence[Attempt], evidence: Evidence) -> bool:
    """Whether all regions had reported the last push, and it was decided, before a later one could be known.

    When all of the image is forgotten, a delivery of any push may begin an operation that a later one joins.
    """
    part, drift = parts[-1], evidence.run.clock_drift
    begins = min(it.sent.at for it in later if it.counts is not False) - drift
    scenario, *undecidable = evidence.configured_for(part)
    # A region that is expected only now has reported no push: it need not begin one, and may be refused.
    its = (it for it in part.attempts if it.region in scenario.regions)
    reported = {it.region for it in its if it.counts and it.ended_at + drift < begins}
    report = {it.region for it in later if it.awaited and not it.invalid_because}
    bounds = bounds_of(part.attempts, scenario, clock_drift=drift)
    if undecidable or not reported >= {*scenario.regions, *report} or bounds.decided_until >= begins:
        return False
    forgotten, lasts = forgotten_from(bounds), bounds.timeout + drift
    return begins < forgotten or not any(
        it.counts is not False and it.ended_at >= forgotten and it.sent.at < begins <= it.ended_at + lasts
        for earlier in parts
        for it in earlier.attempts
    )


def _assign(
    notifications: Sequence[Notification],
    parts: Sequence[Operation],
    evidence: Evidence,
    allowances: Allowances,
) -> None:
    """Give each notification to the push that it is about: by key, or by what it says.

    One that was refused for long may come after that of a later push. So where several are possible, it is
    about the one that can wait least.
    """
    bounded = [
        (it, bounds_of(it.attempts, evidence.configured_for(it)[0], clock_drift=evidence.run.clock_drift))
        for it in parts
    ]
    tolerance = evidence.run.tolerance
    bounded.sort(
        key=lambda it: allowances.allowed_until(it[0], it[1].decided_from, it[1].decided_until, tolerance)
    )
    forgotten = {it.key: forgotten_from(bounds) for it, bounds in bounded}
    first: dict[str | None, Notification] = {
        it.received.key: it for it in reversed(notifications) if it.received.key
    }
    twins = len({image_of(it) for it in parts}) > 1
    # By index: the pushes that each may be about.
    fitting = {it.index: of_image(it, bounded, evidence) if twins else bounded for it in notifications}
    owners = _named(first, fitting, bounded, evidence)
    # What comes when a push is forgotten may be about an operation that a delivery of it began anew.
    named = {part.key for key, part in owners.items() if first[key].at < forgotten[part.key]}
    for notification in notifications:
        key, possible = notification.received.key, fitting[notification.index]
        part = owners.get(key) if key else None
        if part is not None and notification.at >= forgotten[part.key] and _is_another(notification, part):
            its = [it for it in parts if image_of(it) == image_of(part)]
            anew = _begun_anew(notification, its, forgotten, evidence)
            anew = anew or _begun_anew(notification, [it for it, _ in possible], forgotten, evidence)
            part = part if part in anew else _sent_last(notification, anew or its)
        part = part or next(_likely(notification, possible, named, evidence), None)
        if part is None:
            # One that follows from a delivery that comes once more, perhaps when its id is forgotten.
            among = [it for it, _ in possible]
            part = _sent_last(notification, _begun_anew(notification, among, forgotten, evidence) or among)
        owners.setdefault(key, part)
        part.add(notification)
    _exchange(bounded, named)


def _begun_anew(
    notification: Notification,
    parts: Sequence[Operation],
    forgotten: Mapping[str, int],
    evidence: Evidence,
) -> list[Operation]:
    """The pushes that were forgotten and delivered once more, and have had no outcome since.

    Those among them of which a delivery may have led to this one, if there are any.
    """
    at = notification.at
    if notification.is_late_completion:
        return []
    again = (it for it in parts if forgotten[it.key] <= _latest_sent(it, at))
    found = [it for it in again if _latest_outcome_at(it) < at - RETENTION_MS]
    if not found[1:]:
        return found
    successors = ((it, Successors(it, evidence, of_image=True)) for it in found)
    explaining = [
        it
        for it, its in successors
        if any(fits(x, notification, evidence) for x in its.of(forgotten[it.key], notification).explaining)
    ]
    return explaining or found


def _latest_outcome_at(part: Operation) -> int:
    """When the sink read its latest outcome first: what it refuses may be repeated for days."""
    first = {it.received.key: it.at for it in reversed(part.notifications)}
    return max(first.values(), default=-FOREVER)


def _exchange(bounded: Sequence[tuple[Operation, Bounds]], named: Collection[str]) -> None:
    """Where two pushes explain each other's outcome, and one not its own, the outcomes are each other's."""
    free = [(part, bounds) for part, bounds in bounded if part.notifications and part.key not in named]
    for part, bounds in free:
        if explains(bounds, part.notifications[0]):
            continue
        for other, its_bounds in free:
            explained = explains(bounds, other.notifications[0])
            if explained and explains(its_bounds, part.notifications[0]):
                part.notifications, other.notifications = other.notifications, part.notifications
                break


def _is_another(notification: Notification, part: Operation) -> bool:
    """Whether it is no repetition of what the sink has read of this push of late, or has not accepted yet."""
    repeated = [it for it in part.read if notification.repeats(it)]
    if any(it.at > notification.at - RETENTION_MS for it in repeated):
        return False
    return not repeated or any(it.accepted for it in part.read)


def _named(
    first: Mapping[str | None, Notification],
    fitting: Mapping[int, Sequence[tuple[Operation, Bounds]]],
    bounded: Sequence[tuple[Operation, Bounds]],
    evidence: Evidence,
) -> dict[str | None, Operation]:
    """By key: the push that its first notification certainly means, by deadline, id or request id."""
    having: dict[str | None, list[Operation]] = {}
    for part, _ in bounded:
        ids = {id_ for event in part.events for id_ in event.ids.values()}
        requests = {(event.details or {}).get("requestId") for event in part.events}
        for known in ids | {f"request {it}" for it in requests if it}:
            having.setdefault(known, []).append(part)
    found: dict[str | None, Operation] = {}
    for key, notification in first.items():
        body, offsets = notification.body, _near(notification, fitting[notification.index], evidence)
        exact = [it for it, offset in offsets if offset == 0]
        near = exact if len(exact) == 1 else [it for it, _ in offsets]
        if _deadline(notification, evidence) is None:
            near = having.get(body.id) or having.get(f"request {body.details.get('requestId')}") or []
        if len(near) == 1:
            found[key] = near[0]
    return found


def _is_free(part: Operation) -> bool:
    """Whether it may have another outcome: one for each push."""
    return len({it.received.key for it in part.notifications}) < part.pushes


def _deadline(notification: Notification, evidence: Evidence) -> int | None:
    """The deadline that it names, from the scenario's start; None when it names none that can be compared."""
    deadline, epoch = notification.body.deadline, evidence.run.epoch
    instant = None if deadline is None or epoch is None else instant_ms(deadline)
    return None if instant is None or epoch is None else instant - epoch


def _near(
    notification: Notification, bounded: Sequence[tuple[Operation, Bounds]], evidence: Evidence
) -> list[tuple[Operation, int]]:
    """The pushes whose deadline it may name, and how far off that is; none if it names none."""
    deadline = _deadline(notification, evidence)
    if deadline is None:
        return []
    offsets = ((it, _offset(it, bounds, deadline)) for it, bounds in bounded)
    return [(it, offset) for it, offset in offsets if offset <= evidence.run.tolerance]


def _likely(
    notification: Notification,
    bounded: Sequence[tuple[Operation, Bounds]],
    named: Collection[str],
    evidence: Evidence,
) -> Iterator[Operation]:
    """The pushes that a notification may be about, the likeliest first."""
    if _deadline(notification, evidence) is not None:
        near = _near(notification, bounded, evidence)
        near.sort(key=lambda pair: (pair[0].key in named or not _is_free(pair[0]), pair[1]))
        yield from (it for it, _ in near)
    else:
        begun = (pair for pair in bounded if pair[1].decided_from <= notification.at)
        free = [pair for pair in begun if _is_free(pair[0]) and pair[0].key not in named]
        free.sort(key=lambda pair: (not explains(pair[1], notification), pair[0].events[0].host != ""))
        yield from (it for it, _ in free)


def _sent_last(notification: Notification, parts: Sequence[Operation]) -> Operation:
    return max(parts, key=lambda it: _latest_sent(it, notification.at))


def _offset(part: Operation, bounds: Bounds, at: int) -> int:
    """How far an instant is from the window in which the deadline lies; of mixed pushes it has no end."""
    until = bounds.deadline_until if part.pushes == 1 else FOREVER
    return max(bounds.deadline_from - at, at - until, 0)


def _latest_sent(part: Operation, at: int) -> int:
    sent = (it.sent.at for it in part.attempts if it.counts is not False and it.sent.at <= at)
    return max(sent, default=-FOREVER)
