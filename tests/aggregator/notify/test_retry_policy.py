"""The delay before the next attempt, and when no attempts are left."""

import pytest

from fanin.aggregator.notify.retry_policy import DAY_MS, RetryPolicy, backoff_ms, pause_ms


def test_pauses_double_from_a_second_to_five_minutes() -> None:
    """Give or take a fifth, which the key decides."""
    for attempts, plain_ms in (
        (1, 1_000),
        (2, 2_000),
        (5, 16_000),
        (9, 256_000),
        (10, 300_000),
        (999, 300_000),
    ):
        drawn = {backoff_ms(f"key-{n}", attempts) for n in range(200)}
        assert min(drawn) >= plain_ms * 0.8
        assert max(drawn) <= plain_ms * 1.2
        assert len(drawn) > 50
    assert backoff_ms("key", 3) == backoff_ms("key", 3)


@pytest.mark.parametrize(
    ("retry_after_ms", "low_ms", "high_ms"),
    [(None, 800, 1_200), (0, 800, 1_200), (30_000, 30_000, 36_000), (10**9, 3_600_000, 4_320_000)],
)
def test_retry_after_is_honoured_within_bounds(retry_after_ms: int | None, low_ms: int, high_ms: int) -> None:
    """Never less than our own, never less than asked for up to an hour, never all at once."""
    drawn = {pause_ms(f"key-{n}", 1, retry_after_ms=retry_after_ms) for n in range(100)}

    assert min(drawn) >= low_ms
    assert max(drawn) <= high_ms
    assert len(drawn) > 20


def test_three_days_of_trying_are_enough() -> None:
    """By default there is no other limit; about nine hundred attempts fit in."""
    attempts = tried_ms = 0
    while not RetryPolicy().exhausted(attempts=attempts, tried_ms=tried_ms):
        attempts += 1
        tried_ms += pause_ms("key", attempts)

    assert 800 < attempts < 950
    assert tried_ms < 3 * DAY_MS + 400_000


def test_a_number_of_attempts_can_be_enough() -> None:
    """Whichever limit comes first."""
    policy = RetryPolicy(tried_ms_max=60_000, attempts_max=3)

    assert [policy.exhausted(attempts=n, tried_ms=0) for n in (1, 2, 3, 4)] == [False, False, True, True]
    assert policy.exhausted(attempts=1, tried_ms=60_001)
