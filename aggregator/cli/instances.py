"""``fanin instances``: lists the operations of a running service."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from fanin.aggregator.cli.client import ServiceClient
from fanin.aggregator.cli.options import examples, format_option, table, url_option

LIMIT_DEFAULT = 100
STATES = ("waiting", "completed", "timed_out")

type Instance = Mapping[str, Any]


@click.command(
    "instances",
    epilog=examples(
        "fanin instances --state waiting", "fanin instances --state timed_out --all --format json"
    ),
)
@click.option("--state", type=click.Choice(STATES), help="List operations in this state. [all]")
@click.option("--limit", type=click.IntRange(min=1), help=f"List at most this number. [{LIMIT_DEFAULT}]")
@click.option("--all", "everything", is_flag=True, help="List all.")
@format_option
@url_option
def instances(*, state: str | None, limit: int | None, everything: bool, form: str, url: str | None) -> None:
    """List operations of a running service, with their deadlines and missing regions.

    Waiting operations are ordered by deadline, decided ones by decision. The key is taken from FANIN_KEY, or
    is the first of FANIN_KEYS or FANIN_KEYS_FILE. It is not an option, because other users of the machine can
    read command lines.
    """
    if everything and limit is not None:
        raise click.UsageError("--limit and --all contradict each other; leave one of them out")
    query = {"state": state} if state else {}
    at_most = None if everything else limit or LIMIT_DEFAULT
    found, more = ServiceClient(url).entries("/instances", "instances", query, limit=at_most)
    if form == "json":
        for one in found:
            click.echo(json.dumps(one))
        return
    click.echo("\n".join(rendered(found, now=datetime.now(UTC))))
    if more:
        click.echo(f"these are the first {len(found)}; --all lists the rest", err=True)


def rendered(found: list[Instance], *, now: datetime) -> list[str]:
    """A table with a line for each operation."""
    if not found:
        return ["no operations"]
    return table(
        [
            ("OPERATION", "IMAGE", "STATE", "UNTIL", "MISSING"),
            *(
                (one["id"], _image(one), one["state"], _until(one, now), ", ".join(one["missing"]) or "-")
                for one in found
            ),
        ]
    )


def _image(one: Instance) -> str:
    name = one.get("repository") or "-"
    tag, digest = one.get("tag"), one.get("digest")
    if tag:
        return f"{name}:{tag}"
    return f"{name}@{digest[:19]}…" if digest else str(name)


def _until(one: Instance, now: datetime) -> str:
    """The deadline and the time until it, or the time of the decision."""
    if one["decided"]:
        return f"decided {one['decided'][:19]}Z"
    left_s = int((datetime.fromisoformat(one["deadline"]) - now).total_seconds())
    left = f"in {_roughly(left_s)}" if left_s >= 0 else f"{_roughly(-left_s)} ago"
    return f"{one['deadline'][:19]}Z ({left})"


def _roughly(seconds: int) -> str:
    """A duration in its largest unit of which there are two."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
