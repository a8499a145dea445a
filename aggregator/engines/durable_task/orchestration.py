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
from typing import Any, Protocol

import msgspec

from fanin.aggregator.fanin import (
    Arrived,
    DeadlineReached,
    FanIn,
    Notification,
    Phase,
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
    targets: dict[Phase, tuple[str, ...]] = {}  # names of the targets, by outcome
    carried: "CustomStatus | None" = None  # the state at the end of an earlier history of the same operation


class ArrivalEvent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An external event's value; its name is the region's. A bare number is its ``at_ms``."""

    at_ms: int  # Unix epoch, when the process that took the webhook handed it over
    delivery: str | None = None  # as in `OrchestrationInput`


class TargetRecord(RetryRecord, frozen=True, omit_defaults=True, kw_only=True):
    """The delivery to one target, in an orchestration's custom status."""

    target: str


class CustomStatus(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The custom status of an operation that is decided."""

    state: FanIn
    notification: Notification
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
    first = Arrived(input_.region, input_.at_ms)
    return start(
        input_.operation_id,
        input_.subject,
        first,
        expected=input_.expected,
        timeout_ms=input_.timeout_ms,
    )


def apply_arrivals(state: FanIn, arrivals: Iterable[tuple[int, str]]) -> Step:
    """Apply arrivals, each an instant (Unix epoch) and a region, in the order in which they were taken."""
    result = Step(state)
    for at_ms, region in sorted(arrivals):
        following = step(result.state, Arrived(region, at_ms))
        result = Step(following.state, result.effects + following.effects)
    return result


def _until_decided(
    context: DurableContext, input_: OrchestrationInput, waits: dict[str, Any]
) -> Generator[Any, Any, CustomStatus]:
    """Wait for all missing regions or the deadline, whichever is first."""
    state, effects, _ = first_step(input_)
    # Once is enough, unless an event is not ours, or the timer is another's, or its clock is fast.
    while state.phase is Phase.WAITING:
        all_arrived = context.when_all([waits[region] for region in state.missing])
        deadline = context.create_timer(state.deadline_ms)
        yield context.when_any([all_arrived, deadline])
        # The last event in the history may have been stamped after the deadline: the stamp decides.
        state, effects, _ = apply_arrivals(state, _received(context, waits, state.missing))
        if state.phase is Phase.WAITING and context.now_ms() >= state.deadline_ms:
            state, effects, _ = step(state, DeadlineReached(context.now_ms()))
    (notification,) = effects
    context.decided(notification)
    outbox = tuple(TargetRecord(target=it) for it in input_.targets.get(notification.outcome, ()))
    return CustomStatus(state=state, notification=notification, outbox=outbox)


def _until_retention_ends(
    context: DurableContext, input_: OrchestrationInput, status: CustomStatus, waits: dict[str, Any]
) -> Orchestration:
    """Notify each target independently of the others, and record what still arrives."""
    notification = status.notification
    retention_ends_ms = notification.decided_ms + input_.retention_ms
    retention = context.create_timer(retention_ends_ms)
    outbox = _Outbox(context, status)
    retry = context.wait_for_event(RETRY)
    state = status.state
    turns = 0
    while True:
        state = _record_arrivals(context, input_, state, waits)
        outbox.collect_results()
        while context.is_complete(retry):
            outbox.requeue(context.result(retry))
            retry = context.wait_for_event(RETRY)
        if turns < TURNS_MAX:
            outbox.call_activities()
        status = CustomStatus(state=state, notification=notification, outbox=outbox.records())
        context.set_custom_status(msgspec.to_builtins(status))
        is_over = context.now_ms() >= retention_ends_ms
        if is_over and not outbox.has_pending:
            return {"outcome": notification.outcome.value}
        if turns >= TURNS_MAX and not outbox.activities:
            context.continue_as_new(msgspec.to_builtins(msgspec.structs.replace(input_, carried=status)))
            return None
        if context.is_complete(retention) and not is_over:
            retention = context.create_timer(retention_ends_ms)
        left = [] if is_over else [retention]
        yield context.when_any([*outbox.tasks(), *waits.values(), retry, *left])
        turns += 1


class _Outbox:
    """The notifications of one operation: for each target that is pending, an activity or a timer."""

    def __init__(self, context: DurableContext, status: CustomStatus) -> None:
        self._context, self._activity = context, ACTIVITIES[status.notification.outcome]
        self._key, self._notification = status.notification.key, msgspec.to_builtins(status.notification)
        self._records = {record.target: record for record in status.outbox}
        self._timers: dict[str, Any] = {}  # by target
        self.activities: dict[str, Any] = {}  # by target

    def records(self) -> tuple[TargetRecord, ...]:
        """The targets that have not accepted, in the settings' order; dead letters too."""
        return tuple(self._records.values())

    @property
    def has_pending(self) -> bool:
        """Whether there will be another attempt."""
        return any(record.dead_ms is None for record in self._records.values())

    def tasks(self) -> list[Any]:
        """The activities and timers to wait for."""
        return [*self.activities.values(), *self._timers.values()]

    def collect_results(self) -> None:
        """Apply the results of activities that have ended."""
        for target, activity in tuple(self.activities.items()):
            if not self._context.is_complete(activity):
                continue
            del self.activities[target]
            result = self._context.result(activity)
            if result is None:
                del self._records[target]
                continue
            decision = msgspec.convert(result, RetryDecision)
            now_ms = self._context.now_ms()
            self._records[target] = self._records[target].after(decision, key=self._key, now_ms=now_ms)

    def requeue(self, target: Any) -> None:
        """Send a dead letter again; any other value of the event is ignored."""
        for name, record in self._records.items():
            if name == target and record.dead_ms is not None:
                self._records[name] = record.requeued()

    def call_activities(self) -> None:
        """Call an activity for each target that is due, and create a timer for each other one."""
        for target, record in self._records.items():
            if target in self.activities or record.dead_ms is not None:
                continue
            if record.due_ms is not None and record.due_ms > self._context.now_ms():
                if target not in self._timers or self._context.is_complete(self._timers[target]):
                    self._timers[target] = self._context.create_timer(record.due_ms)
                continue
            self._timers.pop(target, None)
            sent_with = RetryRecord(attempts=record.attempts, tried_ms=record.tried_ms)
            self.activities[target] = self._context.call_activity(
                self._activity,
                {
                    "target": target,
                    "notification": self._notification,
                    "record": msgspec.to_builtins(sent_with),
                },
            )


def _received(
    context: DurableContext, waits: dict[str, Any], regions: Iterable[str]
) -> list[tuple[int, str]]:
    """The events of the waits that have ended; each of these waits begins again."""
    found = []
    for region in regions:
        if context.is_complete(waits[region]):
            event = _event(context.result(waits[region]))
            waits[region] = context.wait_for_event(region)
            if event is not None:
                found.append((event.at_ms, region))
    return found


def _record_arrivals(
    context: DurableContext, input_: OrchestrationInput, state: FanIn, waits: dict[str, Any]
) -> FanIn:
    """Apply every event that has come, and wait for the next one of each region."""
    for region in sorted(waits):
        while context.is_complete(waits[region]):
            event = _event(context.result(waits[region]))
            if event is not None and (event.delivery is None or event.delivery != input_.delivery):
                state = step(state, Arrived(region, event.at_ms)).state
            waits[region] = context.wait_for_event(region)
    return state


def _event(value: Any) -> ArrivalEvent | None:
    """An event's value; None where it is not one of ours, which must not fail the orchestration."""
    try:
        return ArrivalEvent(at_ms=value) if isinstance(value, int) else msgspec.convert(value, ArrivalEvent)
    except msgspec.ValidationError:
        return None
