"""Attempts at notifications, made for activities.

An activity holds a thread of the worker until its attempt has ended, so a thousand that hang could keep the
thousand-and-first waiting. When it gets crowded, an attempt that has had a fair while gives way; the
orchestration tries again later.
"""

import asyncio
import logging
from typing import Any

import msgspec

from aggregator import log
from aggregator.clock import Clock
from aggregator.engine import NotDeliveredError, Subscribers
from aggregator.engines.durable_task.letters import Attempt
from aggregator.fanin import Notify
from aggregator.metrics import Metrics
from aggregator.notify.outbox import ATTEMPT_S, FAIR_S
from aggregator.notify.patience import given_up, pause_ms
from aggregator.settings import Settings

ATTEMPTS_MAX = 64
# From so many at once on, others probably wait for a place.
CROWDED = ATTEMPTS_MAX * 3 // 4


class TellOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An activity's input."""

    target: str
    notify: Notify
    attempts: int  # that failed before
    tried_ms: int  # the pauses between them


class Telling:
    """One process's attempts."""

    def __init__(
        self, settings: Settings, clock: Clock, metrics: Metrics, subscribers: Subscribers | None
    ) -> None:
        self._settings, self._clock, self._metrics = settings, clock, metrics
        self._subscribers = subscribers
        self._running: dict[asyncio.Task[Any], tuple[float, asyncio.Timeout]] = {}
        self._closed = False

    async def attempt(self, order: Any) -> Any:
        """Make one, and say what came of it: None, or the fields of an `Attempt`."""
        asked = msgspec.convert(order, TellOrder)
        if self._closed or self._subscribers is None:
            return msgspec.to_builtins(Attempt(error="the service is stopping", counts=False))
        failure = await self._once(self._subscribers, asked)
        if failure is None:
            self._metrics.attempts["ok"] += 1
            log.event(
                logging.INFO,
                "notified",
                operation=asked.notify.operation_id,
                target=asked.target,
                attempt=asked.attempts + 1,
            )
            return None
        return msgspec.to_builtins(self._failed(asked, failure))

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

    async def _once(self, subscribers: Subscribers, asked: TellOrder) -> NotDeliveredError | None:
        """None when it was accepted."""
        loop, me = asyncio.get_running_loop(), asyncio.current_task()
        assert me is not None  # noqa: S101 - told to mypy: this runs in a task
        scope = asyncio.timeout(ATTEMPT_S)
        try:
            async with scope:
                self._running[me] = (loop.time(), scope)
                if len(self._running) >= CROWDED:
                    self._make_room(loop.time())
                await subscribers.tell(asked.target, asked.notify)
        except NotDeliveredError as exc:
            return exc
        except TimeoutError:
            return NotDeliveredError("no answer in time")
        except Exception as exc:  # noqa: BLE001 - a bug that one notification meets must not silence the others
            log.LOGGER.exception("notify-crashed")
            return NotDeliveredError(f"internal error: {type(exc).__name__}")
        finally:
            self._running.pop(me, None)
        return None

    def _make_room(self, now_s: float) -> None:
        for began_s, scope in self._running.values():
            limit_s = max(began_s + FAIR_S, now_s)
            when = scope.when()
            if when is not None and when > limit_s:
                scope.reschedule(limit_s)

    def _failed(self, asked: TellOrder, failure: NotDeliveredError) -> Attempt:
        attempts = asked.attempts + failure.sent
        wait_ms = pause_ms(asked.notify.key, attempts, asked_ms=failure.again_after_ms)
        dead = failure.final or given_up(
            self._settings.patience(asked.target), attempts=attempts, tried_ms=asked.tried_ms + wait_ms
        )
        if failure.sent:
            self._metrics.attempts["failed"] += 1
        log.event(
            logging.ERROR if dead else logging.WARNING,
            "given-up" if dead else "not-notified",
            operation=asked.notify.operation_id,
            target=asked.target,
            attempt=attempts,
            reason=failure,
            again_in_s=None if dead else wait_ms / 1000,
        )
        return Attempt(error=str(failure), pause_ms=wait_ms, dead=dead, counts=failure.sent)
