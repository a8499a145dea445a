"""``fanin outbox``: what a running service could not tell, and to whom; and dead letters sent again."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from fanin.aggregator.cli.client import ServiceClient
from fanin.aggregator.cli.options import examples
from fanin.aggregator.http.query import OUTBOX_STATES

type Shown = Mapping[str, Any]


_url = click.option("--url", metavar="URL", help="Where the service is. [FANIN_URL, http://127.0.0.1:8080]")
_form = click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="json: one object a line, as the service tells it.",
)


@click.group("outbox", epilog=examples("fanin outbox list --state dead", "fanin outbox retry --all"))
def outbox() -> None:
    """Show notifications that nobody has accepted, and send dead letters again.

    The key is taken from FANIN_KEY, or is the first of FANIN_KEYS or FANIN_KEYS_FILE; never from a flag,
    where others could see it.
    """


@outbox.command("list", epilog=examples("fanin outbox list", "fanin outbox list --state dead --format json"))
@click.option("--state", type=click.Choice(list(OUTBOX_STATES)), help="Only those in this state. [both]")
@click.option("--target", metavar="NAME", help="Only those for this target. [all]")
@_form
@_url
def list_(*, state: str | None, target: str | None, form: str, url: str | None) -> None:
    """List what is still to be told, and what was given up."""
    query = {"state": state} if state else {}
    found, _ = ServiceClient(url).entries("/outbox", "entries", query)
    found = [one for one in found if target in (None, one["target"])]
    for line in [json.dumps(one) for one in found] if form == "json" else table(found):
        click.echo(line)


@outbox.command(epilog=examples("fanin outbox retry --all", "fanin outbox retry --target oncall"))
@click.option("--all", "everything", is_flag=True, help="All dead letters.")
@click.option("--target", metavar="NAME", help="Those for this target.")
@click.option("--operation", metavar="ID", help="Those of this operation.")
@_form
@_url
def retry(*, everything: bool, target: str | None, operation: str | None, form: str, url: str | None) -> None:
    """Send dead letters again, under the keys that they had."""
    if everything == bool(target or operation):
        raise click.UsageError("say which: --all, or --target and --operation, or one of the two")
    chosen = {"target": target, "operation": operation}
    query = {name: value for name, value in chosen.items() if value}
    answer = ServiceClient(url).request("POST", "/outbox/retry", query)
    if form == "json":
        click.echo(json.dumps(answer))
        return
    number = answer.get("retried")
    click.echo("there are no such dead letters" if not number else f"{number} on their way again")


def table(found: Sequence[Shown]) -> list[str]:
    """One line for each, under a heading, in columns as wide as they need to be."""
    if not found:
        return ["nothing"]
    rows = [("STATE", "TARGET", "OPERATION", "OUTCOME", "ATTEMPTS", "NEXT", "ERROR")]
    rows += [
        (
            one["state"], one["target"], one["operation"], one["outcome"], str(one["attempts"]),
            _next(one), one["error"] or "-",
        )
        for one in found
    ]  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]


def _next(one: Shown) -> str:
    if one["dead_lettered"]:
        return f"dead-lettered {one['dead_lettered'][:19]}Z"
    return f"{one['next_attempt'][:19]}Z" if one["next_attempt"] else "now"
