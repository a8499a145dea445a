"""When a notification is attempted again, and when it is given up. Pure."""

import hashlib
from dataclasses import dataclass

BACKOFF_MS = 1_000
BACKOFF_MS_MAX = 300_000
# A receiver that asks for more time than this is asked sooner: a slip there must not silence us for a day.
RETRY_AFTER_MS_MAX = 3_600_000
# No pause between two attempts is longer: what was asked for, and a fifth of it.
PAUSE_MS_MAX = RETRY_AFTER_MS_MAX * 6 // 5
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long a target is tried before a notification becomes a dead letter.

    Time is counted in pauses between attempts, not from the decision: a service that was down over the
    weekend does not give up on Monday what it never had the time to try.
    """

    tried_ms_max: int = 3 * DAY_MS
    attempts_max: int | None = None

    def exhausted(self, *, attempts: int, tried_ms: int) -> bool:
        """Whether ``attempts`` failed attempts, with pauses of ``tried_ms`` in all, are enough."""
        too_often = self.attempts_max is not None and attempts >= self.attempts_max
        return too_often or tried_ms > self.tried_ms_max


def backoff_ms(key: str, attempts: int) -> int:
    """How long to wait after the ``attempts``-th failure: doubling from a second to five minutes, ±20 %.

    The jitter is derived from the key: notifications do not come in step, and the same run repeats itself.
    """
    plain = min(BACKOFF_MS_MAX, BACKOFF_MS << min(max(attempts, 1) - 1, 20))
    return plain * 8 // 10 + _jitter(key, attempts, plain * 4 // 10)


def pause_ms(key: str, attempts: int, *, asked_ms: int | None = None) -> int:
    """How long to wait after the ``attempts``-th failure, when the receiver asked for ``asked_ms``.

    What it asks for is granted, up to an hour, and a little more, so that not everybody returns at once.
    """
    own = backoff_ms(key, attempts)
    if asked_ms is None:
        return own
    asked_ms = min(max(asked_ms, 0), RETRY_AFTER_MS_MAX)
    return max(own, asked_ms + _jitter(key, attempts, asked_ms // 5))


def _jitter(key: str, attempts: int, of: int) -> int:
    """Jitter between 0 and ``of``, derived from the key: the same run repeats itself."""
    draw = hashlib.blake2b(f"{key}/{attempts}".encode(), digest_size=2).digest()
    return of * int.from_bytes(draw) // 0xFFFF
