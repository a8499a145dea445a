"""The breaker of a target, transition by transition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanin.aggregator.notify.breaker import OPEN_AFTER, PROBE_PAUSE_MS_MAX, Breaker, BreakerState

CLOSED = Breaker(target="sink")
# A property draws from few keys, so that they repeat.
KEYS = tuple(f"key-{n}" for n in range(OPEN_AFTER))
ALMOST = Breaker(target="sink", failed=KEYS[:-1])
OPEN = Breaker(target="sink", state=BreakerState.OPEN, probe_at_ms=1_000)
HALF_OPEN = Breaker(target="sink", state=BreakerState.HALF_OPEN, probe="probe")


@pytest.mark.parametrize(
    ("before", "after", "state"),
    [
        (CLOSED, CLOSED.refused("a", 0), BreakerState.CLOSED),
        (ALMOST, ALMOST.refused(KEYS[-1], 0), BreakerState.OPEN),
        (ALMOST, ALMOST.refused(KEYS[0], 0), BreakerState.CLOSED),
        (ALMOST, ALMOST.responded(), BreakerState.CLOSED),
        (ALMOST, ALMOST.began(KEYS[-1]), BreakerState.CLOSED),
        (OPEN, OPEN.refused("began before", 5), BreakerState.OPEN),
        (OPEN, OPEN.responded(), BreakerState.CLOSED),
        (OPEN, OPEN.began("probe"), BreakerState.HALF_OPEN),
        (HALF_OPEN, HALF_OPEN.refused("began before", 5), BreakerState.HALF_OPEN),
        (HALF_OPEN, HALF_OPEN.refused("probe", 5), BreakerState.OPEN),
        (HALF_OPEN, HALF_OPEN.responded(), BreakerState.CLOSED),
    ],
)
def test_transitions(before: Breaker, after: Breaker, state: BreakerState) -> None:
    """Each event in each state."""
    assert after.state is state, before


@pytest.mark.parametrize(
    ("breaker", "now_ms", "admitted"),
    [
        (CLOSED, 0, True),
        (ALMOST, 0, True),
        (OPEN, 999, False),
        (OPEN, 1_000, True),
        (HALF_OPEN, 9_999, False),
    ],
)
def test_admission(breaker: Breaker, now_ms: int, admitted: bool) -> None:  # noqa: FBT001 - a table
    """One attempt at a time until one is accepted."""
    assert breaker.admits(now_ms) is admitted


def test_an_accepted_attempt_ends_the_row() -> None:
    """In a row means: with nothing accepted in between."""
    assert ALMOST.responded().refused("x", 0) == Breaker(target="sink", failed=("x",))


def test_pauses_grow_up_to_a_minute() -> None:
    """A target that is down for a day costs an attempt a minute."""
    breaker, pauses, now_ms = ALMOST.refused(KEYS[-1], 0), [], 0
    for _ in range(20):
        pauses.append(breaker.probe_at_ms - now_ms)
        now_ms = breaker.probe_at_ms
        breaker = breaker.began("probe").refused("probe", now_ms)

    assert 800 <= pauses[0] <= 1_200
    assert pauses == sorted(pauses)
    assert pauses[-1] == PROBE_PAUSE_MS_MAX


def test_a_receiver_may_ask_for_more() -> None:
    """``Retry-After`` of the attempt that opened it, or of the probe."""
    assert ALMOST.refused(KEYS[-1], 10, retry_after_ms=300_000).probe_at_ms == 300_010
    assert HALF_OPEN.refused("probe", 10, retry_after_ms=300_000).probe_at_ms == 300_010


@given(
    st.lists(
        st.one_of(st.none(), st.just("poisoned"), st.sampled_from(KEYS)),
        min_size=OPEN_AFTER,
        max_size=3 * OPEN_AFTER,
    )
)
def test_a_poisoned_notification_never_opens_it(keys: list[str | None]) -> None:
    """Open means that as many different ones failed since the last that was accepted (None)."""
    breaker, since = CLOSED, set[str]()
    for key in keys:
        if breaker.state is not BreakerState.CLOSED:
            break
        breaker = breaker.responded() if key is None else breaker.refused(key, 0)
        since = set() if key is None else since | {key}

    assert (breaker.state is BreakerState.OPEN) == (len(since) >= OPEN_AFTER)
