"""The orchestration: one wait per region, all of them or a durable timer, then whoever wants to hear is told.

Rules of this file: it is replayed from its history again and again, so it reads nothing but that: no clock,
no environment, no randomness; whatever it must know comes with its input (`Order`) or in an event. It runs
on Durable Task and on Durable Functions alike, through `Steps`. What an arrival or a deadline means is
decided by `fanin.aggregator.fanin` alone.

Where the sample that this follows loses something, this does not:

* The first arrival is part of the input, so to start an operation and to deliver to it is one call.
* Each region has one wait at a time, and the next begins when the last has ended: whatever comes twice, or
  late, is recorded, in order.
* It stays until the retention is over. A finished orchestration swallows events and, by the defaults of
  Durable Functions, may be started again under its id; a waiting one does neither.
"""

from collections.abc import Generator, Iterable
from typing import Any, Protocol

import msgspec

from fanin.aggregator.engines.durable_task.outbox_entry import Letter
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

ORCHESTRATOR = "WaitForAllRegions"
ACTIVITIES = {Phase.COMPLETED: "FirePushNotification", Phase.TIMED_OUT: "FireTimeoutNotification"}
# An event that asks for something else than to count an arrival; its value is the name of a target.
RETRY = "fanin-retry"
# A history is replayed as a whole with every event. After so many turns it is exchanged for a short one.
TURNS_MAX = 100


