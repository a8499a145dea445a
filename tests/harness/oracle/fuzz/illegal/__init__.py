"""Single changes that make a legal history illegal, whatever the judge may not know."""

from tests.harness.oracle.fuzz.illegal import (
    crashes,
    deliveries,
    isolation,
    load,
    notifications,
    outcomes,
    pushes,
)
from tests.harness.oracle.fuzz.illegal.seen import Change

CHANGES: tuple[Change, ...] = (
    *outcomes.CHANGES,
    *notifications.CHANGES,
    *pushes.CHANGES,
    *deliveries.CHANGES,
    *load.CHANGES,
    *isolation.CHANGES,
    *crashes.CHANGES,
)
# Those for which few runs give occasion.
RARE: frozenset[Change] = frozenset((
    notifications.a_second_late_completion, notifications.no_late_completion,
    isolation.answers_wait_for_the_sink, isolation.held_up_by_another_operation, load.put_off_after_a_burst,
    outcomes.reported_when_the_timer_began_anew, outcomes.reported_by_a_later_timeout,
    *pushes.CHANGES, notifications.a_wrong_late_completion, deliveries.a_batch_is_refused,
    deliveries.a_batch_of_one_is_accepted, notifications.not_sent_again,
    outcomes.another_configuration, notifications.another_key_each_time, outcomes.lost_from_a_batch,
    crashes.sent_again_after_a_late_crash,
))  # fmt: skip
