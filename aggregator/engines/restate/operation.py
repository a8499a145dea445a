"""One operation as a virtual object: its key is the operation's id, its state the operation as it stands.

A virtual object takes one call at a time, so `arrive` starts or steps an operation and nothing comes between.
All that a call leads to, the new state, the timer, the notifications, goes into its journal.

An arrival's instant is the one at which the process that took the webhook hands it over, written into the
message. The call may be carried out much later, and an attempt that is repeated must decide the same; a
durable reading of the clock would cost a second round of the journal for every webhook, and come too late.
The true commit follows within the request. Arrivals of one operation are stepped in the order in which the
server took them, and the timer is one more call in that order.

The timer never fires early by the clock of the process that serves it: it reads that clock, durably, and
waits again if the server's clock is ahead. It also stays after the outcome, to clear the state when the
retention ends.
"""

import logging
from collections.abc import Callable
from functools import partial

import msgspec

from fanin.aggregator import log
from fanin.aggregator.clock import Clock
from fanin.aggregator.engines.restate import sort_key
from fanin.aggregator.engines.restate.call import Call
from fanin.aggregator.engines.restate.notification import SendRequest
from fanin.aggregator.engines.restate.services import ServiceNames
from fanin.aggregator.errors import RequestError
from fanin.aggregator.fanin import (
    ArrivalResult,
    Arrived,
    DeadlineReached,
    FanIn,
    Notification,
    Phase,
    Region,
    Renewal,
    Subject,
    start,
    step,
)
from fanin.aggregator.metrics import Metrics, record_outcome
from fanin.aggregator.notify.port import Notifier

# The only entry of an object's state.
STATE = "operation"


class ArriveRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A webhook, and the settings at the time: everything that a decision may depend on."""

    region: Region
    subject: Subject
    at_ms: int  # Unix epoch
    expected: tuple[Region, ...]
    timeout_ms: int
    retention_ms: int
    completed: tuple[str, ...] = ()  # names of the targets of that outcome
    timed_out: tuple[str, ...] = ()
    completed_late: tuple[str, ...] = ()
    event_id: str = ""  # see `fanin.aggregator.wire.Arrival`
    wants_response: bool = False  # whether the caller waits for the `ArriveResponse`


class ArriveResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an arrival led to. Without a result, it was refused; without a state, it started no operation."""

    state: FanIn | None = None
    result: ArrivalResult | None = None


class ExpireRequest(msgspec.Struct, frozen=True):
    """The timer. The deadline distinguishes it from the timer of an earlier operation with the same id."""

    deadline_ms: int
    retention_ms: int


class ClockReading(msgspec.Struct, frozen=True):
    """What the timer read: the time, and the targets of a timeout."""

    now_ms: int
    targets: tuple[str, ...]


class PurgeRequest(msgspec.Struct, frozen=True):
    """The end of the retention of the outcome that was decided then."""

    decided_ms: int


_encode = msgspec.json.Encoder().encode
_arrive_request = msgspec.json.Decoder(ArriveRequest).decode
_expire_request = msgspec.json.Decoder(ExpireRequest).decode
_purge_request = msgspec.json.Decoder(PurgeRequest).decode
_reading = msgspec.json.Decoder(ClockReading).decode
_state = msgspec.json.Decoder(FanIn).decode

# The sort key of a stored state: waiting before decided; the deadline or the decision; the phase.
DECIDED = 2
_CLASSES = {Phase.WAITING: 1, Phase.COMPLETED: DECIDED, Phase.TIMED_OUT: DECIDED}
KINDS = {Phase.WAITING: "w", Phase.COMPLETED: "c", Phase.TIMED_OUT: "t"}


def dump(state: FanIn) -> bytes:
    """An operation as it is stored."""
    at_ms = state.deadline_ms if state.decided_ms is None else state.decided_ms
    return sort_key.prepend(_CLASSES[state.phase], at_ms, KINDS[state.phase], _encode(state))


def load(stored: bytes) -> FanIn:
    """The operation that `dump` stored."""
    return _state(sort_key.remove(stored))


def _arrived(message: ArriveRequest) -> Arrived:
    if not message.event_id:
        return Arrived(message.region, message.at_ms)
    renewal = Renewal(
        subject=message.subject,
        expected=message.expected,
        timeout_ms=message.timeout_ms,
        retention_ms=message.retention_ms,
    )
    return Arrived(message.region, message.at_ms, message.event_id, renewal)


