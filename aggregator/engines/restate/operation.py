"""One operation as a virtual object: its key is the operation's id, its state the operation as it stands.

A virtual object takes one call at a time, so `arrive` starts or steps an operation and nothing comes between.
All that a call leads to, the new state, the timer, the notifications, goes into its journal.

Which instant is the arrival's: the one at which the process that took the webhook hands it over, written into
the message. The call may be carried out much later, and an attempt that is repeated must decide the same; a
clock reading that is durable would cost a second round of the journal for every webhook, and come too late.
The true commit follows within the request. Arrivals of one operation are stepped in the order in which the
server took them, and the timer is one more call in that order.

The timer never fires early by the clock of the process that serves it: it looks, durably, and waits again if
the server's clock runs ahead. It also lives on after the outcome, to clear the state when the retention ends.
"""

import logging
from collections.abc import Callable

import msgspec

from fanin.aggregator import log
from fanin.aggregator.clock import Clock
from fanin.aggregator.engines.restate.call import Call
from fanin.aggregator.engines.restate.notification import Tell
from fanin.aggregator.engines.restate.services import Names
from fanin.aggregator.engines.restate.sort_key import ranked, unranked
from fanin.aggregator.errors import RequestError
from fanin.aggregator.fanin import (
    ArrivalResult,
    Arrived,
    DeadlineReached,
    FanIn,
    Notification,
    Phase,
    Region,
    Subject,
    start,
    step,
)
from fanin.aggregator.metrics import Metrics, record_outcome
from fanin.aggregator.notify.port import Notifier

# The only entry of an object's state.
STATE = "operation"


