"""``fanin verify``: plays the pack against somebody's aggregator and prints a conformance card."""

import json
import shlex
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.card import Judged, Skipped
    from harness.history import History
    from harness.realtime import Pace
    from simulator.scenario import Scenario

_EXAMPLES = """\b
Examples:
  fanin verify --app myapp.main:create_app --app-dir src
  fanin verify --command 'node server.js'
  fanin verify --command 'dotnet run' slow-region resurrection
"""


def _duration(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:
    from simulator.units import parse_duration

    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as exc:
        raise click.BadParameter(str(exc), ctx, param) from exc


@click.command(epilog=_EXAMPLES)
@click.argument("names", metavar="[NAME|FILE]...", nargs=-1)
@click.option("--app", metavar="MODULE:FACTORY", help="An ASGI application factory, in virtual time.")
@click.option(
    "--app-dir",
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where the module lies.",
)
@click.option(
    "--command", metavar="CMD", help="A process in any language that listens on PORT, in real time."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides every random choice."
)
@click.option(
    "--timeout",
    metavar="DURATION",
    callback=_duration,
    help="--command: what every scenario's timeout becomes. [5s]",
)
@click.option(
    "--tolerance",
    metavar="DURATION",
    callback=_duration,
    help="--command: how late it may act on this machine. [1s]",
)
@click.option(
    "--side-by-side",
    type=click.IntRange(1, 64),
    default=12,
    show_default=True,
    help="--command: how many scenarios at once, each with its own process and folder.",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "--histories", metavar="DIR", type=click.Path(path_type=Path, file_okay=False), help="Store each history."
)
@click.pass_context
def verify(
    ctx: click.Context,
    *,
    names: tuple[str, ...],
    app: str | None,
    app_dir: Path | None,
    command: str | None,
    seed: int,
    timeout: int | None,
    tolerance: int | None,
    side_by_side: int,
    form: str,
    histories: Path | None,
) -> None:
    """Judge your own aggregator: play the pack against it and print a conformance card.

    Before each of its lives the target is told WebhookRegions, WebhookTimeout (h:mm:ss[.fff]), NOTIFY_URL
    and DATA_DIR in its environment (and FANIN_REGIONS, FANIN_TIMEOUT, FANIN_NOTIFY_URL, FANIN_DATA_DIR,
    FANIN_CORRELATION, FANIN_ACTIONS, FANIN_KEYS). DATA_DIR is a folder of its own for every scenario; it
    survives a crash as kill -9 would leave it. Webhooks go to POST /api/ImagePush?region=NAME.

    Exit codes: 0 every scenario got the verdict that it states, 1 a rule is broken, 3 not decided.
    """
    from harness.card import Card, as_json, line, text

    if (app is None) == (command is None):
        raise click.UsageError("say what to judge: --app MODULE:FACTORY, or --command CMD")
    scenarios = _load(names)
    if command is not None:
        from harness.realtime import Pace

        pace = Pace(timeout_ms=timeout or 5_000, tolerance_ms=tolerance or 1_000, worlds=side_by_side)
        results = _of_command(scenarios, command, seed, pace)
    else:
        assert app is not None  # noqa: S101 - one of the two is given
        results = _of_app(scenarios, app, app_dir, seed)
    if form == "text":
        click.echo(f"{len(scenarios)} scenarios against {command or app}, seed {seed}", err=True)
    order = {scenario.scenario: place for place, scenario in enumerate(scenarios)}
    judged = []
    for result in results:
        judged.append(result)
        _store(histories, result)
        if form == "text":
            click.echo(line(result))
    card = Card(command or app or "", sorted(judged, key=lambda result: order[result.name]))
    if form == "json":
        click.echo(json.dumps(as_json(card)))
    else:
        click.echo("\n".join(text(card)))
    ctx.exit(card.exit_code)


def _load(names: Sequence[str]) -> "list[Scenario]":
    from simulator.loading import ScenarioError, load
    from simulator.pack import find
    from simulator.pack import names as pack

    try:
        return [load(find(name)) for name in names or pack()]
    except ScenarioError as exc:
        raise click.UsageError(str(exc)) from exc


def _of_app(
    scenarios: "Sequence[Scenario]", app: str, app_dir: Path | None, seed: int
) -> "Iterator[Judged | Skipped]":
    from harness.stranger import NotAnApplicationError, find_factory
    from harness.world import UnsimulatedError, play_stranger

    try:
        factory = find_factory(app, app_dir)
        for scenario in scenarios:
            yield _judged(play_stranger(scenario, factory, seed=seed, name=app))
    except (NotAnApplicationError, UnsimulatedError) as exc:
        raise click.UsageError(str(exc)) from exc


def _of_command(
    scenarios: "Sequence[Scenario]", command: str, seed: int, pace: "Pace"
) -> "Iterator[Judged | Skipped]":
    """Histories as they end, out of a loop of their own."""
    import asyncio

    from harness.realtime import play_pack

    if not shlex.split(command):
        raise click.UsageError("--command: empty; give the command that starts your aggregator")
    click.echo(
        f"real time: every timeout is {pace.timeout_ms / 1000:g} s, "
        f"tolerance {pace.tolerance_ms / 1000:g} s, {pace.worlds} side by side",
        err=True,
    )
    with asyncio.Runner() as runner:
        coming = play_pack(scenarios, command, seed=seed, pace=pace)
        try:
            while (history := runner.run(_next(coming))) is not None:
                yield _judged(history)
        finally:
            runner.run(coming.aclose())


async def _next(coming: "AsyncGenerator[History]") -> "History | None":
    return await anext(coming, None)


def _judged(history: "History") -> "Judged":
    from harness.card import Judged
    from harness.oracle import judge

    return Judged(history, judge(history))


def _store(folder: Path | None, result: "Judged | Skipped") -> None:
    from harness import history as histories
    from harness.card import Judged

    if folder is None or not isinstance(result, Judged):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        histories.save(result.history, folder / f"{result.name}.jsonl")
    except OSError as exc:
        raise click.UsageError(f"--histories {folder}: {exc.strerror}") from exc
