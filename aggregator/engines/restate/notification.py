"""Sending an outcome to one target: an invocation of its own, so that it never holds up an operation.

A first attempt that is accepted leaves nothing in the journal but the end of its invocation. One that fails
is recorded durably and sends another invocation, to begin some time later: waiting costs the server a timer,
and none of the invocations that it runs at once. So does an attempt that gets no slot here. Meanwhile, and
when it is a dead letter, the notification is an object of the outbox (`outbox_object`).
"""

from functools import partial

import msgspec

from fanin.aggregator.clock import Clock
from fanin.aggregator.engines.attempt_slots import FIRST_SLOTS, AttemptSlots
from fanin.aggregator.engines.restate.call import Call
from fanin.aggregator.engines.restate.services import ServiceNames
from fanin.aggregator.fanin import Notification
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.attempt import attempt, record_accepted, record_failure
from fanin.aggregator.notify.port import NotDeliveredError, Notifier
from fanin.aggregator.notify.retry_record import RetryRecord, decide_retry
from fanin.aggregator.settings import Settings

# For one target: first attempts that wait for a slot, and retries that run and wait. The server's default
# limit is 1,000 invocations at once on a node, ours and those of other services.
FIRST_QUEUE_MAX = 160
RETRY_SLOTS, RETRY_QUEUE_MAX = 32, 32


class SendRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """One notification to one target: the message of an attempt, and the state of the outbox's object."""

    target: str
    notification: Notification
    record: RetryRecord = RetryRecord()  # the attempts so far

    @property
    def outbox_key(self) -> str:
        """The key of its object in the outbox."""
        return f"{self.notification.key}/{self.target}"


_encode = msgspec.json.Encoder().encode
_send_request = msgspec.json.Decoder(SendRequest).decode
_record = msgspec.json.Decoder(RetryRecord | None).decode


class SendHandler:
    """The handler of the service."""

    def __init__(
        self, names: ServiceNames, notifier: Notifier, settings: Settings, clock: Clock, metrics: Metrics
    ) -> None:
        self._names, self._notifier, self._settings = names, notifier, settings
        self._clock, self._metrics = clock, metrics
        self._slots: dict[tuple[str, bool], AttemptSlots] = {}  # by target; first attempts apart from retries

    async def send(self, call: Call) -> None:
        """Make one attempt, and provide for the next one if it fails. Input: `SendRequest`."""
        request = _send_request(call.input)
        # An attempt whose steps are replayed has ended before; if its result was not recorded, it is unknown.
        error = NotDeliveredError("interrupted") if call.is_replaying else await self._attempt(request)
        if error is None and request.record == RetryRecord():
            call.finish(b"")
            return
        record = _record(call.run("record", lambda: _encode(self._result(request, error))))
        names = self._names
        if record is None:
            call.send(names.outbox, names.DELETE, b"{}", key=request.outbox_key)
            call.finish(b"")
            return
        following = msgspec.structs.replace(request, record=record)
        call.send(names.outbox, names.STORE, _encode(following), key=request.outbox_key)
        if record.dead_ms is None:
            pause_ms = record.tried_ms - request.record.tried_ms
            call.send(names.sender, names.SEND, _encode(following), delay_ms=pause_ms)
        call.finish(b"")

    async def _attempt(self, request: SendRequest) -> NotDeliveredError | None:
        """None when it was accepted, otherwise why not."""
        slot = await self._slots_for(request).acquire()
        if slot is None:
            return NotDeliveredError("too many notifications wait for a response already", sent=False)
        target, notification = request.target, request.notification
        error = await attempt(partial(self._notifier.send, target, notification), slot)
        if error is None:
            nth = request.record.attempts + 1
            record_accepted(self._metrics, notification, target, attempt=nth)
        return error

    def _result(self, request: SendRequest, error: NotDeliveredError | None) -> RetryRecord | None:
        """The record after an attempt; None when it was accepted."""
        if error is None:
            return None
        key, policy = request.notification.key, self._settings.retry_policy(request.target)
        decision = decide_retry(request.record, error, key=key, retry_policy=policy)
        record = request.record.after(decision, key=key, now_ms=self._clock.now_ms())
        record_failure(
            self._metrics, request.notification, request.target, attempts=record.attempts, decision=decision
        )
        return record

    def _slots_for(self, request: SendRequest) -> AttemptSlots:
        is_first = request.record.attempts == 0
        slots = self._slots.get((request.target, is_first))
        if slots is None:
            size, queue_max = (FIRST_SLOTS, FIRST_QUEUE_MAX) if is_first else (RETRY_SLOTS, RETRY_QUEUE_MAX)
            slots = AttemptSlots(size, preempts=is_first, queue_max=queue_max)
            self._slots[request.target, is_first] = slots
        return slots
