"""``fanin notify --test``: sends a test message to the targets, by the running service or from here."""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import click

from fanin.aggregator.cli.client import ServiceClient
from fanin.aggregator.cli.options import examples, format_option, not_empty, table, url_option

# Longer than any target's timeout.
TEST_S = 150.0


@click.command(
    "notify",
    epilog=examples(
        "fanin notify --test", "fanin notify --test oncall", "fanin notify --test --notify-file targets.yaml"
    ),
)
@click.argument("target", required=False, callback=not_empty)
@click.option("--test", "is_test", is_flag=True, help="Send a test message; nothing else is sent by hand.")
@click.option("--notify-file", metavar="FILE", help="Send from here, to the targets of this file.")
@click.option("--notify-url", metavar="URL", help="Send from here, to this URL.")
@format_option
@url_option
def notify(
    *,
    target: str | None,
    is_test: bool,
    notify_file: str | None,
    notify_url: str | None,
    form: str,
    url: str | None,
) -> None:
    """Send a test message to TARGET, or to all targets, and say what each answered.

    The running service sends it, the way that notifications take: with its settings, secrets, proxies and
    certificates. With --notify-file or --notify-url it is sent from here, and no service needs to run.
    The message has the outcome "test"; it is counted nowhere and not repeated.

    Exits with 1 when a target does not accept it.
    """
    if not is_test:
        raise click.UsageError("say --test: nothing but a test message is sent by hand")
    if notify_file or notify_url:
        if url:
            raise click.UsageError("--url has the service send it; leave out --notify-file and --notify-url")
        found = _send(target, {"notify_file": notify_file, "targets": notify_url})
    else:
        query = {"target": target} if target else {}
        answer = ServiceClient(url).request("POST", "/outbox/test", query, timeout_s=TEST_S)
        found = answer.get("targets", [])
    for line in [json.dumps(one) for one in found] if form == "json" else _rendered(found):
        click.echo(line)
    if not all(one["accepted"] for one in found):
        raise click.exceptions.Exit(1)


def _send(target: str | None, flags: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """Send from this process."""
    from fanin.aggregator.clock import SYSTEM_CLOCK
    from fanin.aggregator.errors import SettingsError
    from fanin.aggregator.http.views import rehearsal_view
    from fanin.aggregator.notify.notifier import HttpNotifier
    from fanin.aggregator.notify.rehearsal import rehearse
    from fanin.aggregator.notify.yaml_nodes import nearest
    from fanin.aggregator.settings import Settings

    # The regions are named in the message, and nothing is asked for them.
    regions = {"FANIN_REGIONS": "eastus,westeurope"}
    try:
        settings = Settings.from_environment({**os.environ, **regions}, flags)
    except SettingsError as exc:
        raise click.UsageError(str(exc)) from exc
    names = [it.name for it in settings.targets]
    if target is not None and target not in names:
        raise click.UsageError(f"no such target {target!r}; {nearest(target, names)}")
    notifier = HttpNotifier(settings.targets, SYSTEM_CLOCK)

    async def send() -> list[dict[str, Any]]:
        try:
            chosen = names if target is None else [target]
            results = await rehearse(notifier, chosen, tuple(settings.regions), SYSTEM_CLOCK)
        finally:
            notifier.close()
        return [rehearsal_view(it) for it in results]

    return asyncio.run(send())


def _rendered(found: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [("TARGET", "RESULT")]
    rows += [
        (one["target"], f"accepted in {one['took_ms']} ms" if one["accepted"] else f"refused: {one['error']}")
        for one in found
    ]
    return table(rows)