class Operations:
    """The handlers of the object. They are called with one attempt each, and return when it is complete."""

    def __init__(
        self, names: ServiceNames, clock: Clock, metrics: Metrics, notifier: Notifier | None
    ) -> None:
        self._names = names
        self._clock, self._metrics, self._notifier = clock, metrics, notifier

    def arrive(self, call: Call) -> None:
        """Apply one arrival. Input: `ArriveRequest`; output: `ArriveResponse`, if the caller waits for it."""
        message = _arrive_request(call.input)
        before = self._load(call)
        event = _arrived(message)
        try:
            if before is None:
                result = start(
                    call.key,
                    message.subject,
                    event,
                    expected=message.expected,
                    timeout_ms=message.timeout_ms,
                )
            else:
                result = step(before, event)
        except RequestError as exc:
            region = message.region
            log.event(logging.WARNING, "arrival-ignored", operation=call.key, region=region, reason=exc)
            call.finish(_encode(ArriveResponse(before)) if message.wants_response else b"")
            return
        if before is None or before.generation != result.state.generation:
            timer = ExpireRequest(result.state.deadline_ms, message.retention_ms)
            self._send_timer(call, timer, result.state.deadline_ms)
        call.set(STATE, dump(result.state))
        self._send(call, result.effects, lambda phase: getattr(message, phase.value))
        call.finish(_encode(ArriveResponse(result.state, result.result)) if message.wants_response else b"")
        arrival_result = result.result or ArrivalResult.COUNTED
        self._metrics.arrivals[message.region, arrival_result] += 1
        level = logging.DEBUG if arrival_result is ArrivalResult.COUNTED else logging.INFO
        log.event(level, arrival_result, operation=call.key, region=message.region)

    def expire(self, call: Call) -> None:
        """The deadline has come by the server's clock. Input: `ExpireRequest`."""
        timer = _expire_request(call.input)
        state = self._load(call)
        if state is None or state.deadline_ms != timer.deadline_ms:
            call.finish(b"")
            return
        if state.phase is Phase.WAITING:
            reading = _reading(call.run("clock", partial(self._read_clock, state.subject)))
            if reading.now_ms < timer.deadline_ms:
                self._send_timer(call, timer, timer.deadline_ms)
                call.finish(b"")
                return
            result = step(state, DeadlineReached(reading.now_ms))
            state = result.state
            call.set(STATE, dump(state))
            self._send(call, result.effects, lambda _: reading.targets)
        decided_ms = state.decided_ms or state.deadline_ms
        over_ms = decided_ms + timer.retention_ms - self._clock.now_ms()
        message = _encode(PurgeRequest(decided_ms))
        names = self._names
        call.send(names.operations, names.PURGE, message, key=call.key, delay_ms=over_ms)
        call.finish(b"")

    def purge(self, call: Call) -> None:
        """The retention is over: clear the state. Input: `PurgeRequest`."""
        state = self._load(call)
        if state is not None and state.decided_ms == _purge_request(call.input).decided_ms:
            call.clear()
        call.finish(b"")

    def inspect(self, call: Call) -> None:
        """Output: `FanIn`, or nothing."""
        state = self._load(call)
        call.finish(b"" if state is None else _encode(state))

    # --- shared steps ---

    def _load(self, call: Call) -> FanIn | None:
        stored = call.get(STATE)
        return None if stored is None else load(stored)

    def _read_clock(self, subject: Subject) -> bytes:
        targets = self._notifier.targets_for(Phase.TIMED_OUT, subject) if self._notifier else ()
        return _encode(ClockReading(self._clock.now_ms(), targets))

    def _send_timer(self, call: Call, timer: ExpireRequest, due_ms: int) -> None:
        delay_ms = due_ms - self._clock.now_ms()
        names = self._names
        call.send(names.operations, names.EXPIRE, _encode(timer), key=call.key, delay_ms=delay_ms)

    def _send(
        self, call: Call, effects: tuple[Notification, ...], targets: Callable[[Phase], tuple[str, ...]]
    ) -> None:
        for notification in effects:
            if not call.is_replaying:  # counted once, unless an attempt is lost at this step
                log.lines(logging.INFO, [record_outcome(self._metrics, notification)])
            for target in targets(notification.outcome):
                call.send(self._names.sender, self._names.SEND, _encode(SendRequest(target, notification)))
