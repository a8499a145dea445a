"""One notification to one target, as the orchestration remembers it. Pure, and the same in every replay.

Whether a failed attempt is followed by another, and when, is decided where it was made, because only there
the settings may be read; the orchestration finds that decision in its history.
"""

from typing import Any

import msgspec

from fanin.aggregator import engine
from fanin.aggregator.fanin import Notification
from fanin.aggregator.notify.retry_policy import backoff_ms

# Where an activity ended without a word of its own: its worker crashed, or could not read its input.
UNSAID = "the attempt itself failed"


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What an attempt that failed came to: an activity's result. None stands for one that was accepted."""

    error: str
    pause_ms: int | None = None  # before the next one; None where nobody could say
    dead: bool = False  # there will be no next one
    counts: bool = True  # something was sent, or tried to be


class Letter(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A notification that its target has not accepted."""

    target: str
    attempts: int = 0  # that failed
    tried_ms: int = 0  # the pauses between them, in all
    due_ms: int = 0  # Unix epoch, of the next attempt
    error: str | None = None  # of the last one
    dead_ms: int | None = None  # Unix epoch, when it was given up

    def after(self, result: Any, *, key: str, now_ms: int) -> "Letter | None":
        """The letter after one more attempt; None when it was accepted."""
        if result is None:
            return None
        attempt = msgspec.convert(result, Attempt)
        attempts = self.attempts + attempt.counts
        pause_ms = backoff_ms(key, attempts) if attempt.pause_ms is None else attempt.pause_ms
        return Letter(
            target=self.target,
            attempts=attempts,
            tried_ms=self.tried_ms + pause_ms,
            due_ms=now_ms + pause_ms,
            error=attempt.error,
            dead_ms=now_ms if attempt.dead else None,
        )

    def shown(self, notify: Notification) -> engine.OutboxEntry:
        """The letter as the port shows it."""
        waits = self.dead_ms is None and self.error is not None
        return engine.OutboxEntry(
            operation_id=notify.operation_id,
            target=self.target,
            outcome=notify.outcome,
            key=notify.key,
            attempts=self.attempts,
            due_ms=self.due_ms if waits else None,
            error=self.error,
            dead_ms=self.dead_ms,
        )
