"""How far the delivery of one notification to one target has come. Pure, and the same for every engine.

    transition        from                   to
    failed, not dead  unattempted, retrying  retrying: ``due_ms`` is the time of the next attempt
    failed, dead      unattempted, retrying  dead letter: ``dead_ms`` is set, there is no next attempt
    requeued          dead letter            unattempted, as in the beginning

An accepted notification has no record: an engine stores records of pending notifications and of dead letters.
An engine may decide in one process (`decide_retry`, which needs the settings) and apply the decision in
another one (`RetryRecord.after`, which needs nothing but stored values), as an orchestration's replay does.
"""

from typing import Self

import msgspec

from fanin.aggregator.notify.port import CUT_SHORT, TIMED_OUT, NotDeliveredError
from fanin.aggregator.notify.retry_policy import RetryPolicy, backoff_ms, pause_ms


class RetryDecision(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What follows from an attempt that failed."""

    error: str  # why it failed, without secrets
    pause_ms: int | None = None  # until the next attempt; None: the backoff of the key
    dead: bool = False  # there is no next attempt
    counts: bool = True  # as an attempt: something was sent, or may have been


class RetryRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The attempts at one notification to one target so far."""

    attempts: int = 0  # that failed
    tried_ms: int = 0  # the pauses between them, added up
    due_ms: int | None = None  # Unix epoch, of the next attempt; None before the first one, and when dead
    error: str | None = None  # of the last attempt
    dead_ms: int | None = None  # Unix epoch, when it became a dead letter

    @property
    def timed_out(self) -> bool:
        """Whether the last attempt got no response in time."""
        return self.error is not None and self.error.startswith((TIMED_OUT, CUT_SHORT))

    def after(self, decision: RetryDecision, *, key: str, now_ms: int) -> Self:
        """The record after one more attempt that failed.

        Args:
            decision: What was decided about that attempt.
            key: The notification's.
            now_ms: When the attempt failed, Unix epoch.
        """
        attempts = self.attempts + decision.counts
        pause = backoff_ms(key, attempts) if decision.pause_ms is None else decision.pause_ms
        return msgspec.structs.replace(
            self,
            attempts=attempts,
            tried_ms=self.tried_ms + pause,
            due_ms=None if decision.dead else now_ms + pause,
            error=decision.error,
            dead_ms=now_ms if decision.dead else None,
        )

    def requeued(self) -> Self:
        """The record of a dead letter that is sent again: as if never attempted."""
        return msgspec.structs.replace(self, attempts=0, tried_ms=0, due_ms=None, error=None, dead_ms=None)


def decide_retry(
    record: RetryRecord, error: NotDeliveredError, *, key: str, retry_policy: RetryPolicy
) -> RetryDecision:
    """Decide what follows from an attempt that failed.

    Args:
        record: The attempts before this one.
        error: How this one failed.
        key: The notification's.
        retry_policy: The target's.
    """
    attempts = record.attempts + error.sent
    pause = pause_ms(key, attempts, retry_after_ms=error.retry_after_ms)
    exhausted = retry_policy.exhausted(attempts=attempts, tried_ms=record.tried_ms + pause)
    return RetryDecision(error=str(error), pause_ms=pause, dead=error.final or exhausted, counts=error.sent)
