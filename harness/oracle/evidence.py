"""The records of one run, grouped by operation: read once, so that judging is linear in the history's length.

Rules of this file: it groups and names, and does not judge. An operation is what one correlation key names
(contract, clause 1).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf

import msgspec

from fanin.harness.history import (
    SUCCESS,
    AttemptEnded,
    AttemptSent,
    ClientDisconnected,
    End,
    Entry,
    FaultApplied,
    History,
    NotificationReceived,
    RegistryEvent,
    Run,
    SinkResponded,
    TargetState,
    Unsent,
)
from fanin.harness.oracle.config_periods import ConfigPeriod, began_under, config_periods, configured
from fanin.harness.oracle.interest import is_awaited
from fanin.harness.oracle.notification_body import COMPLETED_LATE, NotificationBody, read_body
from fanin.harness.oracle.planned_times import PlannedTimes
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.wire import normalise_region

TOO_BIG = "malformed:huge"  # why a body of good JSON that is longer than any may be refused


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One attempt at delivering one webhook, and how it ended."""

    index: int  # of the `AttemptSent` record
    sent: AttemptSent
    origin: str  # the region that sent it, as the scenario writes the name
    region: str | None  # the expected region that its URL names; None when it names no expected one
    awaited: bool  # whether the aggregator is configured to wait for its action; never true of a ping
    invalid_because: str  # why it must be refused, or was as too big; empty when it is valid
    ended: AttemptEnded | None
    ended_index: int | None
    # True: a correct aggregator has counted it. False: it must not have. None: it may have.
    counts: bool | None
    # Whether its region was not configured at some instant between the earliest begin of its operation and
    # its end.
    maybe_unexpected: bool = False

    @property
    def ended_at(self) -> int:
        """When its sender saw how it ended; when it was sent, if the sender never saw that."""
        return self.sent.at if self.ended is None else self.ended.at

    @property
    def records(self) -> tuple[int, ...]:
        """Its records' indices."""
        return (self.index,) if self.ended_index is None else (self.index, self.ended_index)


class Notification(msgspec.Struct, frozen=True, gc=False):
    """One notification that the sink has read, and how the sink responded."""

    index: int  # of the `NotificationReceived` record
    received: NotificationReceived
    body: NotificationBody
    response: SinkResponded | None
    response_index: int | None
    disconnected: ClientDisconnected | None = None
    # It says that the last missing region has reported after a timeout, where the scenario has it.
    is_late_completion: bool = False

    @property
    def at(self) -> int:
        return self.received.at

    @property
    def maybe_accepted(self) -> bool:
        """Whether the sink responded 2xx and the aggregator may have read that."""
        return self.response is not None and not self.response.error and self.response.status in SUCCESS

    @property
    def accepted(self) -> bool:
        """Whether the aggregator has certainly read the 2xx, unless it died: it did not disconnect."""
        return self.maybe_accepted and self.disconnected is None

    def repeats(self, other: "Notification") -> bool:
        """Whether both have the same key and the same content."""
        return self.received.key == other.received.key and self.body == other.body

    @property
    def records(self) -> tuple[int, ...]:
        """Its records' indices."""
        return (self.index,) if self.response_index is None else (self.index, self.response_index)


