"""``fanin outbox``: lists what waits, sends dead letters again, pauses targets, and discards entries."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import click

from fanin.aggregator.cli.client import ServiceClient
from fanin.aggregator.cli.options import examples, format_option, not_empty, table, url_option
from fanin.aggregator.http.query import OUTBOX_STATES

type Entry = Mapping[str, Any]

_name_option = partial(click.option, callback=not_empty)


@click.group("outbox", epilog=examples("fanin outbox list --state dead", "fanin outbox retry --all"))
def outbox() -> None:
    """List notifications that their target has not accepted; send again, pause, or discard them.

    The key is taken from FANIN_KEY, or is the first of FANIN_KEYS or FANIN_KEYS_FILE. It is not an option,
    because other users of the machine can read command lines.
    """


@outbox.command("list", epilog=examples("fanin outbox list", "fanin outbox list --state dead --format json"))
@click.option("--state", type=click.Choice(list(OUTBOX_STATES)), help="List entries in this state. [both]")
@_name_option("--target", metavar="NAME", help="List entries of this target. [all]")
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
@_name_option("--target", metavar="NAME", help="Send those of this target.")
@_name_option("--operation", metavar="ID", help="Send those of this operation.")
@format_option
@url_option
def retry(*, everything: bool, target: str | None, operation: str | None, form: str, url: str | None) -> None:
    """Send dead letters again, with the same keys.

    Exits with 1 when there is no dead letter of the operation.
    """
    if everything == bool(target or operation):
        raise click.UsageError(
            "choose dead letters: --all, or --target, or --operation, or --target and --operation"
        )
    chosen = {"target": target, "operation": operation}
    query = {name: value for name, value in chosen.items() if value}
    answer = ServiceClient(url).request("POST", "/outbox/retry", query)
    if form == "json":
        click.echo(json.dumps(answer))
    number = answer.get("retried")
    if operation and not number:
        raise click.ClickException(f"there is no dead letter of {_selected(target, operation)}")
    if form != "json":
        click.echo(f"{number} sent again" if number else "no such dead letters")


@outbox.command(
    short_help="List the targets, their states, and how much waits for each.",
    epilog=examples("fanin outbox targets"),
)
@format_option
@url_option
def targets(*, form: str, url: str | None) -> None:
    """List the targets, the state of each, and how many notifications wait for it.

    The state is closed (sent normally), open or half-open (down, and probed), paused, or removed: not
    configured any more. Only on SQLite, as pause, resume and discard.
    """
    found = ServiceClient(url).request("GET", "/outbox/targets", {}).get("targets", [])
    if form == "json":
        for one in found:
            click.echo(json.dumps(one))
        return
    rows = [("TARGET", "STATE", "WAITING", "DEAD")]
    rows += [(it["target"], it["state"] or "removed", str(it["waiting"]), str(it["dead"])) for it in found]
    for line in table(rows):
        click.echo(line)


def _pause_or_resume(command: str, target: str | None, operation: str | None, url: str | None) -> None:
    if not (target or operation):
        raise click.UsageError(f"choose what to {command}: --target, or --operation, or both")
    chosen = {"target": target, "operation": operation}
    query = {name: value for name, value in chosen.items() if value}
    number = ServiceClient(url).request("POST", f"/outbox/{command}", query).get("notifications")
    if number == 0:  # or all of them were already
        click.echo(f"there is nothing to {command} of {_selected(target, operation)}")
        return
    click.echo(f"{target} is {command}d" if number is None else f"{number} {command}d")


@outbox.command(
    short_help="Send nothing to a target, until it is resumed.",
    epilog=examples("fanin outbox pause --target oncall"),
)
@_name_option("--target", metavar="NAME", help="Pause this target.")
@_name_option("--operation", metavar="ID", help="Pause what waits of this operation only.")
@url_option
def pause(*, target: str | None, operation: str | None, url: str | None) -> None:
    """Send nothing to a target, or nothing of an operation, until it is resumed, over restarts too."""
    _pause_or_resume("pause", target, operation, url)


@outbox.command(epilog=examples("fanin outbox resume --target oncall"))
@_name_option("--target", metavar="NAME", help="Resume this target.")
@_name_option("--operation", metavar="ID", help="Resume what waits of this operation.")
@url_option
def resume(*, target: str | None, operation: str | None, url: str | None) -> None:
    """Send again what was paused."""
    _pause_or_resume("resume", target, operation, url)


@outbox.command(
    short_help="Delete pending notifications and dead letters for good.",
    epilog=examples("fanin outbox discard --target removed", "fanin outbox discard --operation ID"),
)
@_name_option("--target", metavar="NAME", help="Discard those of this target, configured or not.")
@_name_option("--operation", metavar="ID", help="Discard those of this operation.")
@url_option
def discard(*, target: str | None, operation: str | None, url: str | None) -> None:
    """Delete pending notifications and dead letters for good; they will not be sent.

    Exits with 1 when there is nothing of the operation.
    """
    if not (target or operation):
        raise click.UsageError("choose what to discard: --target, or --operation, or both")
    chosen = {"target": target, "operation": operation}
    query = {name: value for name, value in chosen.items() if value}
    number = ServiceClient(url).request("POST", "/outbox/discard", query).get("discarded")
    if operation and not number:
        raise click.ClickException(f"there is nothing to discard of {_selected(target, operation)}")
    click.echo(f"{number} discarded" if number else "nothing to discard")


def _selected(target: str | None, operation: str | None) -> str:
    """What was selected, for a message that there is none."""
    of_target = f" for the target {target!r}" if target else ""
    return f"the operation {operation!r}{of_target}"


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
    if one["state"] == "paused":
        return "when resumed"
    return f"{one['next_attempt'][:19]}Z" if one["next_attempt"] else "now"
