"""Clause 5: after a crash the aggregator starts again on the data it left, and before long."""

from collections.abc import Iterator

from fanin.harness.history import TargetState
from fanin.harness.oracle.allowances import Allowances
from fanin.harness.oracle.evidence import Evidence
from fanin.harness.oracle.text import reason_of
from fanin.harness.oracle.violation import Violation
from fanin.harness.verdict import Rule
from fanin.simulator.durations import format_duration
from fanin.simulator.instants import clock


def check(evidence: Evidence, allowances: Allowances) -> Iterator[Violation]:
    """An aggregator that was up starts again on its own data, before long; a replica beside the others."""
    if not allowances.ever_up:
        return
    yield from _slow_starts(evidence)
    last_changes = {change.replica: (index, change) for index, change in evidence.lifecycle}
    for index, last in last_changes.values():
        if last.reason == "failed":
            name = _name(last)
            again = "" if last.replica else " again"
            why = reason_of(last.error) or "it gave no reason"
            message = f"{name} did not start{again} at {clock(last.at)}: {why}"
            yield Violation(Rule.ACKNOWLEDGEMENT, f"it did not start{again}", message, (index,))


def _slow_starts(evidence: Evidence) -> Iterator[Violation]:
    """Starts after a crash or stop that took longer than the limit. Before the first one it had no data."""
    limit, was_up = evidence.run.start_limit, set()
    for index, change in evidence.lifecycle:
        if change.state != "up":
            continue
        if change.replica in was_up and change.took > limit:
            message = (
                f"{_name(change)} took {format_duration(change.took)} to start again, until"
                f" {clock(change.at)}; a start may take {format_duration(limit)}"
            )
            yield Violation(Rule.ACKNOWLEDGEMENT, "a start took too long", message, (index,))
        was_up.add(change.replica)


def _name(change: TargetState) -> str:
    return f"replica {change.replica}" if change.replica else "the aggregator"