@dataclass(slots=True, eq=False)
class Operation:
    """Everything that the history holds about one correlation key."""

    key: str
    events: list[RegistryEvent] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)  # also the invalid and the unawaited ones
    notifications: list[Notification] = field(default_factory=list)
    late_completions: list[Notification] = field(default_factory=list)  # apart from its outcome
    image: str = ""  # the key of all its pushes, of an image's push that is an operation of its own
    pushes: int = 1  # that may have mixed, where the image is the key (`fanin.harness.oracle.pushes`)
    # Those of all pushes of one image, itself among them; empty of any other operation.
    of_image: Sequence["Operation"] = ()

    @property
    def name(self) -> str:
        """The scenario's name of the operation that first had this key."""
        return self.events[0].op

    @property
    def read(self) -> list[Notification]:
        """All that the sink has read of it: notifications of its outcome, and of a late completion."""
        return [*self.notifications, *self.late_completions]

    def add(self, notification: Notification) -> None:
        """Add what the sink has read of it."""
        late = notification.is_late_completion
        (self.late_completions if late else self.notifications).append(notification)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One run's history, grouped by operation."""

    run: Run
    length: int  # how many records the history has
    operations: tuple[Operation, ...]  # in the order in which their keys first occurred
    attempts: tuple[Attempt, ...]  # in the order in which they were sent
    operation_of: dict[int, Operation]  # by attempt number
    unattributed: tuple[Notification, ...]  # those that name no operation
    notifications: tuple[Notification, ...]  # all of them, in the order in which the sink read them
    # Attempts for operations that never occurred: the history is damaged.
    unknown_attempts: tuple[AttemptSent, ...]
    unsent: dict[tuple[str, str], Unsent]  # by operation and region
    faults_applied: tuple[FaultApplied, ...]
    lifecycle: tuple[tuple[int, TargetState], ...]  # with their indices
    end: End | None
    config_periods: tuple[ConfigPeriod, ...]  # in order
    planned_times: PlannedTimes  # when the scenario's instants came

    @property
    def scenario(self) -> Scenario:
        return self.run.scenario

    def configured_for(self, operation: Operation) -> list[Scenario]:
        """The scenario with the configuration under which the operation began.

        Several when it may have begun under one configuration or under another; the first one when it cannot
        have begun.
        """
        if len(self.config_periods) == 1:
            return [configured(self.scenario, self.config_periods[0])]
        latest = min((it.ended_at for it in operation.attempts if it.counts), default=inf)
        possible = [
            period
            for it in operation.attempts
            if it.counts is not False and it.sent.at <= latest
            for period in began_under(self.config_periods, it.sent.at, it.ended_at if it.counts else latest)
            if it.region in period.regions
        ]
        known = [it for it in self.config_periods if it in possible]
        return [configured(self.scenario, period) for period in known or self.config_periods[:1]]


@dataclass(slots=True)
class _RecordsByKind:
    """The records by kind, each with its index where a finding may point at it."""

    events: dict[str, RegistryEvent] = field(default_factory=dict)  # by operation
    unsent: dict[tuple[str, str], Unsent] = field(default_factory=dict)
    sent: list[tuple[int, AttemptSent]] = field(default_factory=list)
    ended: dict[int, tuple[int, AttemptEnded]] = field(default_factory=dict)  # by attempt
    received: list[tuple[int, NotificationReceived]] = field(default_factory=list)
    responded: dict[int, tuple[int, SinkResponded]] = field(default_factory=dict)  # by request
    disconnected: dict[int, ClientDisconnected] = field(default_factory=dict)  # by request
    faults_applied: list[FaultApplied] = field(default_factory=list)
    lifecycle: list[tuple[int, TargetState]] = field(default_factory=list)
    end: End | None = None


def _by_kind(entries: Sequence[Entry]) -> _RecordsByKind:
    records = _RecordsByKind()
    for index, entry in enumerate(entries):
        match entry:
            case AttemptSent():
                records.sent.append((index, entry))
            case AttemptEnded():
                records.ended[entry.attempt] = (index, entry)
            case NotificationReceived():
                records.received.append((index, entry))
            case SinkResponded():
                records.responded[entry.request] = (index, entry)
            case TargetState():
                records.lifecycle.append((index, entry))
            case ClientDisconnected():
                records.disconnected[entry.request] = entry
            case _:
                _add_unindexed(entry, records)
    return records


def _add_unindexed(entry: RegistryEvent | Unsent | FaultApplied | End, records: _RecordsByKind) -> None:
    match entry:
        case RegistryEvent():
            records.events[entry.op] = entry
        case Unsent():
            records.unsent[entry.op, entry.region] = entry
        case FaultApplied():
            records.faults_applied.append(entry)
        case _:
            records.end = entry


