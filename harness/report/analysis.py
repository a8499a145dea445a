"""What happened in a run, derived from its history: what became of each attempt, and of each operation.

Rules of this file: it reads the scenario, the history and the oracle's deadlines, never the aggregator's own
state; it explains and does not judge. What cannot be known from outside is called indefinite.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from fanin.harness.history import FaultApplied, History, RegistryEvent, Unsent
from fanin.harness.oracle.bounds import FOREVER, is_late, is_on_time
from fanin.harness.oracle.evidence import Attempt, Evidence, Notification, Operation, collect
from fanin.harness.oracle.pushes import separate
from fanin.harness.verdict import Judgement, Verdict
from fanin.simulator.faults.delivery import DeliveryFault
from fanin.simulator.faults.fault import Fault
from fanin.simulator.language.scenario import Scenario


class AttemptOutcome(StrEnum):
    """What became of one attempt, as far as can be seen from outside."""

    COUNTED = "counted"  # the first 2xx of its region for its operation
    AT_DEADLINE = "at-deadline"  # the same, while the deadline passed: it may have been on time or late
    DUPLICATE = "duplicate"  # 2xx, and its region had counted before
    LATE = "late"  # 2xx, the first of its region, after the outcome or the deadline
    NO_EFFECT = "no-effect"  # 2xx, and rightly without effect: a ping, or an action that is not awaited
    REFUSED = "refused"  # answered 3xx or 4xx: it did not count
    WRONGLY_ACCEPTED = "wrongly-accepted"  # invalid, and answered 2xx all the same
    LOST = "lost"  # it certainly never arrived
    INDEFINITE = "indefinite"  # no answer, or a 5xx: it may have counted


@dataclass(slots=True, eq=False)
class OperationAnalysis:
    """What became of the operation that one correlation key names; usually one push."""

    name: str  # unique in the run
    records: Operation
    scenario: Scenario  # with the regions and the timeout that held when it began
    judgement: Judgement | None = None
    attempt_outcomes: dict[int, AttemptOutcome] = field(default_factory=dict)  # by attempt number
    counted: dict[str, int] = field(default_factory=dict)  # by region: when its 2xx came
    unsent: list[Unsent] = field(default_factory=list)
    _departures: list[int] | None = None

    def only_repeats(self, received: Notification) -> bool:
        """Whether its outcome and its key, and those of all before it, are those of the first.

        A sink that fails for days is sent tens of thousands, so nothing here looks at all of them for each.
        """
        if self._departures is None:
            self._departures = [
                _departure(self.records.notifications),
                _departure(self.records.late_completions),
            ]
        return received.index < self._departures[received.is_late_completion]

    @property
    def indefinite(self) -> set[str]:
        """Regions that may have counted, and of which no more is known."""
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


def _departure(notifications: list[Notification]) -> int:
    """The index of the first that has another outcome or another key than the first of all."""
    for received in notifications:
        if _stated(received) != _stated(notifications[0]):
            return received.index
    return FOREVER


def _stated(received: Notification) -> tuple[str | None, str]:
    outcome = received.body.raw_outcome
    return received.received.key, outcome if isinstance(outcome, str) else ""


@dataclass(slots=True)
class RunAnalysis:
    """What happened in one run. A number beside a record is the record's index in the history."""

    history: History
    evidence: Evidence
    operations: list[OperationAnalysis]  # in the order in which they first occurred
    registry_events: list[tuple[int, RegistryEvent]] = field(default_factory=list)
    unsent: list[tuple[int, Unsent]] = field(default_factory=list)
    faults_applied: list[tuple[int, FaultApplied, Fault]] = field(default_factory=list)
    attempt_faults: dict[int, list[Fault]] = field(default_factory=dict)  # by attempt number
    _by_key: dict[str, OperationAnalysis] = field(default_factory=dict)
    _by_op: dict[str, OperationAnalysis] = field(default_factory=dict)  # its first key's
    _by_request: dict[int, OperationAnalysis] = field(default_factory=dict)  # of notifications

    def __post_init__(self) -> None:
        for operation in self.operations:
            records = operation.records
            self._by_key[records.key] = operation
            for event in records.events:
                self._by_op.setdefault(event.op, operation)
            self._by_request |= {it.received.request: operation for it in records.read}

    @property
    def scenario(self) -> Scenario:
        """What was played."""
        return self.history.run.scenario

    def operation_named(self, op: str | None) -> OperationAnalysis | None:
        """The operation of that name in the history."""
        return self._by_op.get(op or "")

    def operation_of(self, attempt: Attempt) -> OperationAnalysis:
        """The operation that an attempt belongs to."""
        return self._by_key[self.evidence.operation_of[attempt.sent.attempt].key]

    def notified_operation(self, notification: Notification) -> OperationAnalysis | None:
        """The operation that a notification is about; None when it cannot be attributed."""
        return self._by_request.get(notification.received.request)

    def outcome_of(self, attempt: Attempt) -> AttemptOutcome:
        """What became of an attempt."""
        return self.operation_of(attempt).attempt_outcomes[attempt.sent.attempt]

    def delivery_faults(self, attempt: Attempt) -> list[DeliveryFault]:
        """The faults that changed an attempt, or what became of it."""
        faults = self.attempt_faults.get(attempt.sent.attempt, ())
        return [fault for fault in faults if isinstance(fault, DeliveryFault)]

    def restricted_to(self, operation: OperationAnalysis | None) -> "RunAnalysis":
        """The same run with one operation only; None: with only those records that belong to no operation."""
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
                notifications=tuple(records.read) if records else evidence.unattributed,
            ),
            registry_events=[it for it in self.registry_events if about(it[1].op)],
            unsent=[it for it in self.unsent if about(it[1].op)],
        )


