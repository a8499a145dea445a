"""``fanin instances``: what a running service waits for, and until when."""

import asyncio
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from aggregator.door import parse_keys, read_keys

STATES = ("waiting", "completed", "timed_out")
PAGE = 500
ASK_S = 30.0
DEFAULT_PORT = "8080"

type Instance = Mapping[str, Any]


@click.command("instances")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state. [all]")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many.")
@click.option("--all", "everything", is_flag=True, help="However many there are.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True,
              help="json: one object a line, as the service tells it.")  # fmt: skip
@click.option("--url", metavar="URL", help="Where the service is. [FANIN_URL, http://127.0.0.1:8080]")
def instances(*, state: str | None, limit: int, everything: bool, form: str, url: str | None) -> None:
    r"""List what a running service waits for, and until when.

    Waiting operations come in the order of their deadlines, decided ones in that of their decisions.
    The key is taken from FANIN_KEY, or is the first of FANIN_KEYS or FANIN_KEYS_FILE; never from a flag,
    where others could see it.

    \b
    Examples:
      fanin instances --state waiting
      fanin instances --state timed_out --all --format json
    """
    service = (url or os.environ.get("FANIN_URL") or _local()).rstrip("/")
    try:
        found, more = asyncio.run(_gather(service, state, None if everything else limit))
    except _NoAnswerError as exc:
        raise click.ClickException(str(exc)) from exc
    if form == "json":
        for one in found:
            click.echo(json.dumps(one))
        return
    for line in table(found, now=datetime.now(UTC)):
        click.echo(line)
    if more:
        click.echo(f"and more: these are the first {len(found)}; --all shows the rest", err=True)


def table(found: list[Instance], *, now: datetime) -> list[str]:
    """One line for each, under a heading, in columns as wide as they need to be."""
    if not found:
        return ["nothing"]
    rows = [("OPERATION", "IMAGE", "STATE", "UNTIL", "MISSING")]
    rows += [
        (one["id"], _image(one), one["state"], _until(one, now), ", ".join(one["missing"]) or "-")
        for one in found
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]


def _image(one: Instance) -> str:
    name = one.get("repository") or "-"
    tag, digest = one.get("tag"), one.get("digest")
    if tag:
        return f"{name}:{tag}"
    return f"{name}@{digest[:19]}…" if digest else str(name)


def _until(one: Instance, now: datetime) -> str:
    """The deadline and how far away it is, or when it was decided."""
    if one["decided"]:
        return f"decided {one['decided'][:19]}Z"
    left_s = int((datetime.fromisoformat(one["deadline"]) - now).total_seconds())
    left = f"in {_roughly(left_s)}" if left_s >= 0 else f"{_roughly(-left_s)} ago"
    return f"{one['deadline'][:19]}Z ({left})"


def _roughly(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


# --- asking ---


class _NoAnswerError(Exception):
    """The service did not tell; the message says why, without the key."""


async def _gather(service: str, state: str | None, limit: int | None) -> tuple[list[Instance], bool]:
    """Up to so many instances, page by page, and whether there are more."""
    import aiohttp

    headers = {"x-functions-key": key} if (key := _key(os.environ)) else {}
    query = {"limit": str(PAGE)} | ({"state": state} if state else {})
    found: list[Instance] = []
    patience = aiohttp.ClientTimeout(total=ASK_S)
    try:
        async with aiohttp.ClientSession(headers=headers, timeout=patience) as session:
            while True:
                async with session.get(f"{service}/instances", params=query, allow_redirects=False) as answer:
                    page = _page(service, answer.status, await answer.read())
                found += page["instances"]
                if limit is not None and (len(found) > limit or (len(found) == limit and page["next"])):
                    return found[:limit], True
                if page["next"] is None:
                    return found, False
                query["after"] = page["next"]
    except TimeoutError:
        raise _NoAnswerError(f"{service} did not answer within {ASK_S:g} s") from None
    except aiohttp.InvalidURL:
        raise _NoAnswerError(f"{service!r} is not a URL like http://127.0.0.1:8080") from None
    except (aiohttp.ClientError, OSError) as exc:
        reason = getattr(exc, "strerror", None) or type(exc).__name__
        raise _NoAnswerError(f"{service}: {reason}; name the service with --url or FANIN_URL") from None


def _page(service: str, status: int, body: bytes) -> Any:
    if status == 401:  # noqa: PLR2004 - HTTP's Unauthorized
        raise _NoAnswerError(f"{service} wants a key, or another one: set FANIN_KEY")
    try:
        page = json.loads(body)
        if status == 200:  # noqa: PLR2004 - HTTP's OK
            return {"instances": page["instances"], "next": page["next"]}
        problem = str(page["message"])
    except (ValueError, KeyError, TypeError):
        problem = "this is no aggregator"
    raise _NoAnswerError(f"{service} answered {status}: {problem}")


def _key(environment: Mapping[str, str]) -> str | None:
    """The key to show, from wherever the service may have its own."""
    if key := environment.get("FANIN_KEY", "").strip():
        return key
    try:
        if keys := environment.get("FANIN_KEYS"):
            return parse_keys(keys)[0]
        if file := environment.get("FANIN_KEYS_FILE"):
            return read_keys(Path(file).expanduser())[0]
    except ValueError as exc:
        raise _NoAnswerError(f"no key to show: {exc}") from exc
    return None


def _local() -> str:
    port = os.environ.get("FANIN_PORT") or os.environ.get("PORT") or DEFAULT_PORT
    return f"http://127.0.0.1:{port}"
