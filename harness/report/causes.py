"""What is behind findings and failures: the known bugs that they look like, and where to begin reading.

Rules of this file: pure; the sentences are those of docs/bugs.md.
"""

from collections.abc import Iterator, Sequence

from fanin.harness.known_bugs import KNOWN_BUGS
from fanin.harness.report.representatives import grouped
from fanin.harness.results import Card, Judged
from fanin.harness.verdict import Finding

_SHOWN_MAX = 2  # bugs that one finding looks like


def resemblances(finding: Finding) -> list[str]:
    """``B50: 2xx was answered …`` for each bug that the finding looks like: what is usually behind it."""
    known = [number for number in finding.looks_like if number in KNOWN_BUGS]
    return [_named(number) for number in known[:_SHOWN_MAX]]


def causes(card: Card) -> Iterator[str]:
    """The failures by the bug that they look like, the most frequent first."""
    found = [result for result in failures_of_its_own(card) if result.verdict.findings]
    for group in sorted(grouped(found, _resembled), key=len, reverse=True):
        number = _resembled(group[0])
        several = f"{len(group)} runs look" if len(group) > 1 else "1 run looks"
        first = begin_with(group)
        text = f"{several} like {_named(number) if number else 'no known bug'}; begin with {first.name}"
        if first.errors:
            text += f", where it raised, in {first.errors[0].partition('\n')[0]}"
        yield text


def failures(card: Card) -> list[Judged]:
    """The scenarios that got another verdict than they state."""
    return [result for result in card.judged if not result.as_stated]


def failures_of_its_own(card: Card) -> list[Judged]:
    """The failures without those that show what the target seems to lack, and may."""
    excused = {name for lack in card.seeming_lacks for name in lack.scenarios}
    return [result for result in failures(card) if result.name not in excused]


def begin_with(results: Sequence[Judged]) -> Judged:
    """The one whose history is the shortest to read."""
    return min(results, key=lambda result: len(result.history.entries))


def _named(number: str) -> str:
    return f"{number}: {KNOWN_BUGS[number].cause}"


def _resembled(result: Judged) -> str:
    """The number of the bug that a failure looks like most; empty where it looks like none."""
    findings = sorted(result.verdict.findings, key=lambda finding: finding.form)
    named = (number for finding in findings for number in finding.looks_like)
    return next((number for number in named if number in KNOWN_BUGS), "")
