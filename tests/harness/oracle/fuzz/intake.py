"""A right aggregator takes deliveries, in the order in which they are committed (contract, clauses 1 to 6).

Where the contract leaves two things open, either is done at random.
"""

from fanin.harness.history import RegistryEvent
from tests.harness.oracle.fuzz.model import RETENTION_MS, LegalRun, Subject, Truth


class Intake:
    """What the aggregator knows of one correlation key."""

    def __init__(self, run: LegalRun, subject: Subject) -> None:
        self._run, self._subject = run, subject
        self._around, self._rng = run.around, run.around.rng
        self._ids: dict[str, set[str]] = {}  # by region: those that it has sent
        self._began: list[RegistryEvent] = []  # the pushes by which operations began

    def take(self, event: RegistryEvent, region: str, at: int) -> bool:
        """Whether a delivery is accepted; it has been stored then, if there is anything to store."""
        is_configured = region in self._around.regions_at(at)
        if not self._subject.awaited:
            return is_configured or self._rng.random() < 0.5
        accepted = self._stored(event, region, at, is_configured=is_configured)
        if accepted:
            self._ids.setdefault(region, set()).add(event.ids[region])
        return accepted

    def _stored(self, event: RegistryEvent, region: str, at: int, *, is_configured: bool) -> bool:
        latest = self._subject.operations[-1] if self._subject.operations else None
        if latest is None or self._begins_anew(latest, event, region, at):
            if is_configured:
                self._begin(event, region, at)
            return is_configured
        if region not in latest.regions:
            return is_configured and self._rng.random() < 0.5
        if latest.waits_at(at):
            if not self._repeats(event, region):
                self._arrive(latest, event, region, at)
            return True
        if not is_configured and self._rng.random() < 0.5:
            return False
        if not self._repeats(event, region):
            self._come_late(latest, region, at)
        return True

    def _repeats(self, event: RegistryEvent, region: str) -> bool:
        """Whether it is the delivery of an earlier push once more."""
        return event.ids[region] in self._ids.get(region, ())

    def _begins_anew(self, latest: Truth, event: RegistryEvent, region: str, at: int) -> bool:
        """Whether a delivery begins another operation than the latest. Each push begins one at most."""
        if latest.waits_at(at):
            return False
        if self._may_be_forgotten(at) and self._rng.random() < 0.5:
            self._ids, self._began = {}, []
            return True
        reported = region in latest.arrivals or region in latest.late
        is_new = event not in self._began and not self._repeats(event, region)
        return self._run.correlation == "image" and is_new and reported

    def _may_be_forgotten(self, at: int) -> bool:
        operations = self._subject.operations
        return bool(operations) and at >= operations[-1].decided + RETENTION_MS

    def _begin(self, event: RegistryEvent, region: str, at: int) -> None:
        number = len(self._subject.operations)
        name, drift = self._subject.events[0].op, self._run.drift
        same_key = self._may_be_forgotten(at) and not self._began and self._rng.random() < 0.5
        truth = Truth(
            event,
            key=f"key-{name}" if not number or same_key else f"key-{name}-{number + 1}",
            regions=self._around.regions_at(at),
            deadline=at + self._around.timeout_at(at) + self._rng.randint(-drift, drift),
            counts_at_deadline=self._rng.random() < 0.5,
        )
        self._subject.operations.append(truth)
        self._began.append(event)
        self._arrive(truth, event, region, at)

    def _arrive(self, truth: Truth, event: RegistryEvent, region: str, at: int) -> None:
        truth.ids.append(event.ids[region])
        truth.arrivals.setdefault(region, at)
        if not truth.missing:
            truth.complete_at = max(truth.arrivals.values())

    def _come_late(self, truth: Truth, region: str, at: int) -> None:
        truth.late.add(region)
        if truth.late_at is None and truth.missing and truth.late >= {*truth.missing}:
            truth.late_at = at
