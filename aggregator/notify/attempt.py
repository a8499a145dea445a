"""One attempt at a notification, whichever engine makes it: how it ends, what follows, what is counted."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from fanin.aggregator import log
from fanin.aggregator.fanin import Notification
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.port import NotDeliveredError
from fanin.aggregator.notify.retry_policy import RetryPolicy, pause_ms

ATTEMPT_S = 10.0
# After so long a first attempt may be cut short by others that wait. Healthy receivers answer well within it.
PREEMPT_AFTER_S = 1.0


class RetryDecision(NamedTuple):
    """What follows from an attempt that failed."""

    attempts: int  # that failed by now
    pause_ms: int  # until the next one
    tried_ms: int  # the pauses so far, this one with them
    dead: bool  # there is no next one


async def attempt(
    telling: Callable[[], Coroutine[Any, Any, None]], scope: asyncio.Timeout
) -> NotDeliveredError | None:
    """Tell within ``scope``, which others may cut short. None when it was accepted, otherwise why not."""
    try:
        async with scope:
            await telling()
    except NotDeliveredError as exc:
        return exc
    except TimeoutError:
        return NotDeliveredError("no answer in time")
    except Exception as exc:  # noqa: BLE001 - a bug that one notification meets must not silence the others
        log.LOGGER.exception("notification-crashed")
        return NotDeliveredError(f"internal error: {type(exc).__name__}")
    return None


def decide_retry(
    notification: Notification,
    error: NotDeliveredError,
    *,
    attempts: int,
    tried_ms: int,
    retry_policy: RetryPolicy,
) -> RetryDecision:
    """What follows after ``attempts`` that failed before, with pauses of ``tried_ms``, and this one."""
    attempts += error.sent
    pause = pause_ms(notification.key, attempts, retry_after_ms=error.retry_after_ms)
    tried_ms += pause
    dead = error.final or retry_policy.exhausted(attempts=attempts, tried_ms=tried_ms)
    return RetryDecision(attempts, pause, tried_ms, dead)


def record_accepted(metrics: Metrics, notification: Notification, target: str, *, attempt: int) -> None:
    """Count and log that a target has taken a notification."""
    metrics.attempts["ok"] += 1
    log.event(
        logging.INFO,
        "notification-accepted",
        operation=notification.operation_id,
        target=target,
        attempt=attempt,
    )


def record_failure(
    metrics: Metrics,
    notification: Notification,
    target: str,
    *,
    error: NotDeliveredError,
    decision: RetryDecision,
) -> None:
    """Count and log that it has not, and what follows."""
    if error.sent:
        metrics.attempts["failed"] += 1
    metrics.dead_lettered[target] += decision.dead
    log.event(
        logging.ERROR if decision.dead else logging.WARNING,
        "notification-dead-lettered" if decision.dead else "notification-failed",
        operation=notification.operation_id,
        target=target,
        attempt=decision.attempts,
        reason=error,
        retry_in_s=None if decision.dead else decision.pause_ms / 1000,
    )
