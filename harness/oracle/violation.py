"""What a rule gets to see of one operation, and what it brings forward."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from fanin.harness.oracle.allowances import Excuses
from fanin.harness.oracle.bounds import Bounds
from fanin.harness.oracle.evidence import Attempt, Case, Evidence, Post, fold
from fanin.harness.oracle.generations import Generation
from fanin.harness.oracle.text import blame
from fanin.harness.verdict import Finding, Rule
from fanin.simulator.language.scenario import Scenario


class Charge(NamedTuple):
    """One broken rule. Charges with the same rule and way are merged when there are many."""

    rule: Rule
    way: str  # how the rule was broken, in a few words, without naming the operation
    what: str  # one sentence
    records: tuple[int, ...]  # indices of those that decide it, in order
    op: str | None = None
    looks_like: str = ""  # entries of docs/bugs.md, separated by spaces
    silent: bool = False  # something is missing, so no record marks the instant
    blame: Callable[[], tuple[str, ...]] = tuple  # asked only of those that are reported in full

    def finding(self) -> Finding:
        """The finding in full."""
        return Finding(
            self.rule,
            self.what,
            op=self.op,
            evidence=self.records,
            blame=self.blame(),
            looks_like=tuple(self.looks_like.split()),
        )


@dataclass(frozen=True, slots=True)
class Hearing:
    """One operation before its judge."""

    case: Case
    generations: list[Generation]
    evidence: Evidence
    excuses: Excuses
    scenario: Scenario  # with the regions and the timeout that were configured when it began
    undecidable: bool = False  # which ones these were, nobody can tell

    @property
    def first(self) -> Generation:
        """The first operation that had this key, and mostly the only one."""
        return self.generations[0]

    @property
    def tolerance(self) -> int:
        return self.evidence.run.tolerance

    def charge(
        self,
        rule: Rule,
        way: str,
        what: str,
        *,
        records: Iterable[int],
        told: Post | None = None,
        bounds: Bounds | None = None,
        looks_like: str = "",
        silent: bool = False,
    ) -> Charge:
        """Bring a broken rule forward.

        Args:
            rule: The clause.
            way: How it was broken, in a few words.
            what: The rest of a sentence that begins with the operation's name.
            records: Indices of the records that decide it.
            told: The notification that the blame lines are about.
            bounds: What the blame lines measure by; default: the first operation's.
            looks_like: Entries of docs/bugs.md, separated by spaces.
            silent: Something is missing, so no record marks the instant.
        """
        measure = bounds or self.first.bounds
        return Charge(
            rule,
            way,
            f"{self.case.name} {what}",
            tuple(sorted(set(records))),
            op=self.case.name,
            looks_like=looks_like,
            silent=silent,
            blame=lambda: blame(self.case, measure, told, self.evidence.unsent),
        )

    def deciding(self, regions: Collection[str]) -> list[int]:
        """Indices of the records that say when these regions may have and certainly had counted."""
        records: list[int] = []
        for region in regions:
            counting = [it for it in self.case.attempts if it.region == region and it.counts is not False]
            acknowledged = [it for it in counting if it.counts]
            for attempts in (counting, acknowledged):
                if attempts:
                    records += min(attempts, key=_sent_at).records
        return records

    def names_each_region_once(self, told: Post) -> bool:
        """Whether it sorts the expected regions into arrived and missing, whatever else it names."""
        expected = sorted(map(fold, self.scenario.regions))
        arrived, missing = told.notice.arrived, told.notice.missing
        if arrived is None or missing is None:
            return False
        return sorted(name for name in (*arrived, *missing) if name in expected) == expected

    def regions(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those expected regions that a notification names, as the scenario writes them and in its order."""
        named = set(names)
        return tuple(region for region in self.scenario.regions if fold(region) in named)


def _sent_at(attempt: Attempt) -> int:
    return attempt.sent.at
