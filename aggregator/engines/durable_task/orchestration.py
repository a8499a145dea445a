"""The orchestration: one wait per region, all of them or a durable timer, then an activity per target.

Rules of this file: it is replayed from its history again and again, so it reads nothing but that: no clock,
no environment, no randomness; whatever it must know comes with its input (`OrchestrationInput`) or in an
event. It runs on Durable Task and on Durable Functions alike, through `DurableContext`. What an arrival or a
deadline means is decided by `fanin.aggregator.fanin` alone.

Where the sample that this follows loses something, this does not:

* The first arrival is part of the input, so to start an operation and to deliver to it is one call.
* Each region has one wait at a time, and the next begins when the last has ended: whatever comes twice, or
  late, is recorded, in order.
* It stays until the retention is over. A finished orchestration swallows events and, by the defaults of
  Durable Functions, may be started again under its id; a waiting one does neither.
"""

import hashlib
import re
from collections.abc import Generator, Iterable
from typing import Any, NamedTuple, Protocol

import msgspec

from fanin.aggregator.errors import RequestError
from fanin.aggregator.fanin import (
    Arrived,
    DeadlineReached,
    FanIn,
    Notification,
    Phase,
    Renewal,
    Step,
    Subject,
    start,
    step,
)
from fanin.aggregator.notify.retry_record import RetryDecision, RetryRecord

# Ids of operations that every backend takes as ids of instances.
_PLAIN_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:+=-]{0,99}")
_DIGEST = "sha256-"
ORCHESTRATOR = "WaitForAllRegions"
ACTIVITIES = {Phase.COMPLETED: "FirePushNotification", Phase.TIMED_OUT: "FireTimeoutNotification"}
# That every region has reported after all is told as that they have.
ACTIVITIES[Phase.COMPLETED_LATE] = ACTIVITIES[Phase.COMPLETED]
# The event that requeues a dead letter; its value is the name of the target.
RETRY = "fanin-retry"
# A history is replayed as a whole with every event. After so many turns it is exchanged for a short one.
TURNS_MAX = 100
# The result of an activity that raised: its worker crashed, or could not read its input.
ACTIVITY_RAISED = {"error": "the attempt itself failed"}