def analyse(history: History, verdict: Verdict) -> RunAnalysis:
    """Derive what became of everything in a history.

    Args:
        history: What happened.
        verdict: The oracle's answer to it, for the deadlines.
    """
    evidence = separate(collect(history))
    analysis = RunAnalysis(history, evidence, _operations(evidence, verdict))
    _index_records(analysis)
    for operation in analysis.operations:
        _derive_outcomes(operation)
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


def _index_records(analysis: RunAnalysis) -> None:
    """Collect what the evidence keeps without indices: registry events, unsent webhooks, applied faults."""
    faults = analysis.scenario.faults
    sent = {attempt.index: attempt.sent for attempt in analysis.evidence.attempts}
    pending: dict[tuple[str, str], list[Fault]] = {}  # by (op, region): applied before an attempt is sent
    for index, entry in enumerate(analysis.history.entries):
        if isinstance(entry, RegistryEvent):
            analysis.registry_events.append((index, entry))
        elif isinstance(entry, Unsent):
            analysis.unsent.append((index, entry))
            operation = analysis.operation_named(entry.op)
            if operation is not None:
                operation.unsent.append(entry)
        elif isinstance(entry, FaultApplied) and 0 <= entry.fault < len(faults):
            fault = faults[entry.fault]
            analysis.faults_applied.append((index, entry, fault))
            if entry.attempt is not None:
                analysis.attempt_faults.setdefault(entry.attempt, []).append(fault)
            elif entry.op is not None and entry.region is not None:
                pending.setdefault((entry.op, entry.region), []).append(fault)
        elif index in sent:
            applied = pending.pop((sent[index].op, sent[index].region), [])
            analysis.attempt_faults.setdefault(sent[index].attempt, []).extend(applied)


def _derive_outcomes(operation: OperationAnalysis) -> None:
    """In the order in which attempts ended: the first 2xx of a region is the one that counts."""
    attempts = operation.records.attempts
    end = max((attempt.ended_index or 0 for attempt in attempts), default=0)
    for attempt in sorted(attempts, key=lambda it: it.ended_index or end + it.index + 1):
        outcome = operation.attempt_outcomes[attempt.sent.attempt] = _outcome(operation, attempt)
        if outcome in (AttemptOutcome.COUNTED, AttemptOutcome.AT_DEADLINE) and attempt.region is not None:
            operation.counted[attempt.region] = attempt.ended_at


def _outcome(operation: OperationAnalysis, attempt: Attempt) -> AttemptOutcome:
    ended = attempt.ended
    if ended is None or ended.definite is None:
        return AttemptOutcome.INDEFINITE
    if not ended.definite:
        return AttemptOutcome.LOST if ended.status is None else AttemptOutcome.REFUSED
    # What starts nothing may be answered 200 even under an unknown region's name.
    if not attempt.awaited and attempt.invalid_because in ("", "unknown-region"):
        return AttemptOutcome.NO_EFFECT
    if attempt.invalid_because:
        # One answer for all that an envelope carries says nothing of a single one.
        return AttemptOutcome.NO_EFFECT if attempt.sent.envelope else AttemptOutcome.WRONGLY_ACCEPTED
    return _accepted(operation, attempt)


def _accepted(operation: OperationAnalysis, attempt: Attempt) -> AttemptOutcome:
    """The outcome of a valid and awaited webhook that was answered 2xx."""
    if attempt.region in operation.counted:
        return AttemptOutcome.DUPLICATE
    notified_at = next((it.at for it in operation.records.notifications), None)
    earliest, latest = operation.deadline or (None, None)
    if is_late(attempt.sent.at, deadline_until=latest, notified_at=notified_at):
        return AttemptOutcome.LATE
    on_time = is_on_time(attempt.ended_at, deadline_from=earliest)
    return AttemptOutcome.COUNTED if on_time else AttemptOutcome.AT_DEADLINE
