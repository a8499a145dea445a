"""What every engine says of a decision, in the same figures and words."""

from fanin.aggregator import log
from fanin.aggregator.fanin import Notify, Phase
from fanin.aggregator.metrics import Metrics


def decided(metrics: Metrics, notify: Notify) -> str:
    """Count an outcome, once; return its line for `log.lines`."""
    metrics.outcomes[notify.outcome] += 1
    if notify.outcome is Phase.TIMED_OUT:
        metrics.timer_delay_s.add((notify.decided_ms - notify.deadline_ms) / 1000)
    return log.line(
        "decided",
        operation=notify.operation_id,
        outcome=notify.outcome,
        arrived=notify.arrived,
        missing=notify.missing or None,
    )
