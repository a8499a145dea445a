"""``fanin verify``: plays the pack against somebody's aggregator and prints a conformance card.

Rules of this file: options become a `fanin.harness.verify.config.Target`, and nothing here knows what they
mean; it is imported by ``fanin --help``, so it imports nothing that takes time.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fanin.harness.cli import report_option as reports
from fanin.harness.cli.mistake import UserError
from fanin.harness.cli.replay import Recorded, again

if TYPE_CHECKING:
    from fanin.harness.results import Card, Judged, Skipped
    from fanin.harness.verify.config import Target
    from fanin.simulator.language.scenario import Scenario

_EXAMPLES = """\b
Examples:
  fanin verify --app myapp.main:create_app --app-dir src
  fanin verify --command 'node server.js'
  fanin verify --command 'dotnet run' slow-region resurrection
  fanin verify --url 'https://HOST/api/ImagePush?region={region}&code={key}' \\
      --regions eastus,westeurope --timeout 80s --listen 0.0.0.0:9000 --public-url https://ME/
  fanin verify --target target.yaml
"""
_SEED_BITS = 32


def _duration(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:
    from fanin.simulator.durations import parse_duration

    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as exc:
        raise click.BadParameter(str(exc), ctx, param) from exc


def _listed(_ctx: click.Context, _param: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(","))


def named(names: Callable[[], Sequence[str]]) -> Callable[..., tuple[str, ...] | None]:
    """A callback: each one of these names, or an error with the nearest."""

    def check(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...] | None:
        from fanin.simulator.text import hint

        for name in given:
            if name not in names():
                known = ", ".join(names())
                message = f"{name!r} is no capability here; there are {known}{hint(name, names())}"
                raise click.BadParameter(message, ctx, param)
        return tuple(dict.fromkeys(given)) or None

    return check


def beyond() -> Sequence[str]:
    """What an aggregator may have beyond the contract."""
    from fanin.harness.capabilities import OPTIONAL_CAPABILITIES

    return OPTIONAL_CAPABILITIES


def _declarable() -> Sequence[str]:
    from fanin.harness.capabilities import DECLARABLE_CAPABILITIES

    return DECLARABLE_CAPABILITIES


def _capabilities() -> Sequence[str]:
    from fanin.harness.capabilities import CAPABILITIES

    return CAPABILITIES


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several decorators as one, in the order in which help lists them."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_folder = click.Path(path_type=str, exists=True, file_okay=False)
_target_options = _options(
    click.option("--target", "target_file", metavar="FILE", help="A target file; what is said here wins.",
                 type=click.Path(path_type=Path, exists=True, dir_okay=False)),
    click.option("--app", metavar="MODULE:FACTORY", help="An ASGI application factory, in virtual time."),
    click.option("--app-dir", metavar="DIR", type=_folder, help="--app: where the module lies."),
    click.option("--command", metavar="CMD", help="A process in any language that listens on PORT."),
    click.option("--url", metavar="URL", help="A deployment; {region} and {key} have their places in it."),
    click.option("--key-env", metavar="NAME", help="--url: the variable with the key. [FANIN_TARGET_KEY]"),
    click.option("--regions", metavar="A,B,C", callback=_listed, help="--url: its regions."),
    click.option("--timeout", metavar="DURATION", callback=_duration,
                 help="--url: its timeout. --command: what every scenario's timeout becomes. [5s]"),
    click.option("--listen", metavar="HOST:PORT", help="--url: where the sink listens."),
    click.option("--public-url", metavar="URL", help="--url: where the deployment finds the sink."),
    click.option("--probe", type=click.Choice(["durable-functions"]),
                 help="--url: read its status API in place of a sink."),
    click.option("--capability", "capabilities", metavar="NAME", multiple=True, callback=named(_declarable),
                 help="What it has beyond the contract; --url: what it is configured for. May be repeated."),
    click.option("--lacks", metavar="NAME", multiple=True, callback=named(_capabilities),
                 help="--app, --command: what it does not offer; may be repeated."),
    click.option("--tolerance", metavar="DURATION", callback=_duration,
                 help="How late it may act. [--command: 1s, --url: 5s]"),
    click.option("--redelivery-grace", metavar="DURATION", callback=_duration,
                 help="How long after a fault of the sink it may tell. [--command: 12s, --url: 2m]"),
    click.option("--max-rate", type=click.IntRange(1, 10_000), help="--url: requests a second at most. [50]"),
    click.option("--jobs", type=click.IntRange(1, 64),
                 help="--command: how many scenarios at once, each with its own process and folder. [12]"),
    click.option("--seed", type=click.IntRange(min=0),
                 help="Decides every random choice. [0; --url: a new one every time]"),
    click.option("--report", metavar="DIR", help=reports.HELP, type=click.Path(path_type=str)),
)  # fmt: skip


@click.command(cls=Recorded, epilog=_EXAMPLES)
@click.argument("names", metavar="[NAME|FILE]...", nargs=-1)
@_target_options
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: the card as one object.",
)
@click.pass_context
def verify(
    ctx: click.Context, /, *, names: tuple[str, ...], target_file: Path | None, form: str, **options: Any
) -> None:
    """Judge your own aggregator: play the pack against it and print a conformance card.

    Before each of its lives an application or a command is told WebhookRegions, WebhookTimeout
    (h:mm:ss[.fff]), NOTIFY_URL and DATA_DIR in its environment (and FANIN_REGIONS, FANIN_TIMEOUT,
    FANIN_NOTIFY_URL, FANIN_DATA_DIR, FANIN_CORRELATION, FANIN_ACTIONS, FANIN_KEYS). DATA_DIR is a folder of
    its own for every scenario; it survives a crash as kill -9 would leave it. Webhooks go to
    POST /api/ImagePush?region=NAME.

    A deployment is configured already: say how. What its configuration rules out is skipped, by name.

    Exit codes: 0 every scenario got the verdict that it states, 1 a rule is broken, 2 nothing could be
    judged, 3 not decided.
    """
    from fanin.harness.verify.verification import UnjudgeableError, Verification

    said = {name: value for name, value in options.items() if value is not None}
    if names:
        said["scenarios"] = names
    target = _target(target_file, said)
    scenarios = _load(target.scenarios)
    report = None if target.report is None else Path(target.report)
    if report is not None:
        reports.prepare(report)
    taken = _Taken(form)
    verification = Verification(
        target, list(scenarios.values()), _seed(target), os.environ, say=taken.say, take=taken.take
    )
    several = "scenario" if len(scenarios) == 1 else "scenarios"
    taken.say(f"{len(scenarios)} {several} against {_name(target)}, seed {verification.seed}")
    try:
        verification.run()
    except UnjudgeableError as exc:
        raise UserError(str(exc)) from exc
    card = _card(target, scenarios, taken.results, verification.notes)
    _print_card(card, form)
    if report is not None:
        given = {scenario.scenario: name for name, scenario in scenarios.items()}
        # To a deployment the same seed would be the same ids, which it knows already.
        seed = verification.seed if target.url is None else None
        reports.store(report, card, replay=lambda it: again(ctx, given[it.run.scenario.scenario], seed=seed))
    ctx.exit(card.exit_code)


class _Taken:
    """What has come so far, printed as it comes."""

    def __init__(self, form: str) -> None:
        self.results: list[Judged | Skipped] = []
        self._form = form

    def say(self, text: str) -> None:
        if self._form == "text":
            click.echo(text, err=True)

    def take(self, result: "Judged | Skipped") -> None:
        from fanin.harness.results import line

        self.results.append(result)
        if self._form == "text":
            _print([line(result)])


def _card(
    target: "Target",
    scenarios: "Mapping[str, Scenario]",
    results: "Iterable[Judged | Skipped]",
    notes: Iterable[str],
) -> "Card":
    """Everything in the order in which it was asked for."""
    from fanin.harness.results import Card

    order = {scenario.scenario: place for place, scenario in enumerate(scenarios.values())}
    return Card(_name(target), sorted(results, key=lambda result: order[result.name]), tuple(notes))


def _target(file: Path | None, said: dict[str, Any]) -> "Target":
    """The file's target, if there is one, with what the command line says."""
    from fanin.harness.verify.config import Target
    from fanin.harness.verify.config_file import ScenarioError, load
    from fanin.harness.verify.config_validation import missing, overridden, problems

    try:
        target = overridden(Target() if file is None else load(file), _shaped(said))
    except ScenarioError as exc:
        raise UserError(str(exc)) from exc
    for problem in problems(target):
        raise click.UsageError(f"{_option(problem.field)}: {problem.message}")
    for sentence in missing(target):
        raise click.UsageError(sentence)
    return target


