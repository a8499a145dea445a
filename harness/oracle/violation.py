"""What a rule sees of one operation, and what it reports."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from fanin.harness.oracle.allowances import Allowances
from fanin.harness.oracle.bounds import Bounds, is_late
from fanin.harness.oracle.evidence import Evidence, Notification, Operation
from fanin.harness.oracle.generations import Generation
from fanin.harness.oracle.text import region_lines
from fanin.harness.verdict import Finding, Rule
from fanin.simulator.language.scenario import Scenario
from fanin.simulator.wire import normalise_region


class Violation(NamedTuple):
    """One broken rule. Many violations of the same rule and kind are reported together."""

    rule: Rule
    kind: str  # how the rule was broken, in a few words, without the operation's name
    message: str  # one sentence
    records: tuple[int, ...]  # indices of those that decide it, in order
    op: str | None = None
    # Entries of docs/bugs.md, separated by spaces; called only for a violation that is reported.
    looks_like: str | Callable[[], str] = ""
    absence: bool = False  # something did not happen, so no record marks the instant
    by_region: Callable[[], tuple[str, ...]] = tuple  # called only for a violation that is reported in full
    also: tuple[Rule, ...] = ()  # what else it shows broken
    form: bool = False  # whether it is about what notifications hold

    def finding(self) -> Finding:
        """The finding in full."""
        return Finding(
            self.rule,
            self.message,
            op=self.op,
            evidence=self.records,
            by_region=self.by_region(),
            looks_like=self.hints(),
            also=self.also,
            form=self.form,
        )

    def hints(self) -> tuple[str, ...]:
        """The bugs that it looks like."""
        named = self.looks_like if isinstance(self.looks_like, str) else self.looks_like()
        return tuple(named.split())


@dataclass(frozen=True, slots=True)
class OperationView:
    """One operation with everything that a rule may ask about it."""

    operation: Operation
    generations: list[Generation]
    evidence: Evidence
    allowances: Allowances
    scenario: Scenario  # with the regions and the timeout that were configured when it began
    undecidable: bool = False  # it may have begun under either of two configurations

    @property
    def first(self) -> Generation:
        """The first operation that had this key, and mostly the only one."""
        return self.generations[0]

    @property
    def tolerance(self) -> int:
        return self.evidence.run.tolerance

    def violation(
        self,
        rule: Rule,
        kind: str,
        message: str,
        *,
        records: Iterable[int],
        notification: Notification | None = None,
        bounds: Bounds | None = None,
        looks_like: str | Callable[[], str] = "",
        absence: bool = False,
        also: tuple[Rule, ...] = (),
        form: bool = False,
    ) -> Violation:
        """A broken rule of this operation.

        Args:
            rule: The clause.
            kind: How it was broken, in a few words.
            message: The rest of a sentence that begins with the operation's name.
            records: Indices of the records that decide it.
            notification: What the lines by region compare with.
            bounds: What the lines by region measure by; default: the first operation's.
            looks_like: Entries of docs/bugs.md, separated by spaces, or what finds them.
            absence: Something did not happen, so no record marks the instant.
            also: What else it shows broken.
            form: Whether it is about what notifications hold.
        """
        measured_by = bounds or self.first.bounds
        return Violation(
            rule,
            kind,
            f"{self.operation.name} {message}",
            tuple(sorted(set(records))),
            op=self.operation.name,
            looks_like=looks_like,
            absence=absence,
            by_region=lambda: region_lines(self.operation, measured_by, notification, self.evidence.unsent),
            also=tuple(it for it in dict.fromkeys(also) if it is not rule),
            form=form,
        )

    def deciding(self, regions: Collection[str]) -> list[int]:
        """Indices of the records that say when these regions may have and certainly had counted."""
        records: list[int] = []
        for region in regions:
            attempts = self.operation.attempts
            counting = [it for it in attempts if it.region == region and it.counts is not False]
            acknowledged = [it for it in counting if it.counts]
            for candidates in (counting, acknowledged):
                if candidates:
                    records += min(candidates, key=attrgetter("sent.at")).records
        return records

    def deliveries_between(self, notified_at: int, until: int) -> list[int]:
        """When deliveries were sent after a notification, until an instant. They are late or duplicates."""
        sent = (it.sent.at for it in self.operation.attempts if it.counts is not False)
        late = (at for at in sent if is_late(at, deadline_until=None, notified_at=notified_at))
        return [at for at in late if at <= until]


def names_each_region_once(notification: Notification, bounds: Bounds) -> bool:
    """Whether it sorts the expected regions into arrived and missing, whatever else it names."""
    expected = sorted(map(normalise_region, bounds.regions))
    arrived, missing = notification.body.arrived, notification.body.missing
    if arrived is None or missing is None:
        return False
    return sorted(name for name in (*arrived, *missing) if name in expected) == expected
