"""The harness's own analysis of a run: which attempt counted, which came twice or late, what the sink heard.

Rules of this file: it reads the scenario, the history and the oracle's deadlines, never the aggregator's
inside; it explains and does not judge. Where an attempt may or may not have counted, it says so.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from fanin.harness.history import FaultApplied, History, RegistryEvent, Unsent
from fanin.harness.oracle.bounds import FOREVER
from fanin.harness.oracle.evidence import Attempt, Evidence, Notification, Operation, collect
from fanin.harness.verdict import Judgement, Verdict
from fanin.simulator.language.scenario import Fault, Scenario


class AttemptOutcome(StrEnum):
    """What became of one attempt, as far as can be seen from outside."""

    COUNTED = "counted"  # the first 2xx of its region for its operation
    AT_DEADLINE = "at-deadline"  # the same, while the deadline passed: it may have been on time or late
    DUPLICATE = "duplicate"  # 2xx, and its region had counted before
    LATE = "late"  # 2xx, the first of its region, after the outcome or the deadline
    NO_EFFECT = "no-effect"  # 2xx, and rightly without effect: a ping, or an action that is not wanted
    REFUSED = "refused"  # answered 3xx or 4xx: it did not count
    WRONGLY_ACCEPTED = "wrongly-accepted"  # flawed, and answered 2xx all the same
    LOST = "lost"  # it certainly never arrived
    INDEFINITE = "indefinite"  # no answer, or a 5xx: it may have counted


@dataclass(slots=True, eq=False)
class OperationAnalysis:
    """What one correlation key names; usually one push."""

    name: str
    records: Operation
    scenario: Scenario  # with the regions and the timeout that held when it began
    judgement: Judgement | None = None
    attempt_outcomes: dict[int, AttemptOutcome] = field(default_factory=dict)  # by attempt number
    counted: dict[str, int] = field(default_factory=dict)  # region -> when its 2xx came
    unsent: list[Unsent] = field(default_factory=list)

    @property
    def indefinite(self) -> set[str]:
        """Regions of which no more is known than that they may have counted."""
        maybe = {attempt.region for attempt in self.records.attempts if attempt.counts is None}
        return {region for region in maybe if region is not None} - self.counted.keys()

    @property
    def deadline(self) -> tuple[int, int] | None:
        """The window in which the deadline lies, both ends in; None when it never started."""
        judged = self.judgement
        if judged is None or judged.deadline_from is None:
            return None
        until = FOREVER if judged.deadline_until is None else judged.deadline_until
        return judged.deadline_from, max(judged.deadline_from, until)

    def armed_at(self, deadline: int) -> int:
        """When a timer for that deadline was set: not before anything was sent, though clocks differ."""
        first = min((attempt.sent.at for attempt in self.records.attempts), default=0)
        return max(deadline - self.scenario.timeout, first)


@dataclass(slots=True)
class RunAnalysis:
    """A run, understood. The numbers beside records are their indices in the history."""

    history: History
    evidence: Evidence
    operations: list[OperationAnalysis]  # in the order in which they first occurred
    occurred: list[tuple[int, RegistryEvent]] = field(default_factory=list)
    unsent: list[tuple[int, Unsent]] = field(default_factory=list)
    faults_applied: list[tuple[int, FaultApplied, Fault]] = field(default_factory=list)
    faults: dict[int, list[Fault]] = field(default_factory=dict)  # by attempt number: what bit it
    _by_key: dict[str, OperationAnalysis] = field(default_factory=dict)
    _by_op: dict[str, OperationAnalysis] = field(default_factory=dict)  # its first key's
    _by_post: dict[int, OperationAnalysis] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for operation in self.operations:
            self._by_key[operation.records.key] = operation
            for occurred in operation.records.events:
                self._by_op.setdefault(occurred.op, operation)
            self._by_post.update(
                {post.received.request: operation for post in operation.records.notifications}
            )

    @property
    def scenario(self) -> Scenario:
        """What was played."""
        return self.history.run.scenario

    def operation_named(self, op: str | None) -> OperationAnalysis | None:
        """The operation that the history calls so."""
        return self._by_op.get(op or "")

    def operation_of(self, attempt: Attempt) -> OperationAnalysis:
        """The operation that an attempt belongs to."""
        return self._by_key[self.evidence.operation_of[attempt.sent.attempt].key]

    def notified_operation(self, post: Notification) -> OperationAnalysis | None:
        """The operation whose notification a post is; None when it is nobody's."""
        return self._by_post.get(post.received.request)

    def restricted_to(self, operation: OperationAnalysis | None) -> "RunAnalysis":
        """The same run with nothing in it but one operation's own; None: but what belongs to no operation."""
        evidence, records = self.evidence, operation.records if operation else None

        def about(op: str) -> bool:
            return operation is not None and self.operation_named(op) is operation

        return replace(
            self,
            operations=[operation] if operation else [],
            evidence=replace(
                evidence,
                operations=(records,) if records else (),
                attempts=tuple(records.attempts) if records else (),
                notifications=tuple(records.notifications) if records else evidence.unattributed,
            ),
            occurred=[it for it in self.occurred if about(it[1].op)],
            unsent=[it for it in self.unsent if about(it[1].op)],
        )

    def outcome_of(self, attempt: Attempt) -> AttemptOutcome:
        """What became of an attempt."""
        return self.operation_of(attempt).attempt_outcomes[attempt.sent.attempt]

    def has_fault(self, attempt: Attempt, *kinds: type[Fault]) -> bool:
        """Whether a fault of one of these kinds bit an attempt."""
        return any(isinstance(fault, kinds) for fault in self.faults.get(attempt.sent.attempt, ()))


