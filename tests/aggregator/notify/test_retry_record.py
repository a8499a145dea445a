"""The record of one notification to one target: attempted, retried, dead, requeued."""

import msgspec

from fanin.aggregator.engine import OutboxEntry
from fanin.aggregator.fanin import Phase
from fanin.aggregator.notify.port import NotDeliveredError
from fanin.aggregator.notify.retry_policy import RetryPolicy
from fanin.aggregator.notify.retry_record import RetryDecision, RetryRecord, decide_retry
from tests.aggregator.notify.notifications import notification

NOTIFICATION = notification(deadline_ms=1, decided_ms=0)


def test_a_failure_sets_the_time_of_the_next_attempt() -> None:
    """The pause comes from the decision, and is added up."""
    once = RetryRecord().after(RetryDecision(error="e", pause_ms=500), key="k", now_ms=1_000)
    twice = once.after(RetryDecision(error="f", pause_ms=700), key="k", now_ms=2_000)

    assert once == RetryRecord(attempts=1, tried_ms=500, due_ms=1_500, error="e")
    assert twice == RetryRecord(attempts=2, tried_ms=1_200, due_ms=2_700, error="f")


def test_only_an_attempt_that_counts_is_counted() -> None:
    """A receiver that has asked for a pause was not asked again."""
    decision = RetryDecision(error="e", pause_ms=500, counts=False)

    assert RetryRecord().after(decision, key="k", now_ms=0).attempts == 0


def test_a_failure_without_a_decision_about_the_pause_has_the_backoff() -> None:
    """The process that attempted it has crashed; a replay has no settings to read."""
    record = RetryRecord().after(RetryDecision(error="crashed"), key="k", now_ms=2_000)

    assert record.due_ms is not None
    assert 2_800 <= record.due_ms <= 3_200


def test_a_dead_letter_has_no_next_attempt_and_can_be_requeued() -> None:
    """It begins anew."""
    dead = RetryRecord(attempts=4).after(RetryDecision(error="e", pause_ms=1, dead=True), key="k", now_ms=7)

    assert (dead.attempts, dead.due_ms, dead.dead_ms, dead.error) == (5, None, 7, "e")
    assert dead.requeued() == RetryRecord()


def test_the_policy_decides_when_it_is_dead() -> None:
    """This attempt is one of those that the policy allows."""
    policy = RetryPolicy(attempts_max=2)
    error = NotDeliveredError("refused")

    assert not decide_retry(RetryRecord(), error, key="k", retry_policy=policy).dead
    assert decide_retry(RetryRecord(attempts=1), error, key="k", retry_policy=policy).dead


def test_the_receiver_decides_what_is_final_and_how_long_to_pause() -> None:
    """Within limits."""
    policy = RetryPolicy()
    final = NotDeliveredError("gone", final=True)
    paused = NotDeliveredError("pause", retry_after_ms=60_000, sent=False)

    assert decide_retry(RetryRecord(), final, key="k", retry_policy=policy).dead
    decision = decide_retry(RetryRecord(), paused, key="k", retry_policy=policy)
    assert not decision.counts
    assert 60_000 <= (decision.pause_ms or 0) <= 72_000


def test_it_is_shown_as_an_entry_of_the_outbox() -> None:
    """With the notification's outcome and key."""
    record = RetryRecord(attempts=1, tried_ms=5, due_ms=9, error="e")

    assert OutboxEntry.of("hook", NOTIFICATION, record) == OutboxEntry(
        "op-1", "hook", Phase.COMPLETED, "k", attempts=1, due_ms=9, error="e", dead_ms=None
    )


def test_its_stored_form_is_short() -> None:
    """Engines store it by the million: what is not there is left out."""
    assert msgspec.json.encode(RetryRecord()) == b"{}"
    assert msgspec.json.encode(RetryRecord(attempts=1, error="e")) == b'{"attempts":1,"error":"e"}'
