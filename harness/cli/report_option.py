"""What ``--report DIR`` adds to a command.

Rules of this file: ``fanin --help`` imports it, so slow imports are inside the functions.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fanin.harness.cli import output_folder
from fanin.harness.cli.errors import UserError

if TYPE_CHECKING:
    from fanin.harness.history import History
    from fanin.harness.results import Card

SUMMARY = "GITHUB_STEP_SUMMARY"
HELP = "Write a report into DIR: HTML pages, JUnit XML, JSON and the histories."


def prepare(directory: Path) -> None:
    """Make the folder and see that it can be written, before anything is played.

    Raises:
        UserError: that is not possible.
    """
    try:
        output_folder.prepare(directory)
    except OSError as exc:
        raise unwritable(directory, exc) from exc


def store(directory: Path, card: "Card", *, replay: Callable[["History"], str]) -> None:
    """Write the folder, and in a CI that reads them print annotations.

    They go to stderr, which GitHub's runner reads as well, so that stdout stays what was asked for.

    Raises:
        UserError: the folder cannot be written.
    """
    from fanin.harness.report import annotations, folder

    try:
        folder.write(directory, card, replay=replay)
    except OSError as exc:
        raise unwritable(directory, exc) from exc
    for annotation in annotations.lines(card.judged, replay=replay):
        click.echo(annotation, err=True)
    click.echo(f"report: {directory / 'index.html'}", err=True)


def summarise(card: "Card", environment: Mapping[str, str], *, replay: Callable[["History"], str]) -> None:
    """Append the card to the summary of the CI job, where there is one (GitHub's, and what imitates it)."""
    if not (path := environment.get(SUMMARY)):
        return
    from fanin.harness.report.markdown import card_markdown

    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(card_markdown(card, replay=replay))
    except OSError as exc:
        click.echo(f"{SUMMARY}={path}: {exc.strerror}; there is no summary", err=True)


def unwritable(directory: Path, exc: OSError) -> UserError:
    """The error of a folder that cannot be written."""
    return UserError(f"--report {directory}: {exc.strerror}; choose a folder that can be written")
