"""The options of ``fanin verify``: how a target is named, and what is known of it.

Rules of this file: ``fanin --help`` imports it, so slow imports are inside the functions.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from fanin.harness.cli import report_option as reports
from fanin.harness.cli.options import decorated, duration, names_from, time_limit


def _variables(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> dict[str, str] | None:
    for text in given:
        if "=" not in text:
            raise click.BadParameter(
                f"{text!r} is not NAME=TEXT, such as 'TIMEOUT={{timeout_s}}'", ctx, param
            )
    return dict(text.split("=", 1) for text in given) or None


def _split(_ctx: click.Context, _param: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(","))


def _declarable() -> Sequence[str]:
    from fanin.harness.capabilities import DECLARABLE_CAPABILITIES

    return DECLARABLE_CAPABILITIES


def _capabilities() -> Sequence[str]:
    from fanin.harness.capabilities import CAPABILITIES

    return CAPABILITIES


_folder = click.Path(path_type=str, exists=True, file_okay=False)


def target_options(command: Any) -> Any:
    """What is judged, and what is known of it."""
    return decorated(
        command,
        click.option("--target", "target_file", metavar="FILE",
                     help="A target file (docs/verify.md); options given here win over it.",
                     type=click.Path(path_type=Path, exists=True, dir_okay=False)),
        click.option("--app", metavar="MODULE:APP",
                     help="Judge an ASGI application, named itself or by its factory, in virtual time."),
        click.option("--app-dir", metavar="DIR", type=_folder,
                     help="--app: the folder of the module. [the current one]"),
        click.option("--command", metavar="CMD",
                     help="Judge a process in any language that listens on PORT, in real time."),
        click.option("--kill-command", metavar="CMD",
                     help="--command: how to kill it where a signal does not reach it, as in a container:"
                     " 'docker kill agg-$PORT'."),
        click.option("--path", metavar="PATH",
                     help="--app, --command: where it takes webhooks, with {region} and perhaps {key}."
                     " [/api/ImagePush?region={region}]"),
        click.option("--env", metavar="NAME=TEXT", multiple=True, callback=_variables,
                     help="--app, --command: a variable that it reads, such as 'TIMEOUT={timeout_s}'; also"
                     " {regions}, {timeout}, {notify_url}, {data_dir}, {port}. May be repeated."),
        click.option("--url", metavar="URL",
                     help="Judge a deployment; write {region} where the region goes, and {key} for the key."),
        click.option("--key-env", metavar="NAME",
                     help="--url: the environment variable that holds the key. [FANIN_TARGET_KEY]"),
        click.option("--regions", metavar="A,B,C", callback=_split,
                     help="--url: the regions that it is configured with."),
        click.option("--timeout", metavar="DURATION", callback=duration,
                     help="--url: the timeout that it is configured with. --command: what every scenario's"
                     " timeout becomes. [5s]"),
        click.option("--listen", metavar="HOST:PORT",
                     help="--url, --command: the address at which fanin receives its notifications."
                     " [--command: 127.0.0.1:0, a port for each scenario]"),
        click.option("--public-url", metavar="URL",
                     help="The URL at which it reaches that address, if another one; --command: with"
                     " {port}."),
        click.option("--probe", type=click.Choice(["durable-functions"]),
                     help="--url: read outcomes from its status API; no notifications are needed."),
        click.option("--capability", "capabilities", metavar="NAME", multiple=True,
                     callback=names_from(_declarable),
                     help="What it can do beyond the contract; --url: what it is configured for. May be"
                     " repeated."),
        click.option("--lacks", metavar="NAME", multiple=True, callback=names_from(_capabilities),
                     help="--app, --command: what it cannot do; scenarios that need it are skipped. May be"
                     " repeated."),
        click.option("--tolerance", metavar="DURATION", callback=duration,
                     help="How late an outcome may be. [1s; --url: 5s]"),
        click.option("--redelivery-grace", metavar="DURATION", callback=duration,
                     help="How long it may take to notify once the sink works again. [--app: 10m,"
                     " --command: 12s, --url: 2m]"),
        click.option("--max-rate", type=click.IntRange(1, 10_000),
                     help="--url: requests per second, at most. [50]"),
        click.option("--jobs", "-j", type=click.IntRange(1, 64),
                     help="--command: scenarios played at the same time, each with its own process and"
                     " folder. [20]"),
        click.option("--seed", type=click.IntRange(min=0),
                     help="Decides every random choice. [0; --url: a new one every time]"),
        click.option("--report", metavar="DIR", help=reports.HELP, type=click.Path(path_type=str)),
    )  # fmt: skip


smoke_option = click.option(
    "--smoke",
    is_flag=True,
    help="Play ten scenarios, one for each kind of bug; --command: with short timeouts, in half a minute.",
)
explore_option = click.option(
    "--explore",
    "explore_ms",
    metavar="DURATION",
    callback=time_limit,
    help="--app: then search at random for so long, such as 60s; what breaks the contract joins the card.",
)