def analyse(history: History, verdict: Verdict) -> RunAnalysis:
    """Say what became of everything in a history."""
    evidence = collect(history)
    analysis = RunAnalysis(history, evidence, _operations(evidence, verdict))
    _go_through(analysis)
    for operation in analysis.operations:
        _decide_fates(operation)
    return analysis


def _operations(evidence: Evidence, verdict: Verdict) -> list[OperationAnalysis]:
    judged = {judgement.key: judgement for judgement in verdict.judgements}
    operations: list[OperationAnalysis] = []
    names: dict[str, int] = {}
    for it in evidence.operations:
        names[it.name] = names.get(it.name, 0) + 1
        # One op, several keys: each region's payload has an id of its own.
        name = it.name if names[it.name] == 1 else f"{it.name}.{names[it.name]}"
        operations.append(OperationAnalysis(name, it, evidence.configured_for(it)[0], judged.get(it.key)))
    return operations


def _go_through(analysis: RunAnalysis) -> None:
    """Collect what the evidence keeps without its place: occurrences, losses, and whom each fault bit."""
    faults = analysis.scenario.faults
    sent = {attempt.index: attempt.sent for attempt in analysis.evidence.attempts}
    pending: dict[tuple[str, str], list[Fault]] = {}  # by (op, region): bites before their delivery leaves
    for index, entry in enumerate(analysis.history.entries):
        if isinstance(entry, RegistryEvent):
            analysis.occurred.append((index, entry))
        elif isinstance(entry, Unsent):
            analysis.unsent.append((index, entry))
            operation = analysis.operation_named(entry.op)
            if operation is not None:
                operation.unsent.append(entry)
        elif isinstance(entry, FaultApplied) and 0 <= entry.fault < len(faults):
            fault = faults[entry.fault]
            analysis.faults_applied.append((index, entry, fault))
            if entry.attempt is not None:
                analysis.faults.setdefault(entry.attempt, []).append(fault)
            elif entry.op is not None and entry.region is not None:
                pending.setdefault((entry.op, entry.region), []).append(fault)
        elif index in sent:
            bites = pending.pop((sent[index].op, sent[index].region), [])
            analysis.faults.setdefault(sent[index].attempt, []).extend(bites)


def _decide_fates(operation: OperationAnalysis) -> None:
    """In the order of the answers: the first 2xx of a region is the one that counts."""
    end = max((attempt.ended_index or 0 for attempt in operation.records.attempts), default=0)
    for attempt in sorted(operation.records.attempts, key=lambda it: it.ended_index or end + it.index + 1):
        fate = operation.attempt_outcomes[attempt.sent.attempt] = _fate(operation, attempt)
        if fate in (AttemptOutcome.COUNTED, AttemptOutcome.AT_DEADLINE) and attempt.region is not None:
            operation.counted[attempt.region] = attempt.ended_at


def _fate(operation: OperationAnalysis, attempt: Attempt) -> AttemptOutcome:
    answer = attempt.ended
    if answer is None or answer.definite is None:
        return AttemptOutcome.INDEFINITE
    if not answer.definite:
        return AttemptOutcome.LOST if answer.status is None else AttemptOutcome.REFUSED
    # What starts nothing may be answered 200 even under an unknown region's name.
    if not attempt.awaited and attempt.invalid_because in ("", "unknown-region"):
        return AttemptOutcome.NO_EFFECT
    if attempt.invalid_because:
        # One answer for all that an envelope carries says nothing of a single one.
        return AttemptOutcome.NO_EFFECT if attempt.sent.envelope else AttemptOutcome.WRONGLY_ACCEPTED
    return _accepted(operation, attempt)


def _accepted(operation: OperationAnalysis, attempt: Attempt) -> AttemptOutcome:
    """The fate of a sound and wanted webhook that was answered 2xx."""
    if attempt.region in operation.counted:
        return AttemptOutcome.DUPLICATE
    if any(post.at < attempt.sent.at for post in operation.records.notifications):
        return AttemptOutcome.LATE
    window = operation.deadline
    if window is None or attempt.ended_at < window[0]:
        return AttemptOutcome.COUNTED
    return AttemptOutcome.LATE if attempt.sent.at > window[1] else AttemptOutcome.AT_DEADLINE