class Order(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An orchestration's input: its first arrival, and the settings of that moment."""

    operation_id: str
    subject: Subject
    region: str
    at_ms: int  # Unix epoch, when whoever took the first webhook handed it over
    expected: tuple[str, ...]
    timeout_ms: int
    retention_ms: int
    delivery: str | None = None  # what tells the first arrival from others, where its event follows as well
    targets: dict[Phase, tuple[str, ...]] = {}  # who wants to hear, by outcome
    carried: "Aftermath | None" = None  # what an earlier history of the same operation came to


class Event(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What an event says, besides its name, which is the region's. A bare number is its ``at_ms``."""

    at_ms: int  # Unix epoch, when whoever took the webhook handed it over
    delivery: str | None = None


class Aftermath(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A decided operation: how it stands, what was decided, and what is still to be told."""

    state: FanIn
    notify: Notification
    letters: tuple[Letter, ...] = ()  # untold, in the settings' order


class Steps(Protocol):
    """What an orchestration may do. A task is the runtime's own; only what is here is known of it."""

    def now_ms(self) -> int:
        """The instant of the history that is being replayed, Unix epoch."""

    def arrival(self, region: str) -> Any:
        """A wait for the next event of that name."""

    def timer(self, at_ms: int) -> Any:
        """A durable timer."""

    def tell(self, activity: str, order: dict[str, Any]) -> Any:
        """One attempt at a notification."""

    def all(self, tasks: list[Any]) -> Any:
        """A task that ends with the last of these."""

    def any(self, tasks: list[Any]) -> Any:
        """A task that ends with the first of these."""

    def ended(self, task: Any) -> bool:
        """Whether a task has ended."""

    def result(self, task: Any) -> Any:
        """What an ended task came to; the fields of a `letters.Attempt` where it failed."""

    def decided(self, notify: Notification) -> None:
        """An outcome has just been decided, and not in a replay."""

    def show(self, status: dict[str, Any]) -> None:
        """Let everybody see how the operation stands."""

    def begin_anew(self, order: dict[str, Any]) -> None:
        """End this history, and begin another with that input and with the events that nobody has read."""


type Routine = Generator[Any, Any, dict[str, Any] | None]


def wait_for_all_regions(steps: Steps, order: Order) -> Routine:
    """One operation, from its first arrival to the end of its retention."""
    waits = {region: steps.arrival(region) for region in sorted(order.expected)}
    after = order.carried
    if after is None:
        after = yield from _until_decided(steps, order, waits)
    return (yield from _until_forgotten(steps, order, after, waits))


def begin(order: Order) -> Step:
    """The operation with its first arrival."""
    first = Arrived(order.region, order.at_ms)
    return start(
        order.operation_id,
        order.subject,
        first,
        expected=order.expected,
        timeout_ms=order.timeout_ms,
    )


def fold(state: FanIn, arrivals: Iterable[tuple[int, str]]) -> Step:
    """Apply arrivals in the order in which they were taken."""
    result = Step(state)
    for at_ms, region in sorted(arrivals):
        more = step(result.state, Arrived(region, at_ms))
        result = Step(more.state, result.effects + more.effects)
    return result


def _until_decided(steps: Steps, order: Order, waits: dict[str, Any]) -> Generator[Any, Any, Aftermath]:
    """The heart of it: all that are missing, or the deadline, whichever is first."""
    state, effects, _ = begin(order)
    # Once is enough, unless somebody raises nonsense, or the timer is another's, or its clock is fast.
    while state.phase is Phase.WAITING:
        everybody = steps.all([waits[region] for region in state.missing])
        deadline = steps.timer(state.deadline_ms)
        yield steps.any([everybody, deadline])
        # Whoever is last in the history may have been stamped after the deadline: the stamp decides.
        state, effects, _ = fold(state, _heard(steps, waits, state.missing))
        if state.phase is Phase.WAITING and steps.now_ms() >= state.deadline_ms:
            state, effects, _ = step(state, DeadlineReached(steps.now_ms()))
    (notify,) = effects
    steps.decided(notify)
    letters = tuple(Letter(target=target) for target in order.targets.get(notify.outcome, ()))
    return Aftermath(state=state, notify=notify, letters=letters)


def _until_forgotten(steps: Steps, order: Order, after: Aftermath, waits: dict[str, Any]) -> Routine:
    """Tell everybody on his own account, and record what still comes, until the retention is over."""
    forgotten_ms = after.notify.decided_ms + order.retention_ms
    retention = steps.timer(forgotten_ms)
    post = _Post(steps, after)
    again = steps.arrival(RETRY)
    state = after.state
    turns = 0
    while True:
        state = _take(steps, order, state, waits)
        post.settle()
        while steps.ended(again):
            post.revive(steps.result(again))
            again = steps.arrival(RETRY)
        if turns < TURNS_MAX:
            post.dispatch()
        now = Aftermath(state=state, notify=after.notify, letters=post.letters())
        steps.show(msgspec.to_builtins(now))
        is_over = steps.now_ms() >= forgotten_ms
        if is_over and not post.is_busy:
            return {"outcome": after.notify.outcome.value}
        if turns >= TURNS_MAX and not post.attempts:
            steps.begin_anew(msgspec.to_builtins(msgspec.structs.replace(order, carried=now)))
            return None
        if steps.ended(retention) and not is_over:
            retention = steps.timer(forgotten_ms)
        left = [] if is_over else [retention]
        yield steps.any([*post.tasks(), *waits.values(), again, *left])
        turns += 1


class _Post:
    """The notifications of one operation that are under way: an attempt or a pause for each target."""

    def __init__(self, steps: Steps, after: Aftermath) -> None:
        self._steps, self._activity = steps, ACTIVITIES[after.notify.outcome]
        self._key, self._notify = after.notify.key, msgspec.to_builtins(after.notify)
        self._letters = {letter.target: letter for letter in after.letters}
        self._pauses: dict[str, Any] = {}  # by target
        self.attempts: dict[str, Any] = {}  # by target

    def letters(self) -> tuple[Letter, ...]:
        """What is untold, in the settings' order; dead letters too."""
        return tuple(self._letters.values())

    @property
    def is_busy(self) -> bool:
        """Whether anybody is still to be told."""
        return any(letter.dead_ms is None for letter in self._letters.values())

    def tasks(self) -> list[Any]:
        """What there is to wait for."""
        return [*self.attempts.values(), *self._pauses.values()]

    def settle(self) -> None:
        """See what became of the attempts that have ended."""
        for target, attempt in tuple(self.attempts.items()):
            if not self._steps.ended(attempt):
                continue
            del self.attempts[target]
            result = self._steps.result(attempt)
            letter = self._letters[target].after(result, key=self._key, now_ms=self._steps.now_ms())
            if letter is None:
                del self._letters[target]
            else:
                self._letters[target] = letter

    def revive(self, target: Any) -> None:
        """Begin again with what was given up; whatever else somebody names, is nothing to be sent again."""
        for name, letter in self._letters.items():
            if name == target and letter.dead_ms is not None:
                self._letters[name] = Letter(target=name)

    def dispatch(self) -> None:
        """Begin what is due, and a pause before what is not."""
        for target, letter in self._letters.items():
            if target in self.attempts or letter.dead_ms is not None:
                continue
            if letter.due_ms > self._steps.now_ms():
                if target not in self._pauses or self._steps.ended(self._pauses[target]):
                    self._pauses[target] = self._steps.timer(letter.due_ms)
                continue
            self._pauses.pop(target, None)
            self.attempts[target] = self._steps.tell(
                self._activity,
                {
                    "target": target,
                    "notify": self._notify,
                    "attempts": letter.attempts,
                    "tried_ms": letter.tried_ms,
                },
            )


def _heard(steps: Steps, waits: dict[str, Any], regions: Iterable[str]) -> list[tuple[int, str]]:
    """What the waits that have ended have heard, each of which begins again."""
    found = []
    for region in regions:
        if steps.ended(waits[region]):
            event = _event(steps.result(waits[region]))
            waits[region] = steps.arrival(region)
            if event is not None:
                found.append((event.at_ms, region))
    return found


def _take(steps: Steps, order: Order, state: FanIn, waits: dict[str, Any]) -> FanIn:
    """Record everything that has come, and wait for the next of each region."""
    for region in sorted(waits):
        while steps.ended(waits[region]):
            event = _event(steps.result(waits[region]))
            if event is not None and (event.delivery is None or event.delivery != order.delivery):
                state = step(state, Arrived(region, event.at_ms)).state
            waits[region] = steps.arrival(region)
    return state


def _event(value: Any) -> Event | None:
    """What an event says; None where it is none of ours, which must not fail the orchestration."""
    try:
        return Event(at_ms=value) if isinstance(value, int) else msgspec.convert(value, Event)
    except msgspec.ValidationError:
        return None