def collect(history: History) -> Evidence:
    """Group a history by operation."""
    records = _by_kind(history.entries)
    periods = config_periods(history.run.scenario, records.lifecycle)
    operations = _OperationIndex(history.run, records.events.values(), periods)
    attempts, unknown_attempts, operation_of = [], [], {}
    for index, sent in records.sent:
        event = records.events.get(sent.op)
        if event is None:
            unknown_attempts.append(sent)
            continue
        operation = operations.of_attempt(sent, event)
        attempt = operations.attempt(index, sent, event, records.ended.get(sent.attempt), operation)
        attempts.append(attempt)
        operation.attempts.append(attempt)
        operation_of[sent.attempt] = operation
    notifications: list[Notification] = []
    unattributed: list[Notification] = []
    for index, received in records.received:
        notification = _notification(index, received, records, history.run.scenario)
        notifications.append(notification)
        notified = operations.of_notification(notification)
        if notified is None:
            unattributed.append(notification)
        else:
            notified.add(notification)
    return Evidence(
        run=history.run,
        length=len(history.entries),
        operations=tuple(operations.by_key.values()),
        attempts=tuple(attempts),
        operation_of=operation_of,
        unattributed=tuple(unattributed),
        notifications=tuple(notifications),
        unknown_attempts=tuple(unknown_attempts),
        unsent=records.unsent,
        faults_applied=tuple(records.faults_applied),
        lifecycle=tuple(records.lifecycle),
        end=records.end,
        config_periods=periods,
        planned_times=PlannedTimes(change for _, change in records.lifecycle),
    )


def _notification(
    index: int, received: NotificationReceived, records: _RecordsByKind, scenario: Scenario
) -> Notification:
    response_index, response = records.responded.get(received.request, (None, None))
    disconnected = records.disconnected.get(received.request)
    body = read_body(received.body)
    late = scenario.notifies_late and body.raw_outcome == COMPLETED_LATE
    return Notification(index, received, body, response, response_index, disconnected, late)


