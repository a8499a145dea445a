"""Which operations stand for all the others, and how many came to which outcome.

A run of a thousand operations is explained by the first operation that each broken rule is about, the first
with each outcome, and the first of each kind: those that went the same way, whatever their regions and
instants.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence

from fanin.harness.report.analysis import AttemptOutcome, OperationAnalysis, RunAnalysis
from fanin.harness.report.line import listed
from fanin.harness.report.record_text import outcome_words, stated_outcome
from fanin.harness.verdict import Judgement, Rule, Verdict

# So many operations of a long run are shown one by one.
SHOWN_MAX = 4
# In place of an outcome, where no notification was received, or must be.
NOT_NOTIFIED = "not notified"


def representatives(analysis: RunAnalysis, verdict: Verdict) -> list[OperationAnalysis]:
    """The first operation that each broken rule is about, with each outcome, and of each kind; none twice."""
    by_rule: dict[Rule, OperationAnalysis | None] = {}
    for finding in verdict.findings:
        if finding.op is not None:
            by_rule.setdefault(finding.rule, analysis.operation_named(finding.op))
    alike = (*grouped(analysis.operations, first_outcome), *grouped(analysis.operations, _kind))
    chosen = (*by_rule.values(), *(group[0] for group in alike))
    return list(dict.fromkeys(operation for operation in chosen if operation is not None))


def examples(analysis: RunAnalysis, verdict: Verdict) -> list[OperationAnalysis]:
    """All operations where they are few, else `SHOWN_MAX` representatives; as they happened."""
    if len(analysis.operations) <= SHOWN_MAX:
        return list(analysis.operations)
    chosen = representatives(analysis, verdict)[:SHOWN_MAX]
    return [operation for operation in analysis.operations if operation in chosen]


def _kind(operation: OperationAnalysis) -> Hashable:
    notifications = operation.records.notifications
    attempts = frozenset(operation.attempt_outcomes.values()) - {AttemptOutcome.COUNTED}
    answers = frozenset(
        notification.response.status if notification.response else None for notification in notifications
    )
    unsent = frozenset(entry.reason for entry in operation.unsent)
    return (
        tuple(stated_outcome(notification) for notification in notifications[:2]),
        answers,
        attempts,
        unsent,
    )


def judgement_kind(judgement: Judgement) -> Hashable:
    """Equal for operations with the same outcome of the same legal ones: one reason explains them all."""
    return judgement.legal, judgement.outcome


def grouped[T](items: Iterable[T], kind: Callable[[T], Hashable]) -> list[list[T]]:
    """The items by kind, kinds and items in the order in which they came."""
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        groups.setdefault(kind(item), []).append(item)
    return list(groups.values())


def first_outcome(operation: OperationAnalysis) -> str:
    """What an operation's first notification states; `NOT_NOTIFIED` when there was none."""
    notifications = operation.records.notifications
    return outcome_words(notifications[0]) if notifications else NOT_NOTIFIED


def judged_outcomes(judgements: Sequence[Judgement]) -> list[str]:
    """The outcome of each judgement; `NOT_NOTIFIED` where there was no notification."""
    return [judgement.outcome or NOT_NOTIFIED for judgement in judgements]


def legal_outcomes(judgement: Judgement) -> str:
    """What the outcome could have been: ``completed or timed_out``."""
    return " or ".join(NOT_NOTIFIED if legal == "none" else legal for legal in judgement.legal)


def tally(outcomes: Iterable[str], *, space: str = " ") -> str:
    """``606 completed, 390 timed_out``: how many of each, the most frequent first.

    Args:
        outcomes: One for each operation.
        space: Between a number and its outcome.
    """
    return listed([f"{count:,}{space}{outcome}" for outcome, count in Counter(outcomes).most_common()])
