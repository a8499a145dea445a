"""One attempt at a notification, whichever engine makes it: how it ends, and what is counted."""

import logging
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

from fanin.aggregator import log
from fanin.aggregator.fanin import Notification
from fanin.aggregator.metrics import Metrics
from fanin.aggregator.notify.breaker import Breaker, BreakerState
from fanin.aggregator.notify.port import PREEMPTED, TIMED_OUT, NotDeliveredError
from fanin.aggregator.notify.retry_record import RetryDecision

# How long an attempt may hold its slot. A target's own `timeout` is shorter, and its reason says more.
ATTEMPT_S = 130.0
# After so long, an attempt may be pre-empted by others that wait: if its receiver is known to be quicker, and
# while nothing is known of it.
PREEMPT_AFTER_S, PREEMPT_UNKNOWN_AFTER_S = 1.0, 2.0


class PreemptedError(TimeoutError):
    """An attempt was ended early, so that another one gets its slot, or because the service stops."""


async def attempt(
    send: Callable[[], Coroutine[Any, Any, None]], limit: AbstractAsyncContextManager[Any]
) -> NotDeliveredError | None:
    """Make one attempt.

    Args:
        send: Sends the notification; see `fanin.aggregator.notify.port.Notifier.send`.
        limit: Raises `TimeoutError` in the attempt, or at its end, when it has taken too long, or
            `PreemptedError` when it was pre-empted.

    Returns:
        None when the target accepted, otherwise why not.
    """
    try:
        async with limit:
            await send()
    except NotDeliveredError as exc:
        return exc
    except PreemptedError:
        return NotDeliveredError(PREEMPTED)
    except TimeoutError:
        return NotDeliveredError(f"{TIMED_OUT}: no response in time")
    except Exception as exc:  # noqa: BLE001 - a bug with one notification must not stop the others
        log.LOGGER.exception("notification-crashed")
        return NotDeliveredError(f"internal error: {type(exc).__name__}")
    return None


def record_accepted(metrics: Metrics, notification: Notification, target: str, *, attempt: int) -> None:
    """Count and log an attempt that the target accepted."""
    log.lines(logging.INFO, [count_accepted(metrics, notification, target, attempt=attempt)])


def count_accepted(metrics: Metrics, notification: Notification, target: str, *, attempt: int) -> str:
    """Count an attempt that the target accepted; return its line for `fanin.aggregator.log.lines`."""
    metrics.attempts["ok"] += 1
    return log.line(
        "notification-accepted", operation=notification.operation_id, target=target, attempt=attempt
    )


def record_failure(
    metrics: Metrics,
    notification: Notification,
    target: str,
    *,
    attempts: int,
    decision: RetryDecision,
) -> None:
    """Count and log that a target has not taken a notification, and what follows.

    Args:
        metrics: Where it is counted.
        notification: Which one.
        target: The target's name.
        attempts: How many have failed, this one with them.
        decision: What was decided about this one.
    """
    if decision.counts:
        metrics.attempts["failed"] += 1
    metrics.dead_lettered[target] += decision.dead
    log.event(
        logging.ERROR if decision.dead else logging.WARNING,
        "notification-dead-lettered" if decision.dead else "notification-failed",
        operation=notification.operation_id,
        target=target,
        attempt=attempts,
        reason=decision.error,
        retry_in_s=None if decision.dead or decision.pause_ms is None else decision.pause_ms / 1000,
    )


def record_breaker(metrics: Metrics, breaker: Breaker, *, now_ms: int) -> None:
    """Publish and log a new state of a target's breaker. Probes are logged as attempts."""
    metrics.breakers[breaker.target] = breaker.state
    if breaker.state is BreakerState.CLOSED:
        log.event(logging.INFO, "target-up", target=breaker.target)
    elif breaker.state is BreakerState.OPEN and not breaker.probes:
        probe_in_s = (breaker.probe_at_ms - now_ms) / 1000
        log.event(logging.WARNING, "target-down", target=breaker.target, probe_in_s=probe_in_s)
