"""``fanin outbox``: lists pending notifications and dead letters, and sends dead letters again."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from fanin.aggregator.cli.client import ServiceClient
from fanin.aggregator.cli.options import examples, format_option, table, url_option
from fanin.aggregator.http.query import OUTBOX_STATES

type Entry = Mapping[str, Any]


@click.group("outbox", epilog=examples("fanin outbox list --state dead", "fanin outbox retry --all"))
def outbox() -> None:
    """List notifications that their target has not accepted, and send dead letters again.

    The key is taken from FANIN_KEY, or is the first of FANIN_KEYS or FANIN_KEYS_FILE. It is not an option,
    because other users of the machine can read command lines.
    """


@outbox.command("list", epilog=examples("fanin outbox list", "fanin outbox list --state dead --format json"))
@click.option("--state", type=click.Choice(list(OUTBOX_STATES)), help="List entries in this state. [both]")
@click.option("--target", metavar="NAME", help="List entries of this target. [all]")
@format_option
@url_option
def list_(*, state: str | None, target: str | None, form: str, url: str | None) -> None:
    """List pending notifications and dead letters."""
    query = {"state": state} if state else {}
    found, _ = ServiceClient(url).entries("/outbox", "entries", query)
    found = [one for one in found if target in (None, one["target"])]
    for line in [json.dumps(one) for one in found] if form == "json" else rendered(found):
        click.echo(line)


@outbox.command(epilog=examples("fanin outbox retry --all", "fanin outbox retry --target oncall"))
@click.option("--all", "everything", is_flag=True, help="Send all dead letters again.")
@click.option("--target", metavar="NAME", help="Send those of this target.")
@click.option("--operation", metavar="ID", help="Send those of this operation.")
@format_option
@url_option
def retry(*, everything: bool, target: str | None, operation: str | None, form: str, url: str | None) -> None:
    """Send dead letters again, with the same keys."""
    if everything == bool(target or operation):
        raise click.UsageError(
            "choose dead letters: --all, or --target, or --operation, or both of the latter"
        )
    chosen = {"target": target, "operation": operation}
    query = {name: value for name, value in chosen.items() if value}
    answer = ServiceClient(url).request("POST", "/outbox/retry", query)
    if form == "json":
        click.echo(json.dumps(answer))
        return
    number = answer.get("retried")
    click.echo("no such dead letters" if not number else f"{number} sent again")


def rendered(found: Sequence[Entry]) -> list[str]:
    """A table with a line for each entry."""
    if not found:
        return ["no notifications"]
    return table(
        [
            ("STATE", "TARGET", "OPERATION", "OUTCOME", "ATTEMPTS", "NEXT", "ERROR"),
            *(
                (
                    one["state"], one["target"], one["operation"], one["outcome"], str(one["attempts"]),
                    _next(one), one["error"] or "-",
                )
                for one in found
            ),
        ]
    )  # fmt: skip


def _next(one: Entry) -> str:
    if one["dead_lettered"]:
        return f"dead-lettered {one['dead_lettered'][:19]}Z"
    return f"{one['next_attempt'][:19]}Z" if one["next_attempt"] else "now"
