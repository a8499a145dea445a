"""The conformance card as text: a line per scenario, the rules, what the failures have in common, and a sum.

Rules of this file: sentences are broken into lines and never cut, because the output may be a file.
"""

from collections.abc import Iterator
from operator import itemgetter

from fanin.harness.report.causes import causes
from fanin.harness.report.line import WIDTH, Line, Tone, line, wrap
from fanin.harness.report.representatives import grouped
from fanin.harness.results import Card, Judged, RuleResult, Skipped, rule_results
from fanin.harness.verdict import Exit, Validity

_SHOWN_MAX = 3  # findings of one rule
_CONTINUED = " " * 11
_TONES = {
    "valid": Tone.GOOD,
    "invalid": Tone.BAD,
    "unknown": Tone.ODD,
    "skipped": Tone.QUIET,
    "kept": Tone.GOOD,
    "BROKEN": Tone.BAD,
    "partly": Tone.ODD,
    "untested": Tone.QUIET,
}
_WORDS = {Exit.VALID: "VALID", Exit.INVALID: "INVALID", Exit.UNKNOWN: "UNKNOWN"}
_WORD_TONES = {Exit.VALID: Tone.GOOD, Exit.INVALID: Tone.BAD, Exit.UNKNOWN: Tone.ODD}


def scenario_lines(result: Judged | Skipped, *, width: int = WIDTH) -> Iterator[Line]:
    """What came of one scenario, and why."""
    if isinstance(result, Skipped):
        kind, why = "skipped", result.reason
    else:
        kind = str(result.verdict.validity)
        doubtful = result.as_stated and result.verdict.doubts and not result.verdict.findings
        why = f"{'as stated: ' if doubtful else ''}{result.summary}"
    yield from _tabular("", kind, f"{result.name:<24}", why, width)


def card_lines(card: Card, *, width: int = WIDTH) -> Iterator[Line]:
    """The rules, each kept or broken with its evidence, notes and causes. The scenarios come before it."""
    yield line("")
    heading = wrap(f"{card.target} and the contract (docs/contract.md):", width, hanging="    ")
    yield from (line(part, Tone.STRONG) for part in heading)
    yield line("")
    for it in rule_results(card):
        yield from _rule_lines(it, width)
    yield from note_lines(card, width=width)
    yield from _cause_lines(card, width)
    yield line("")
    yield from sum_lines(card, width)


def sum_lines(card: Card, width: int = WIDTH) -> Iterator[Line]:
    """`sum_line`, broken into lines."""
    (word, tone), (text, _) = sum_line(card)
    first, *rest = wrap(f"{word}{text}", width, hanging="    ")
    yield (word, tone), (first.removeprefix(word), Tone.PLAIN)
    yield from map(line, rest)


def note_lines(card: Card, *, width: int = WIDTH) -> Iterator[Line]:
    """What was noticed besides the verdicts."""
    said = [(note, result.name) for result in card.judged for note in result.all_notes]
    # What is the same of several is said once.
    alike = grouped(said, itemgetter(0))
    notes = [f"{', '.join(dict.fromkeys(name for _, name in group))}: {group[0][0]}" for group in alike]
    for note in (*card.notes, *notes):
        yield line("")
        for part in f"note: {note}".splitlines():
            yield from (line(text) for text in wrap(part, width, hanging="    "))


def sum_line(card: Card) -> Line:
    """How many scenarios got which verdict, and what that makes of the whole."""
    counts: dict[str, int] = {}
    for result in card.results:
        kind = "skipped" if isinstance(result, Skipped) else str(result.verdict.validity)
        if isinstance(result, Judged) and result.as_stated and result.verdict.validity is Validity.UNKNOWN:
            kind = "unknown as stated"
        counts[kind] = counts.get(kind, 0) + 1
    total = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    if skipped := counts.get("skipped", 0):
        judged = len(card.results) - skipped
        total = f"{judged} of {len(card.results)} scenarios judged: {total}"
    word = card.exit_code
    return (_WORDS[word], _WORD_TONES[word]), (f"  {card.target}: {total}", Tone.PLAIN)


def _rule_lines(it: RuleResult, width: int) -> Iterator[Line]:
    yield from _tabular("  ", it.status, f"{it.rule:<22}", it.why, width)
    for name, finding in it.findings[:_SHOWN_MAX]:
        text = f"{_CONTINUED}{name}: {finding.message}"
        yield from (line(part) for part in wrap(text, width, hanging=f"{_CONTINUED}    "))
    if len(it.findings) > _SHOWN_MAX:
        yield line(f"{_CONTINUED}… and {len(it.findings) - _SHOWN_MAX} more", Tone.QUIET)


def _tabular(indent: str, kind: str, name: str, why: str, width: int) -> Iterator[Line]:
    """Kind, name, and a sentence that goes on below its own beginning."""
    before = " " * len(f"{indent}{kind:<8} {name} ")
    parts = wrap(why, max(width - len(before), len(before))) if why else [""]
    yield (f"{indent}{kind:<8}", _TONES[kind]), (f" {name} {parts[0]}".rstrip(), Tone.PLAIN)
    yield from (line(f"{before}{part}") for part in parts[1:])


def _cause_lines(card: Card, width: int) -> Iterator[Line]:
    for nth, text in enumerate(causes(card)):
        if nth == 0:
            yield line("")
        yield from (line(part, Tone.ODD) for part in wrap(text, width, hanging="    "))
