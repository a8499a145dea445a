"""Options and output that several commands share."""

from collections.abc import Sequence

import click

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


def examples(*commands: str) -> str:
    """An epilog of examples, which click does not wrap because of the backspace."""
    heading = "Example:" if len(commands) == 1 else "Examples:"
    return "\n".join(["\b", heading, *(f"  {command}" for command in commands)])


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table, heading first. Columns are as wide as their content; the last one is not padded."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]
