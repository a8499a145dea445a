"""Options and output that several commands share."""

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence

import click

CELL_WIDTH_MIN = 24  # columns for a cell, however narrow the terminal is

url_option = click.option(
    "--url", metavar="URL", help="URL of the service. [FANIN_URL, http://127.0.0.1:8080]"
)
format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="json: one object per line, as the API returns it.",
)


def not_empty(ctx: click.Context, param: click.Parameter, text: str | None) -> str | None:
    """Refuse an empty name, as a callback: a variable that is not set must not select everything."""
    if text is not None and not text.strip():
        raise click.BadParameter("is empty; give a name, or leave it out", ctx, param)
    return text


def examples(*commands: str) -> str:
    """An epilog of examples, which click does not wrap because of the backspace."""
    heading = "Example:" if len(commands) == 1 else "Examples:"
    return "\n".join(["\b", heading, *(f"  {command}" for command in commands)])


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table, heading first. Columns are as wide as their content; the last one is not padded.

    On a terminal that is too narrow for it, each row is a record with a line for each column.
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]
    available = _output_width()
    return lines if max(map(len, lines)) <= available else _records(rows, available)


def _records(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Lines of records, with an empty line between two of them. Words, such as ids, are never broken."""
    heading, *entries = rows
    label = max(map(len, heading)) + 2
    found: list[str] = []
    for entry in entries:
        found += [""] if found else []
        for name, cell in zip(heading, entry, strict=True):
            lines = textwrap.wrap(
                cell,
                max(width, label + CELL_WIDTH_MIN),
                initial_indent=name.ljust(label),
                subsequent_indent=" " * label,
                break_long_words=False,
                break_on_hyphens=False,
            )
            found += lines or [name]
    return found


def _output_width() -> int:
    """Columns of the terminal, or as COLUMNS says; in a file each entry is one line, as tools read it."""
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS"):
        return sys.maxsize
    return shutil.get_terminal_size().columns
