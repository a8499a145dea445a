"""What a drawn run consists of: its records, and what is true of it, which the judge does not see."""

from dataclasses import dataclass, field
from functools import cached_property

from msgspec.structs import replace

from fanin.harness.history import (
    AttemptEnded,
    AttemptSent,
    End,
    Entry,
    History,
    NotificationReceived,
    RegistryEvent,
    Run,
)
from fanin.simulator.language.scenario import Only, Scenario
from fanin.simulator.wire import Subscribable
from tests.harness.oracle.fuzz.surroundings import REDELIVERY_GRACE_MS, Surroundings

RETENTION_MS = 7 * 86_400_000
EPOCH_MS = 1_772_323_200_000
TOO_BIG = "malformed:huge"  # good JSON, but more than an aggregator need take
CHARTS = ("chart_push", "chart_delete")
AWAITED: tuple[Subscribable, ...] = ("push", "delete", "chart_push")


@dataclass
class Truth:
    """One operation, as the aggregator knows it."""

    event: RegistryEvent  # whose delivery began it; of one that never began: of its subject
    key: str = ""
    awaited: bool = True
    regions: tuple[str, ...] = ()  # those that it waits for
    deadline: int = 0
    counts_at_deadline: bool = False  # whether an arrival of that very instant is on time
    arrivals: dict[str, int] = field(default_factory=dict)  # by region: when each that counts was committed
    late: set[str] = field(default_factory=set)  # the regions that came after the outcome
    ids: list[str] = field(default_factory=list)  # those of the deliveries that count
    complete_at: int | None = None
    late_at: int | None = None  # when the last of the missing regions came
    told: list[NotificationReceived] = field(default_factory=list)  # its outcome
    told_late: list[NotificationReceived] = field(default_factory=list)  # its late completion

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(it for it in self.regions if it not in self.arrivals)

    @property
    def outcome(self) -> str:
        return "timed_out" if self.missing else "completed"

    @property
    def decided(self) -> int:
        """When its outcome was decided."""
        return self.deadline if self.complete_at is None else self.complete_at

    def waits_at(self, at: int) -> bool:
        """Whether an arrival of this instant still counts."""
        before = at < self.deadline or (at == self.deadline and self.counts_at_deadline)
        return before and self.complete_at is None


@dataclass
class Planned:
    """One attempt: when it reaches the aggregator, and how it ends if that answers."""

    sent: AttemptSent
    event: RegistryEvent
    ended: AttemptEnded  # without a status and an error: as the aggregator answers
    commits: int | None = None  # when it is stored, if it is; None: it never is
    accepted: bool | None = None  # None: it did not reach the aggregator, or must be refused

    @property
    def is_answered(self) -> bool:
        return self.ended.status is None and not self.ended.error


@dataclass
class Subject:
    """What one correlation key names: one event, or several that have the key in common."""

    events: list[RegistryEvent]
    awaited: bool
    # Of several pushes: every region reports each once, and all have before the next one.
    in_order: bool = False
    planned: list[Planned] = field(default_factory=list)
    operations: list[Truth] = field(default_factory=list)  # one after the other


@dataclass(eq=False)
class LegalRun:
    """One drawn run, and what is true of it."""

    around: Surroundings
    correlation: str
    only: Only = field(default_factory=Only)
    notifies_late: bool = False
    drift: int = 0
    entries: list[Entry] = field(default_factory=list)
    last: list[Entry] = field(default_factory=list)  # what comes after all others of its instant
    subjects: list[Subject] = field(default_factory=list)
    bursts: list[tuple[int, int]] = field(default_factory=list)  # when, and the attempt that is put off then
    numbers: int = 0

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    @cached_property  # asked for when all is drawn
    def truths(self) -> list[Truth]:
        """The first operation of every key that only one event has."""
        return [it.operations[0] for it in self.subjects if len(it.events) == 1]

    @property
    def successors(self) -> int:
        """How many operations of one event began when the key of an earlier one was forgotten."""
        return sum(len(it.operations) - 1 for it in self.subjects if len(it.events) == 1)

    def history(self) -> History:
        """As the harness would have recorded it."""
        return as_history(self, self.entries)


def as_history(run: LegalRun, entries: list[Entry]) -> History:
    """These entries in order, watched long enough."""
    around = run.around
    scenario = Scenario(
        "drawn",
        "Drawn at random",
        regions=around.all_regions,
        expects=around.regions if around.regions != around.all_regions else (),
        timeout=around.timeout,
        correlation=run.correlation,  # type: ignore[arg-type]
        actions=AWAITED,
        only=run.only,
        notifies_late=run.notifies_late,
        faults=around.faults,
        replicas=around.replicas,
    )
    last = max(entry.at for entry in entries)
    ends = [fault.until or 0 for fault in around.sink_faults]
    end = max(last, *ends, 0) + 3 * max(around.timeouts) + 3 * REDELIVERY_GRACE_MS
    ordered = sorted(entries, key=lambda it: it.at)  # stable: what was written first comes first
    return History(Run(scenario, 0, epoch=EPOCH_MS, clock_drift=run.drift), [*ordered, End(end)])


def answered(planned: Planned, status: int, retry_after: str | None = None) -> AttemptEnded:
    """How an attempt ends that is answered so."""
    return replace(planned.ended, status=status, retry_after=retry_after)