def _shaped(said: dict[str, Any]) -> dict[str, Any]:
    """Hold options to what a target file may say."""
    from typing import get_type_hints

    import msgspec

    from fanin.harness.verify.config import Target
    from fanin.simulator.language.field_types import FieldType, shape_of

    types = get_type_hints(Target, include_extras=True)
    for field in shape_of(Target).fields:
        if field.name not in said:
            continue
        try:
            msgspec.convert(said[field.name], types[field.name])
        except msgspec.ValidationError as exc:
            value = said[field.name]
            shown = ",".join(value) if isinstance(value, tuple) else value
            want = FieldType.of(field.type)
            item = getattr(want.type, "item_type", None)
            accepted = (want if item is None else FieldType.of(item)).accepted()
            message = f"{_option(field.name)}: {shown!r} is not accepted; write {accepted}"
            raise click.UsageError(message) from exc
    return said


def _option(field: str) -> str:
    spelled = {"capabilities": "capability"}.get(field, field)
    return f"--{spelled.replace('_', '-')}"


def _name(target: "Target") -> str:
    return target.app or target.command or target.url or ""


def _seed(target: "Target") -> int:
    import secrets

    if target.seed is not None:
        return target.seed
    return 0 if target.url is None else secrets.randbits(_SEED_BITS)


def _load(names: "Sequence[str]") -> "dict[str, Scenario]":
    """By name or file, as given."""
    from fanin.simulator.language.load import ScenarioError, load
    from fanin.simulator.pack import find
    from fanin.simulator.pack import names as pack

    try:
        scenarios = {name: load(find(name)) for name in names or pack()}
    except ScenarioError as exc:
        raise click.UsageError(str(exc)) from exc
    seen = set()
    for scenario in scenarios.values():
        if scenario.scenario in seen:
            raise click.UsageError(
                f"two of these scenarios are called {scenario.scenario!r}; name one of them"
            )
        seen.add(scenario.scenario)
    return scenarios


def _print_card(card: "Card", form: str) -> None:
    from fanin.harness.results import as_json, text

    if form == "json":
        click.echo(json.dumps(as_json(card)))
    else:
        _print(text(card))


def _print(lines: Iterable[str]) -> None:
    """What others wrote must not steer a terminal."""
    from fanin.harness.report.line import line, paint

    rows = [line(text) for text in lines]
    click.echo(paint(rows, colour=False, encoding=sys.stdout.encoding or "utf-8"))