class OrchestrationInput(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An orchestration's input: its first arrival, and the settings of that moment."""

    operation_id: str
    subject: Subject
    region: str
    at_ms: int  # Unix epoch, when the process that took the first webhook handed it over
    expected: tuple[str, ...]
    timeout_ms: int
    retention_ms: int
    delivery: str | None = None  # identifies the first arrival, where it is raised as an event as well
    event_id: str = ""  # of the first arrival; see `fanin.aggregator.wire.Arrival`
    targets: dict[Phase, tuple[str, ...]] = {}  # names of the targets, by outcome
    carried: "CustomStatus | None" = None  # the state at the end of an earlier history of the same operation


class ArrivalEvent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An external event's value; its name is the region's. A bare number is its ``at_ms``."""

    at_ms: int  # Unix epoch, when the process that took the webhook handed it over
    delivery: str | None = None  # as in `OrchestrationInput`
    event_id: str = ""  # the same
    renewal: Renewal | None = None  # the settings, for the generation that the arrival may begin
    targets: dict[Phase, tuple[str, ...]] = {}  # the same

    def arrived(self, region: str) -> Arrived:
        """The event of a region's webhook for `fanin.aggregator.fanin.step`."""
        return Arrived(region, self.at_ms, self.event_id, self.renewal)


class TargetRecord(RetryRecord, frozen=True, omit_defaults=True, kw_only=True):
    """The delivery to one target, in an orchestration's custom status."""

    target: str
    notification: Notification | None = None  # None: that of the custom status


class CustomStatus(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The custom status of an operation that is decided, or whose later generation waits."""

    state: FanIn
    notification: Notification  # of the latest outcome
    outbox: tuple[TargetRecord, ...] = ()  # targets that have not accepted, in the settings' order


class DurableContext(Protocol):
    """What an orchestration may do. A task is the runtime's own; only what is here is known of it."""

    def now_ms(self) -> int:
        """The instant of the history that is being replayed, Unix epoch."""

    def wait_for_event(self, name: str) -> Any:
        """A task that ends with the next external event of that name."""

    def create_timer(self, at_ms: int) -> Any:
        """A task that ends then, Unix epoch."""

    def call_activity(self, name: str, input_: dict[str, Any]) -> Any:
        """A task that ends with the activity."""

    def when_all(self, tasks: list[Any]) -> Any:
        """A task that ends with the last of these."""

    def when_any(self, tasks: list[Any]) -> Any:
        """A task that ends with the first of these."""

    def is_complete(self, task: Any) -> bool:
        """Whether a task has ended."""

    def result(self, task: Any) -> Any:
        """The result of a task that has ended; `ACTIVITY_RAISED` for an activity that raised."""

    def decided(self, notification: Notification) -> None:
        """An outcome was decided; counted and logged unless this is a replay."""

    def set_custom_status(self, status: dict[str, Any]) -> None:
        """Show the fields of a `CustomStatus` to clients."""

    def continue_as_new(self, input_: dict[str, Any]) -> None:
        """End this history, and begin another with that input and with the events that were not read."""


type Orchestration = Generator[Any, Any, dict[str, Any] | None]


def wait_for_all_regions(context: DurableContext, input_: OrchestrationInput) -> Orchestration:
    """One operation, from its first arrival to the end of its retention."""
    waits = {region: context.wait_for_event(region) for region in sorted(input_.expected)}
    status = input_.carried
    if status is None:
        status = yield from _until_decided(context, input_, waits)
    return (yield from _until_retention_ends(context, input_, status, waits))


def instance_id(operation_id: str) -> str:
    r"""The id of an operation's orchestration instance: always the same, and no other operation's.

    Durable Task refuses some ids (at most 100 characters; no ``/``, ``\``, ``#``, ``?``; none that begins
    with ``@``), and the key of an operation may have any of it. Ids that every backend takes stay as they
    are, so that they are found in its dashboard; all others are replaced by a digest.
    """
    if _PLAIN_ID.fullmatch(operation_id) and not operation_id.startswith(_DIGEST):
        return operation_id
    return _DIGEST + hashlib.sha256(operation_id.encode()).hexdigest()


def first_step(input_: OrchestrationInput) -> Step:
    """The operation with its first arrival."""
    first = Arrived(input_.region, input_.at_ms, input_.event_id)
    return start(
        input_.operation_id,
        input_.subject,
        first,
        expected=input_.expected,
        timeout_ms=input_.timeout_ms,
    )


def apply_arrivals(state: FanIn, arrivals: Iterable[Arrived]) -> Step:
    """Apply arrivals in the order in which they were taken; those that are refused change nothing."""
    result = Step(state)
    for arrival in sorted(arrivals, key=lambda it: (it.at_ms, it.region)):
        try:
            following = step(result.state, arrival)
        except RequestError:
            continue
        result = Step(following.state, result.effects + following.effects)
    return result


def _until_decided(
    context: DurableContext, input_: OrchestrationInput, waits: dict[str, Any]
) -> Generator[Any, Any, CustomStatus]:
    """Wait for all missing regions or the deadline, whichever is first."""
    state, effects, _ = first_step(input_)
    # Once is enough, unless an event is not ours, or the timer is another's, or its clock is fast.
    while not effects:
        all_arrived = context.when_all([waits[region] for region in state.missing])
        deadline = context.create_timer(state.deadline_ms)
        yield context.when_any([all_arrived, deadline])
        # The last event in the history may have been stamped after the deadline: the stamp decides.
        state, effects, _ = apply_arrivals(state, _received(context, waits, state.missing))
        if not effects and context.now_ms() >= state.deadline_ms:
            state, effects, _ = step(state, DeadlineReached(context.now_ms()))
    outbox: list[TargetRecord] = []
    for notification in effects:
        context.decided(notification)
        told = None if notification is effects[-1] else notification
        names = input_.targets.get(notification.outcome, ())
        outbox += (TargetRecord(target=it, notification=told) for it in names)
    return CustomStatus(state=state, notification=effects[-1], outbox=tuple(outbox))


def _until_retention_ends(
    context: DurableContext, input_: OrchestrationInput, status: CustomStatus, waits: dict[str, Any]
) -> Orchestration:
    """Notify each target independently of the others; record what still arrives, and what that begins."""
    state, latest = status.state, status.notification
    timer = context.create_timer(_due_ms(state, input_))
    outbox = _Outbox(context, status)
    retry = context.wait_for_event(RETRY)
    turns = 0
    while True:
        before = state
        state, effects, input_ = _record_arrivals(context, input_, state, waits)
        if state.phase is Phase.WAITING and context.now_ms() >= state.deadline_ms:
            state, decided, _ = step(state, DeadlineReached(context.now_ms()))
            effects += decided
        for notification in effects:
            context.decided(notification)
            outbox.add(notification, input_.targets.get(notification.outcome, ()))
            latest = notification
        outbox.collect_results()
        while context.is_complete(retry):
            outbox.requeue(context.result(retry))
            retry = context.wait_for_event(RETRY)
        if turns < TURNS_MAX:
            outbox.call_activities()
        status = CustomStatus(state=state, notification=latest, outbox=outbox.records(latest))
        context.set_custom_status(msgspec.to_builtins(status))
        is_over = state.phase is not Phase.WAITING and context.now_ms() >= _due_ms(state, input_)
        if is_over and not outbox.has_pending:
            return {"outcome": latest.outcome.value}
        if turns >= TURNS_MAX and not outbox.activities:
            context.continue_as_new(msgspec.to_builtins(msgspec.structs.replace(input_, carried=status)))
            return None
        if _due_ms(before, input_) != _due_ms(state, input_) or (context.is_complete(timer) and not is_over):
            timer = context.create_timer(_due_ms(state, input_))
        left = [] if is_over else [timer]
        yield context.when_any([*outbox.tasks(), *waits.values(), retry, *left])
        turns += 1


def _due_ms(state: FanIn, input_: OrchestrationInput) -> int:
    """When time alone changes something: the deadline, or the end of the retention."""
    return state.deadline_ms if state.decided_ms is None else state.decided_ms + input_.retention_ms


class _Outbox:
    """The notifications of one operation: for each target that is pending, an activity or a timer."""

    def __init__(self, context: DurableContext, status: CustomStatus) -> None:
        self._context = context
        # By the notification's key and the target.
        self._records: dict[tuple[str, str], TargetRecord] = {}
        self._timers: dict[tuple[str, str], Any] = {}
        self.activities: dict[tuple[str, str], Any] = {}
        for record in status.outbox:
            self._add(record.notification or status.notification, record)

    def add(self, notification: Notification, targets: Iterable[str]) -> None:
        """Notify targets of an outcome that was decided now."""
        for target in targets:
            self._add(notification, TargetRecord(target=target))

    def _add(self, notification: Notification, record: TargetRecord) -> None:
        whole = msgspec.structs.replace(record, notification=notification)
        self._records[notification.key, record.target] = whole

    def records(self, latest: Notification) -> tuple[TargetRecord, ...]:
        """The targets that have not accepted, in the settings' order; dead letters too."""
        return tuple(
            msgspec.structs.replace(it, notification=None) if key == latest.key else it
            for (key, _), it in self._records.items()
        )

    @property
    def has_pending(self) -> bool:
        """Whether there will be another attempt."""
        return any(record.dead_ms is None for record in self._records.values())

    def tasks(self) -> list[Any]:
        """The activities and timers to wait for."""
        return [*self.activities.values(), *self._timers.values()]

    def collect_results(self) -> None:
        """Apply the results of activities that have ended."""
        for entry, activity in tuple(self.activities.items()):
            if not self._context.is_complete(activity):
                continue
            del self.activities[entry]
            result = self._context.result(activity)
            if result is None:
                del self._records[entry]
                continue
            decision = msgspec.convert(result, RetryDecision)
            now_ms = self._context.now_ms()
            self._records[entry] = self._records[entry].after(decision, key=entry[0], now_ms=now_ms)

    def requeue(self, target: Any) -> None:
        """Send dead letters of a target again; any other value of the event is ignored."""
        for entry, record in self._records.items():
            if record.target == target and record.dead_ms is not None:
                self._records[entry] = record.requeued()

    def call_activities(self) -> None:
        """Call an activity for each target that is due, and create a timer for each other one."""
        for entry, record in self._records.items():
            if entry in self.activities or record.dead_ms is not None:
                continue
            if record.due_ms is not None and record.due_ms > self._context.now_ms():
                if entry not in self._timers or self._context.is_complete(self._timers[entry]):
                    self._timers[entry] = self._context.create_timer(record.due_ms)
                continue
            self._timers.pop(entry, None)
            self.activities[entry] = self._call(record)

    def _call(self, record: TargetRecord) -> Any:
        notification = record.notification
        assert notification is not None  # noqa: S101 - `_add` gives it one
        sent_with = RetryRecord(attempts=record.attempts, tried_ms=record.tried_ms)
        asked = {
            "target": record.target,
            "notification": msgspec.to_builtins(notification),
            "record": msgspec.to_builtins(sent_with),
        }
        return self._context.call_activity(ACTIVITIES[notification.outcome], asked)


class _Recorded(NamedTuple):
    """What the arrivals of a turn led to."""

    state: FanIn
    effects: tuple[Notification, ...]
    input_: OrchestrationInput  # with the settings of the generation


def _received(context: DurableContext, waits: dict[str, Any], regions: Iterable[str]) -> list[Arrived]:
    """The events of the waits that have ended; each of these waits begins again."""
    found = []
    for region in regions:
        if context.is_complete(waits[region]):
            event = event_of(context.result(waits[region]))
            waits[region] = context.wait_for_event(region)
            if event is not None:
                found.append(event.arrived(region))
    return found


def _record_arrivals(
    context: DurableContext, input_: OrchestrationInput, state: FanIn, waits: dict[str, Any]
) -> _Recorded:
    """Apply every event that has come, and wait for the next one of each region."""
    effects: tuple[Notification, ...] = ()
    for region in sorted(waits):
        while context.is_complete(waits[region]):
            event = event_of(context.result(waits[region]))
            if event is not None and (event.delivery is None or event.delivery != input_.delivery):
                before = state
                state, decided, _ = apply_arrivals(state, [event.arrived(region)])
                effects += decided
                if state.generation != before.generation:
                    known = tuple(sorted({*input_.expected, *state.expected}))
                    input_ = msgspec.structs.replace(input_, expected=known, targets=event.targets)
            waits[region] = context.wait_for_event(region)
    for region in state.expected:
        if region not in waits:
            waits[region] = context.wait_for_event(region)
    return _Recorded(state, effects, input_)


def event_of(value: Any) -> ArrivalEvent | None:
    """An event's value; None where it is not one of ours, which must not fail the orchestration."""
    try:
        return ArrivalEvent(at_ms=value) if isinstance(value, int) else msgspec.convert(value, ArrivalEvent)
    except msgspec.ValidationError:
        return None