class _OperationIndex:
    """The operations of a run, and which attempt and which notification belong to which."""

    def __init__(self, run: Run, events: Iterable[RegistryEvent], periods: Sequence[ConfigPeriod]) -> None:
        self._periods, self._drift, scenario = periods, run.clock_drift, run.scenario
        self._by_image, self._registry = scenario.correlation == "image", scenario.registry
        self._expected = {normalise_region(region): region for region in scenario.regions}
        self._awaited = {event.op: is_awaited(event, scenario) for event in events}
        self.by_key: dict[str, Operation] = {}
        self._by_op: dict[str, Operation] = {}  # the first of an operation that has several keys
        self._by_id: dict[str, list[Operation]] = {}  # by payload id
        self._by_content: dict[tuple[str | None, ...], list[Operation]] = {}
        self._begins: dict[str, int] = {}  # by key: the earliest instant at which it may have begun
        self._began_by: dict[str, int] = {}  # by key: when it certainly had begun
        for event in events:
            self._add(event)

    def _add(self, event: RegistryEvent) -> None:
        content = (event.action, event.repository, event.tag or None, event.digest or None)
        for payload_id in dict.fromkeys(event.ids.values()) or (event.op,):
            key = _image_key(event) if self._by_image else payload_id
            operation = self.by_key.setdefault(key, Operation(key))
            if event not in operation.events[-1:]:
                operation.events.append(event)
            self._by_op.setdefault(event.op, operation)
            for alike in (self._by_id.setdefault(payload_id, []), self._by_content.setdefault(content, [])):
                if operation not in alike[-1:]:
                    alike.append(operation)

    def attempt(
        self,
        index: int,
        sent: AttemptSent,
        event: RegistryEvent,
        result: tuple[int, AttemptEnded] | None,
        operation: Operation,
    ) -> Attempt:
        """One attempt, with what the scenario and its own records say of it.

        An operation's attempts are asked for in the order in which they were sent.
        """
        region = None if sent.url_region is None else self._expected.get(normalise_region(sent.url_region))
        awaited = self._awaited[event.op]
        ended_index, ended = (None, None) if result is None else result
        begins = self._begins.get(operation.key, sent.at) if awaited else sent.at
        # A region may become expected during the run: an attempt that is still open may count by then.
        # One that is expected no more is still waited for by an operation that began before.
        ended_at = sent.at if ended is None else ended.at
        periods = began_under(self._periods, begins, ended_at)
        knowing = [period for period in periods if region in period.regions]
        unexpected = len(knowing) < len(periods)
        invalid_because = sent.invalid_because or ("" if knowing else "unknown-region")
        definite = None if ended is None else ended.definite
        counts: bool | None = False
        if awaited and knowing and sent.invalid_because == TOO_BIG:
            # Good JSON, and no clause says how much of it is too much: it counts if it is accepted.
            counts = None if sent.envelope and definite else definite
            invalid_because = "" if counts else invalid_because
        elif awaited and not invalid_because:
            # One response for several events says nothing of one that may be refused.
            shared = sent.envelope and unexpected and definite
            waits = shared and self._is_waited_for(region, operation.key, sent.at, ended_at)
            counts = None if shared and not waits else definite
        if counts:
            self._began_by[operation.key] = min(ended_at, self._began_by.get(operation.key, ended_at))
        if counts is not False:
            self._begins.setdefault(operation.key, sent.at)
        origin = self._expected.get(normalise_region(sent.region), sent.region)
        return Attempt(
            index, sent, origin, region, awaited, invalid_because, ended, ended_index, counts, unexpected
        )

    def _is_waited_for(self, region: str | None, key: str, since: int, until: int) -> bool:
        """Whether the operation had certainly begun with this region, and its deadline is to come."""
        begins, by = self._begins.get(key, since), self._began_by.get(key, inf)
        periods = began_under(self._periods, begins, by)
        earliest = begins + min(it.timeout for it in periods) - 2 * self._drift
        return by < since and until < earliest and all(region in it.regions for it in periods)

    def of_attempt(self, sent: AttemptSent, event: RegistryEvent) -> Operation:
        """The operation of an attempt. A malformed body may have no id; then its region's own id decides."""
        if self._by_image:
            return self._by_op[event.op]
        key = sent.id if sent.id in self.by_key else event.ids.get(sent.region, "")
        return self.by_key.get(key, self._by_op[event.op])

    def of_notification(self, notification: Notification) -> Operation | None:
        """The operation of a notification, by id or else by content; None when none or several fit."""
        named = self._by_id.get(notification.body.id or "", [])
        if len(named) == 1:
            return named[0]
        alike = self._by_content.get(notification.body.content, [])
        if named:
            alike = [operation for operation in named if operation in alike] or named[:1]
        if self._by_image and len(alike) > 1:
            return self._by_host(notification, alike)
        return alike[0] if named or len(alike) == 1 else None

    def _by_host(self, notification: Notification, alike: list[Operation]) -> Operation:
        """Which of several images that differ in nothing but their host, which payloads may leave out.

        An id that is the image says it; otherwise the key does, from the second notification on.
        """
        id_, image = notification.body.id or "", alike[0].events[0]
        if image.repository in id_:
            hosted = self._registry in id_
            fitting = [operation for operation in alike if bool(operation.events[0].host) == hosted]
            return (fitting or alike)[0]
        key = notification.received.key
        known = [it for it in alike if any(earlier.received.key == key for earlier in it.notifications)]
        return (known or [it for it in alike if not it.notifications] or alike)[0]


def _image_key(event: RegistryEvent) -> str:
    """The correlation key ``image``: host, action, repository, tag and digest."""
    tag = f":{event.tag}" if event.tag else ""
    digest = f"@{event.digest}" if event.digest else ""
    return f"{event.action} {event.host}/{event.repository}{tag}{digest}"
