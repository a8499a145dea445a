"""When a notification is attempted again, and when no attempts are left. Pure."""

import hashlib
from dataclasses import dataclass

BACKOFF_MS = 1_000
BACKOFF_MS_MAX = 300_000
# A receiver that asks for more time is tried again after this: a slip there must not stop us for a day.
RETRY_AFTER_MS_MAX = 3_600_000
# The longest delay between two attempts: the largest Retry-After, and a fifth of it as jitter.
PAUSE_MS_MAX = RETRY_AFTER_MS_MAX * 6 // 5
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long a target is tried before a notification becomes a dead letter.

    Time is counted as the sum of delays between attempts, not from the decision: a service that was down over
    the weekend must not give up on Monday without having tried.
    """

    tried_ms_max: int = 3 * DAY_MS
    attempts_max: int | None = None

    def exhausted(self, *, attempts: int, tried_ms: int) -> bool:
        """Whether ``attempts`` failed attempts, with delays of ``tried_ms`` in all, are enough."""
        too_often = self.attempts_max is not None and attempts >= self.attempts_max
        return too_often or tried_ms > self.tried_ms_max


def backoff_ms(key: str, attempts: int) -> int:
    """The delay after the ``attempts``-th failure: doubling from a second to five minutes, with ±20 % jitter.

    The jitter is derived from the key: notifications do not come in step, and the same run repeats itself.
    """
    plain = min(BACKOFF_MS_MAX, BACKOFF_MS << min(max(attempts, 1) - 1, 20))
    return plain * 8 // 10 + _jitter(key, attempts, plain * 4 // 10)


def pause_ms(key: str, attempts: int, *, retry_after_ms: int | None = None) -> int:
    """The delay after the ``attempts``-th failure, when the receiver asked for ``retry_after_ms``.

    At least what it asks for, up to an hour, and some jitter, so that not all notifications return at once.
    """
    backoff = backoff_ms(key, attempts)
    if retry_after_ms is None:
        return backoff
    retry_after_ms = min(max(retry_after_ms, 0), RETRY_AFTER_MS_MAX)
    return max(backoff, retry_after_ms + _jitter(key, attempts, retry_after_ms // 5))


def _jitter(key: str, attempts: int, limit: int) -> int:
    """Between 0 and ``limit``, derived from the key."""
    draw = hashlib.blake2b(f"{key}/{attempts}".encode(), digest_size=2).digest()
    return limit * int.from_bytes(draw) // 0xFFFF
