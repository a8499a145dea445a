"""Single changes that make a legal history illegal, whatever the judge may not know."""

from tests.harness.oracle.fuzz.illegal import deliveries, notifications, outcomes, pushes
from tests.harness.oracle.fuzz.illegal.seen import Change

CHANGES: tuple[Change, ...] = (
    *outcomes.CHANGES,
    *notifications.CHANGES,
    *pushes.CHANGES,
    *deliveries.CHANGES,
)
# Those for which few runs give occasion, the rarest first.
RARE: tuple[Change, ...] = (
    outcomes.reported_when_the_timer_began_anew, outcomes.reported_by_a_later_timeout,
    notifications.no_late_completion, *pushes.CHANGES, notifications.a_wrong_late_completion,
    notifications.a_second_late_completion, deliveries.a_batch_is_refused,
    deliveries.a_batch_of_one_is_accepted, notifications.not_sent_again,
    outcomes.another_configuration, notifications.another_key_each_time, outcomes.lost_from_a_batch,
)  # fmt: skip
