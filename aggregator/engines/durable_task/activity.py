"""Attempts at notifications, made for activities.

An activity holds one of the worker's places until its attempt has ended, so a thousand that hang could keep
the thousand-and-first waiting. When it gets crowded, an attempt that has had a fair while gives way; the
orchestration tries again later.
"""

import asyncio
from typing import Any

import msgspec

from fanin.aggregator.clock import Clock
from fanin.aggregator.engines.durable_task.outbox_entry import Attempt
from fanin.aggregator.fanin import Notification
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.attempt import (
    ATTEMPT_S,
    PREEMPT_AFTER_S,
    attempt,
    decide_retry,
    record_accepted,
    record_failure,
)
from fanin.aggregator.notify.port import NotDeliveredError, Notifier
from fanin.aggregator.settings import Settings

ATTEMPTS_MAX = 64
# From so many at once on, others probably wait for a place.
CROWDED = ATTEMPTS_MAX * 3 // 4


class TellOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An activity's input."""

    target: str
    notify: Notification
    attempts: int  # that failed before
    tried_ms: int  # the pauses between them


class Telling:
    """One process's attempts."""

    def __init__(self, settings: Settings, clock: Clock, metrics: Metrics, notifier: Notifier | None) -> None:
        self._settings, self._clock, self._metrics = settings, clock, metrics
        self._notifier = notifier
        self._running: dict[asyncio.Task[Any], tuple[float, asyncio.Timeout]] = {}
        self._closed = False

    async def attempt(self, order: Any) -> Any:
        """Make one, and say what came of it: None, or the fields of an `Attempt`."""
        asked = msgspec.convert(order, TellOrder)
        if self._closed or self._notifier is None:
            return msgspec.to_builtins(Attempt(error="the service is stopping", counts=False))
        error = await self._once(self._notifier, asked)
        if error is None:
            record_accepted(self._metrics, asked.notify, asked.target, attempt=asked.attempts + 1)
            return None
        follows = decide_retry(
            asked.notify,
            error,
            attempts=asked.attempts,
            tried_ms=asked.tried_ms,
            retry_policy=self._settings.retry_policy(asked.target),
        )
        record_failure(self._metrics, asked.notify, asked.target, error=error, decision=follows)
        return msgspec.to_builtins(
            Attempt(error=str(error), pause_ms=follows.pause_ms, dead=follows.dead, counts=error.sent)
        )

    async def close(self, grace_s: float) -> None:
        """Let attempts that run end within ``grace_s``; begin none, and cut short what is left."""
        self._closed = True
        if self._running:
            await asyncio.wait(self._running, timeout=grace_s)
        loop = asyncio.get_running_loop()
        for _, scope in tuple(self._running.values()):
            scope.reschedule(loop.time())
        if self._running:
            await asyncio.wait(self._running)

    async def _once(self, notifier: Notifier, asked: TellOrder) -> NotDeliveredError | None:
        """None when it was accepted."""
        loop, me = asyncio.get_running_loop(), asyncio.current_task()
        assert me is not None  # noqa: S101 - told to mypy: this runs in a task
        scope = asyncio.timeout(ATTEMPT_S)

        async def telling() -> None:
            self._running[me] = (loop.time(), scope)
            if len(self._running) >= CROWDED:
                self._make_room(loop.time())
            await notifier.send(asked.target, asked.notify)

        try:
            return await attempt(telling, scope)
        finally:
            self._running.pop(me, None)

    def _make_room(self, now_s: float) -> None:
        for began_s, scope in self._running.values():
            limit_s = max(began_s + PREEMPT_AFTER_S, now_s)
            when = scope.when()
            if when is not None and when > limit_s:
                scope.reschedule(limit_s)
