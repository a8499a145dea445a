"""Test messages: one attempt to each target, the way that notifications take, counted nowhere.

They say everywhere that they are a test: the outcome is ``test``, the key begins with ``test-``. What a
receiver does for an outcome, it must not do for them. Breakers, pauses and the outbox know nothing of them.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import uuid4

from fanin.aggregator import log
from fanin.aggregator.clock import Clock, stopwatch_s
from fanin.aggregator.fanin import Notification, Phase, Subject
from fanin.aggregator.notify.attempt import attempt
from fanin.aggregator.notify.port import Notifier


class RehearsalResult(NamedTuple):
    """How a test message ended. ``error`` is None when the target accepted it."""

    target: str
    error: str | None
    took_ms: int


def message_of_test(regions: Sequence[str], now_ms: int) -> Notification:
    """A test message, which no registry's webhook can lead to."""
    name = f"test-{uuid4().hex}"
    return Notification(
        key=name,
        operation_id=name,
        outcome=Phase.COMPLETED,
        subject=Subject(action="test", host="registry.example", repository="fanin/test", tag="test"),
        arrived=tuple(sorted(regions)),
        missing=(),
        started_ms=now_ms,
        deadline_ms=now_ms,
        decided_ms=now_ms,
        test=True,
    )


async def rehearse(
    notifier: Notifier, targets: Collection[str], regions: Sequence[str], clock: Clock
) -> list[RehearsalResult]:
    """Send a test message to these targets, side by side; return how each ended, in their order."""
    message = message_of_test(regions, clock.now_ms())
    return await asyncio.gather(*(_send(notifier, target, message) for target in targets))


async def _send(notifier: Notifier, target: str, message: Notification) -> RehearsalResult:
    began_s = stopwatch_s()
    error = await attempt(lambda: notifier.send(target, message), asyncio.timeout(None))
    result = RehearsalResult(target, str(error) if error else None, round((stopwatch_s() - began_s) * 1000))
    log.event(
        logging.WARNING if error else logging.INFO,
        "test-message-refused" if error else "test-message-accepted",
        target=target,
        reason=result.error,
    )
    return result