class Arrive(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A webhook, and what the configuration says on the day it comes. Everything a decision may depend on."""

    region: Region
    subject: Subject
    at_ms: int  # Unix epoch
    expected: tuple[Region, ...]
    timeout_ms: int
    retention_ms: int
    completed: tuple[str, ...] = ()  # who wants to hear of that outcome
    timed_out: tuple[str, ...] = ()
    asked: bool = False  # whether somebody waits for the `Reply`


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a webhook; without a standing it was refused, and without a state it started nothing."""

    state: FanIn | None = None
    result: ArrivalResult | None = None


class Expire(msgspec.Struct, frozen=True):
    """The timer. The deadline tells it from an earlier operation's of the same id."""

    deadline_ms: int
    retention_ms: int


class Reading(msgspec.Struct, frozen=True):
    """What the timer found when it looked: the time, and who wants to hear of a timeout."""

    now_ms: int
    targets: tuple[str, ...]


class Forget(msgspec.Struct, frozen=True):
    """The end of the retention of the outcome that fell then."""

    decided_ms: int


_encode = msgspec.json.Encoder().encode
_arrive = msgspec.json.Decoder(Arrive).decode
_expire = msgspec.json.Decoder(Expire).decode
_forget = msgspec.json.Decoder(Forget).decode
_reading = msgspec.json.Decoder(Reading).decode
_state = msgspec.json.Decoder(FanIn).decode

# How a stored state is listed: waiting before decided; the deadline or the decision; which outcome.
_CLASSES = {Phase.WAITING: 1, Phase.COMPLETED: 2, Phase.TIMED_OUT: 2}
LETTERS = {Phase.WAITING: "w", Phase.COMPLETED: "c", Phase.TIMED_OUT: "t"}


def dump(state: FanIn) -> bytes:
    """An operation as it is stored."""
    at_ms = state.deadline_ms if state.decided_ms is None else state.decided_ms
    return ranked(_CLASSES[state.phase], at_ms, LETTERS[state.phase], _encode(state))


def load(stored: bytes) -> FanIn:
    """The operation that `dump` stored."""
    return _state(unranked(stored))


class Operations:
    """The handlers of the object. They are called with one attempt each, and return when it is complete."""

    def __init__(self, names: Names, clock: Clock, metrics: Metrics, notifier: Notifier | None) -> None:
        self._names = names
        self._clock, self._metrics, self._notifier = clock, metrics, notifier

    def arrive(self, call: Call) -> None:
        """Count one webhook. Input: `Arrive`; output: `Reply`, if it is asked for."""
        message = _arrive(call.input)
        before = self._load(call)
        event = Arrived(message.region, message.at_ms)
        try:
            if before is None:
                result = start(
                    call.key,
                    message.subject,
                    event,
                    expected=message.expected,
                    timeout_ms=message.timeout_ms,
                )
                timer = Expire(result.state.deadline_ms, message.retention_ms)
                self._send_timer(call, timer, result.state.deadline_ms)
            else:
                result = step(before, event)
        except RequestError as exc:
            log.event(logging.WARNING, "passed-over", operation=call.key, region=message.region, reason=exc)
            call.finish(_encode(Reply(before)) if message.asked else b"")
            return
        call.set(STATE, dump(result.state))
        self._tell(call, result.effects, lambda phase: getattr(message, phase.value))
        call.finish(_encode(Reply(result.state, result.result)) if message.asked else b"")
        standing = result.result or ArrivalResult.COUNTED
        self._metrics.arrivals[message.region, standing] += 1
        level = logging.DEBUG if standing is ArrivalResult.COUNTED else logging.INFO
        log.event(level, standing, operation=call.key, region=message.region)

    def expire(self, call: Call) -> None:
        """The deadline has come, for all that the server knows. Input: `Expire`."""
        timer = _expire(call.input)
        state = self._load(call)
        if state is None or state.deadline_ms != timer.deadline_ms:
            call.finish(b"")
            return
        if state.phase is Phase.WAITING:
            reading = _reading(call.run("clock", self._look))
            if reading.now_ms < timer.deadline_ms:
                self._send_timer(call, timer, timer.deadline_ms)
                call.finish(b"")
                return
            result = step(state, DeadlineReached(reading.now_ms))
            state = result.state
            call.set(STATE, dump(state))
            self._tell(call, result.effects, lambda _: reading.targets)
        decided_ms = state.decided_ms or state.deadline_ms
        over_ms = decided_ms + timer.retention_ms - self._clock.now_ms()
        message = _encode(Forget(decided_ms))
        names = self._names
        call.send(names.operations, names.FORGET, message, key=call.key, delay_ms=over_ms)
        call.finish(b"")

    def forget(self, call: Call) -> None:
        """The retention is over. Input: `Forget`."""
        state = self._load(call)
        if state is not None and state.decided_ms == _forget(call.input).decided_ms:
            call.clear()
        call.finish(b"")

    def inspect(self, call: Call) -> None:
        """Output: `FanIn`, or nothing."""
        state = self._load(call)
        call.finish(b"" if state is None else _encode(state))

    # --- what they share ---

    def _load(self, call: Call) -> FanIn | None:
        stored = call.get(STATE)
        return None if stored is None else load(stored)

    def _look(self) -> bytes:
        targets = self._notifier.targets_for(Phase.TIMED_OUT) if self._notifier else ()
        return _encode(Reading(self._clock.now_ms(), targets))

    def _send_timer(self, call: Call, timer: Expire, due_ms: int) -> None:
        delay_ms = due_ms - self._clock.now_ms()
        names = self._names
        call.send(names.operations, names.EXPIRE, _encode(timer), key=call.key, delay_ms=delay_ms)

    def _tell(
        self, call: Call, effects: tuple[Notification, ...], targets: Callable[[Phase], tuple[str, ...]]
    ) -> None:
        for notify in effects:
            if not call.repeats:  # counted once, unless an attempt is lost right here
                log.lines(logging.INFO, [record_outcome(self._metrics, notify)])
            for target in targets(notify.outcome):
                call.send(self._names.teller, self._names.TELL, _encode(Tell(target, notify)))
