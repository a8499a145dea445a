"""Names in a scenario: those that are filled in, those that exist, and their one spelling.

Region names compare without surrounding space and in any letter case; once a scenario is read, every one of
them is spelled as in its list of regions.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import structs

from fanin.simulator.language.problems import Mark, Report
from fanin.simulator.language.scenario import Operation, Scenario
from fanin.simulator.text import hint, listed, quoted
from fanin.simulator.wire import normalise_region


def operation_names(operations: Iterable[Operation]) -> list[str]:
    """What each operation is called; without a name of its own: op1, op2, … by its position."""
    return [operation.name or f"op{number}" for number, operation in enumerate(operations, start=1)]


class KnownNames:
    """The names that one kind of thing has in a scenario.

    Args:
        kind: What the things are, for messages.
        names: What each is called, by the form in which names compare.
    """

    def __init__(self, kind: str, names: Mapping[str, str]) -> None:
        self._kind, self._names = kind, names

    def has(self, name: str) -> bool:
        """Whether there is such a thing."""
        return name in self._names

    def check(self, name: str, mark: Mark, report: Report, *, written: str = "") -> bool:
        """Whether there is such a thing; when there is not, that is reported where its name stands."""
        if name in self._names:
            return True
        wrong, valid = written or name, list(self._names.values())
        there = f"there {'is' if len(valid) == 1 else 'are'} {listed(valid) or 'none'}"
        report.add(mark, f"no {self._kind} {quoted(wrong)}; {there}{hint(wrong, valid)}")
        return False


def with_canonical_names(scenario: Scenario) -> Scenario:
    """The same scenario with every operation's name and home, and regions spelled as in ``regions``."""
    spellings = {normalise_region(region): region for region in scenario.regions}

    def canonical(region: str) -> str:
        return spellings[normalise_region(region)]

    def by_region(table: Mapping[str, Any]) -> dict[str, Any]:
        return {canonical(region): value for region, value in table.items()}

    named = zip(scenario.operations, operation_names(scenario.operations), strict=True)
    return structs.replace(
        scenario,
        expects=tuple(map(canonical, scenario.expects)),
        replication=by_region(scenario.replication),
        webhooks=by_region(scenario.webhooks),
        operations=tuple(
            structs.replace(
                operation,
                name=name,
                home=canonical(operation.home or scenario.regions[0]),
                reaches=by_region(operation.reaches),
            )
            for operation, name in named
        ),
        faults=tuple(fault.with_regions(canonical) for fault in scenario.faults),
        expect=tuple(
            structs.replace(each, missing=tuple(map(canonical, each.missing))) for each in scenario.expect
        ),
    )
