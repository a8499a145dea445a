"""What ``fanin verify`` prints: a line per scenario as it ends, then the card; of one the whole story.

Rules of this file: progress goes to stderr; with ``--format json`` nothing but the card is printed.
"""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from fanin.harness.cli.options import output_width, print_lines
from fanin.harness.cli.progress import Progress
from fanin.harness.cli.terminal import for_terminal

if TYPE_CHECKING:
    from fanin.harness.results import Card, Judged, Skipped


class VerifyOutput:
    """Collects results, and prints each as it comes, where there are several."""

    def __init__(self, form: str, scenarios: int, *, more: bool = False) -> None:
        """Begin.

        Args:
            form: ``text`` or ``json``.
            scenarios: How many will be played.
            more: Others may follow, so that even a single one gets a line and a card.
        """
        self.results: list[Judged | Skipped] = []
        self._form = form
        self._single = scenarios == 1 and not more
        self._progress = Progress(scenarios)

    @property
    def for_people(self) -> bool:
        """Whether text is printed, and not one object in the end."""
        return self._form == "text"

    def say(self, text: str) -> None:
        """Print progress, for people."""
        if self._form == "text":
            self._progress.wipe()
            click.echo(for_terminal(text), err=True)

    def take(self, result: "Judged | Skipped") -> None:
        """Keep a result, and print its line."""
        from fanin.harness.report.card_text import scenario_lines
        from fanin.harness.results import Skipped

        self.results.append(result)
        if self._form == "text" and not self._single:
            if isinstance(result, Skipped):
                self._progress.leave_out()
            else:
                self._progress.advance()
            print_lines(scenario_lines(result, width=output_width()))
            self._progress.show()

    def end_of_results(self) -> None:
        """Remove what shows progress."""
        self._progress.wipe()

    def finish(self, card: "Card", replay: "Callable[[Judged], str]", lacking: str) -> None:
        """Print the card, or of one scenario its timeline, finding and evidence.

        Args:
            card: All results.
            replay: The command that plays one scenario again.
            lacking: The command that plays all again without what needs what the target seems to lack.
        """
        from fanin.harness.results import as_json

        if self._form == "json":
            click.echo(json.dumps(as_json(card)))
        elif self._single:
            _print_story(card, replay)
        else:
            _print_card(card, replay, lacking)


def _print_story(card: "Card", replay: "Callable[[Judged], str]") -> None:
    from fanin.harness.report.card_text import note_lines, scenario_lines, sum_lines
    from fanin.harness.report.line import line
    from fanin.harness.report.text import report

    width = output_width()
    for skipped in card.skipped:
        print_lines(scenario_lines(skipped, width=width))
    for judged in card.judged:
        print_lines(
            report(judged.history, judged.verdict, replay=replay(judged), errors=judged.errors, width=width)
        )
    print_lines([*note_lines(card, width=width), line(""), *sum_lines(card, width)])


def _print_card(card: "Card", replay: "Callable[[Judged], str]", lacking: str) -> None:
    from fanin.harness.report.card_text import card_lines
    from fanin.harness.report.causes import begin_with, failures, failures_of_its_own
    from fanin.harness.report.line import Tone, line

    print_lines(card_lines(card, width=output_width()))
    if failed := failures_of_its_own(card):
        findings = [result for result in failed if result.verdict.findings]
        print_lines([line(f"next: {replay(begin_with(findings or failed))}", Tone.STRONG)])
    elif failures(card):
        print_lines([line(f"next: {lacking}", Tone.STRONG)])
