"""The conformance card as Markdown, for the summary of a CI job.

Rules of this file: pure; what a target says about itself is shown as code, so that it cannot be markup.
"""

from collections.abc import Callable, Iterator

from fanin.harness.history import History
from fanin.harness.report.card_text import sum_line
from fanin.harness.report.causes import causes, failures
from fanin.harness.report.line import clean, plain
from fanin.harness.results import Card, Judged, RuleResult, rule_results

# GitHub shows a summary of up to a mebibyte; who has more findings reads the report.
_FAILURES_MAX = 50


def card_markdown(card: Card, *, replay: Callable[[History], str]) -> str:
    """The card: its sum, the rules, what failed and how to play it again, and the notes."""
    return "\n".join([*_lines(card, replay), ""])


def _lines(card: Card, replay: Callable[[History], str]) -> Iterator[str]:
    failed = failures(card)
    yield "## Webhook fan-in contract"
    yield ""
    yield _code(plain(sum_line(card)))
    yield ""
    yield "| rule | | |"
    yield "|---|---|---|"
    yield from (_rule(it) for it in rule_results(card))
    if failed:
        yield ""
        yield "### What failed"
        yield ""
        for result in failed[:_FAILURES_MAX]:
            yield from _failure(result, replay)
        if len(failed) > _FAILURES_MAX:
            yield f"- … and {len(failed) - _FAILURES_MAX} more"
    for nth, text in enumerate(causes(card)):
        yield from () if nth else ("", "### What is behind it", "")
        yield f"- {_escaped(text)}"
    if card.skipped:
        yield ""
        yield f"Skipped: {', '.join(f'`{it.name}` ({", ".join(it.lacks) or it.why})' for it in card.skipped)}"
    for note in card.notes:
        yield ""
        yield f"> {_escaped(note)}"


def _rule(it: RuleResult) -> str:
    why = it.why or "; ".join(f"{name}: {finding.message}" for name, finding in it.findings[:1])
    status = f"**{it.status}**" if it.findings else it.status
    return f"| `{it.rule}` | {status} | {_escaped(why)} |"


def _failure(result: Judged, replay: Callable[[History], str]) -> Iterator[str]:
    yield f"- **{result.name}** {result.verdict.validity}: {_escaped(result.summary)}"
    yield f"  {_code(replay(result.history))}"


def _code(text: str) -> str:
    """Text as code, whatever backticks it holds."""
    text = " ".join(clean(text).split())
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _escaped(text: str) -> str:
    """Text on one line that is shown as it is."""
    flat = " ".join(clean(text).split())
    return "".join(f"\\{it}" if it in "\\`*_{}[]<>#|~" else it for it in flat)
