"""The activity: one attempt at a notification.

An activity holds one of the worker's slots until its attempt has ended, so a thousand that hang could keep
the thousand-and-first waiting. While activities wait for a slot, an attempt that has had a fair while is
pre-empted; the orchestration tries again later.
"""

import asyncio
from functools import partial
from typing import Any

import msgspec

from fanin.aggregator.clock import Clock
from fanin.aggregator.engines.attempt_slots import AttemptSlots
from fanin.aggregator.fanin import Notification
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.attempt import attempt, record_accepted, record_failure
from fanin.aggregator.notify.port import Notifier
from fanin.aggregator.notify.retry_record import RetryDecision, RetryRecord, decide_retry
from fanin.aggregator.settings import Settings

# How many attempts run at once, and how many activities a worker asks for: the others wait for a slot.
ATTEMPTS_MAX = 80
ACTIVITIES_MAX = 96


class ActivityInput(msgspec.Struct, frozen=True, kw_only=True):
    """An activity's input, as JSON in the orchestration's history."""

    target: str
    notification: Notification
    record: RetryRecord  # the attempts before this one


class SendActivity:
    """The attempts of one process."""

    def __init__(self, settings: Settings, clock: Clock, metrics: Metrics, notifier: Notifier | None) -> None:
        self._settings, self._clock, self._metrics = settings, clock, metrics
        self._notifier = notifier
        self._slots = AttemptSlots(ATTEMPTS_MAX, preempts=True)
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def run(self, input_: Any) -> Any:
        """Make one attempt.

        Args:
            input_: The fields of an `ActivityInput`.

        Returns:
            None when the target accepted, otherwise the fields of a `RetryDecision`.
        """
        asked = msgspec.convert(input_, ActivityInput)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for mypy: this runs in a task
        self._running.add(task)
        try:
            return await self._attempt(asked)
        finally:
            self._running.discard(task)

    async def close(self, grace_s: float) -> None:
        """Begin no attempt; let those that run end within ``grace_s``, and then end what is left."""
        self._closed = True
        if self._running:
            await asyncio.wait(self._running, timeout=grace_s)
        self._slots.preempt_all()
        if self._running:
            await asyncio.wait(self._running)

    async def _attempt(self, asked: ActivityInput) -> Any:
        slot = await self._slots.acquire()
        if self._closed or self._notifier is None or slot is None:
            if slot is not None:
                self._slots.release(slot)
            return msgspec.to_builtins(RetryDecision(error="the service is stopping", counts=False))
        notification, target = asked.notification, asked.target
        error = await attempt(partial(self._notifier.send, target, notification), slot)
        if error is None:
            record_accepted(self._metrics, notification, target, attempt=asked.record.attempts + 1)
            return None
        policy = self._settings.retry_policy(target)
        decision = decide_retry(asked.record, error, key=notification.key, retry_policy=policy)
        after = asked.record.after(decision, key=notification.key, now_ms=self._clock.now_ms())
        record_failure(self._metrics, notification, target, attempts=after.attempts, decision=decision)
        return msgspec.to_builtins(decision)
