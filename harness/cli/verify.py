"""``fanin verify``: plays the pack against an aggregator of the user's and prints a conformance card.

Rules of this file: options become a `fanin.harness.verify.config.TargetConfig`, and what they mean is known
there; ``fanin --help`` imports it, so slow imports are inside the functions.
"""

import os
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fanin.harness.cli import report_option as reports
from fanin.harness.cli.errors import Interrupted, UserError
from fanin.harness.cli.options import examples, names_from
from fanin.harness.cli.verify_explore import explore_further, refuse_to_explore
from fanin.harness.cli.verify_help import HELP
from fanin.harness.cli.verify_output import VerifyOutput

if TYPE_CHECKING:
    from fanin.harness.history import History
    from fanin.harness.results import Card, Judged, Skipped
    from fanin.harness.verify.config import TargetConfig
    from fanin.harness.verify.verification import Verification
    from fanin.simulator.language.scenario import Scenario

_SEED_BITS = 32
# Options that the command for a single scenario does not repeat.
_NOT_REPLAYED = {"seed", "report", "form", "explore_ms"}


class ReplayableCommand(click.Command):
    """A command that keeps its options as they were given, so that `replay_command` can repeat them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        options, _, _ = self.make_parser(ctx).parse_args(list(args))
        ctx.meta[__name__] = options
        return super().parse_args(ctx, args)


def replay_command(ctx: click.Context, scenario: str, *, seed: int | None) -> str:
    """The same command for one scenario.

    Args:
        ctx: Of a `ReplayableCommand`.
        scenario: Its name or file.
        seed: None where it is drawn anew each time.
    """
    given: dict[str, Any] = ctx.meta[__name__]
    words = ["fanin", ctx.command.name or ""]
    for option in ctx.command.params:
        if isinstance(option, click.Option) and option.name in given.keys() - _NOT_REPLAYED:
            value = given[option.name]
            if option.is_flag:
                words.append(option.opts[0])
                continue
            for each in value if isinstance(value, list) else [value]:
                words += [option.opts[0], each]
    words += [] if seed is None else ["--seed", str(seed)]
    return shlex.join([*words, scenario])


def _duration(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:
    from fanin.simulator.durations import parse_duration

    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as exc:
        raise click.BadParameter(str(exc), ctx, param) from exc


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


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several decorators as one, in the order in which help lists them."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_folder = click.Path(path_type=str, exists=True, file_okay=False)
_target_options = _options(
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
    click.option("--timeout", metavar="DURATION", callback=_duration,
                 help="--url: the timeout that it is configured with. --command: what every scenario's"
                 " timeout becomes. [5s]"),
    click.option("--listen", metavar="HOST:PORT",
                 help="--url, --command: the address at which fanin receives its notifications. [--command:"
                 " 127.0.0.1:0, a port for each scenario]"),
    click.option("--public-url", metavar="URL",
                 help="The URL at which it reaches that address, if another one; --command: with {port}."),
    click.option("--probe", type=click.Choice(["durable-functions"]),
                 help="--url: read outcomes from its status API; no notifications are needed."),
    click.option("--capability", "capabilities", metavar="NAME", multiple=True,
                 callback=names_from(_declarable),
                 help="What it can do beyond the contract; --url: what it is configured for. May be"
                 " repeated."),
    click.option("--lacks", metavar="NAME", multiple=True, callback=names_from(_capabilities),
                 help="--app, --command: what it cannot do; scenarios that need it are skipped. May be"
                 " repeated."),
    click.option("--tolerance", metavar="DURATION", callback=_duration,
                 help="How late an outcome may be. [--command: 1s, --url: 5s]"),
    click.option("--redelivery-grace", metavar="DURATION", callback=_duration,
                 help="How long it may take to notify once the sink works again. [--command: 12s,"
                 " --url: 2m]"),
    click.option("--max-rate", type=click.IntRange(1, 10_000),
                 help="--url: requests per second, at most. [50]"),
    click.option("--jobs", "-j", type=click.IntRange(1, 64),
                 help="--command: scenarios played at the same time, each with its own process and folder."
                 " [12]"),
    click.option("--seed", type=click.IntRange(min=0),
                 help="Decides every random choice. [0; --url: a new one every time]"),
    click.option("--report", metavar="DIR", help=reports.HELP, type=click.Path(path_type=str)),
)  # fmt: skip
_smoke_option = click.option(
    "--smoke",
    is_flag=True,
    help="Play ten scenarios, one for each kind of bug; --command: with short timeouts, in half a minute.",
)
_explore_option = click.option(
    "--explore",
    "explore_ms",
    metavar="DURATION",
    callback=_duration,
    help="--app: then search at random for so long, such as 60s; what breaks the contract joins the card.",
)


@click.command(
    cls=ReplayableCommand,
    help=HELP,
    short_help="Judge your own aggregator and print a conformance card.",
    epilog=examples(
        "fanin verify --app myapp.main:create_app --app-dir src",
        "fanin verify --command 'node server.js' --smoke",
        "fanin verify --command 'dotnet run' slow-region resurrection",
        "fanin verify --url 'https://HOST/hook?region={region}&code={key}' \\",
        "    --regions eastus,westeurope --timeout 80s \\",
        "    --listen 0.0.0.0:9000 --public-url https://ME/",
        "fanin verify --target target.yaml",
    ),
)
@click.argument("names", metavar="[NAME|FILE]...", nargs=-1)
@_target_options
@_smoke_option
@_explore_option
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
    ctx: click.Context,
    /,
    *,
    names: tuple[str, ...],
    target_file: Path | None,
    form: str,
    smoke: bool,
    explore_ms: int | None,
    **options: Any,
) -> None:
    """Play the pack against a target and print its card; `HELP` is what the command says."""
    from fanin.harness.verify.verification import Verification

    given = {name: value for name, value in options.items() if value is not None}
    if names:
        given["scenarios"] = names
    target = _target(target_file, given, smoke=smoke)
    if explore_ms is not None:
        refuse_to_explore(target)
    scenarios = _load(target.scenarios)
    report = None if target.report is None else Path(target.report)
    if report is not None:
        reports.prepare(report)
    output = VerifyOutput(form, len(scenarios), more=explore_ms is not None)
    verification = Verification(
        target, list(scenarios.values()), _seed(target), os.environ, say=output.say, take=output.take
    )
    several = "scenario" if len(scenarios) == 1 else "scenarios"
    output.say(f"{len(scenarios)} {several} against {_name(target)}, seed {verification.seed}")
    complete = _run(verification)
    if not complete:
        verification.notes.append(
            f"interrupted when {len(output.results)} of {len(scenarios)} scenarios were judged"
        )
    names_given = {scenario.scenario: name for name, scenario in scenarios.items()}
    if complete and explore_ms is not None:
        complete = explore_further(verification, explore_ms, output, names_given)
    card = _card(target, names_given, output.results, verification.notes)
    # To a deployment the same seed would mean the same ids, which it has seen already.
    seed = verification.seed if target.url is None else None

    def replay(history: "History") -> str:
        return replay_command(ctx, names_given[history.run.scenario.scenario], seed=seed)

    if complete or card.judged:
        output.finish(card, lambda result: replay(result.history))
        reports.summarise(card, os.environ, replay=replay)
    if report is not None:
        reports.store(report, card, replay=replay)
    if not complete:
        raise Interrupted
    ctx.exit(card.exit_code)


def _run(verification: "Verification") -> bool:
    """Play and judge everything; False when Ctrl-C ended it.

    Raises:
        UserError: nothing can be judged.
    """
    from fanin.harness.verify.verification import VerificationError

    try:
        verification.run()
    except VerificationError as exc:
        raise UserError(str(exc)) from exc
    except KeyboardInterrupt:
        return False
    return True


def _card(
    target: "TargetConfig",
    names: Mapping[str, str],
    results: "Iterable[Judged | Skipped]",
    notes: Iterable[str],
) -> "Card":
    """All results, in the order in which the scenarios were given, and after them those that were found."""
    from fanin.harness.results import Card, Judged
    from fanin.harness.verify.lack_hints import lack_hints

    order = {name: place for place, name in enumerate(names)}
    results = list(results)
    notes = (*notes, *lack_hints([result for result in results if isinstance(result, Judged)]))
    return Card(_name(target), sorted(results, key=lambda result: order[result.name]), tuple(notes))


def _target(file: Path | None, given: dict[str, Any], *, smoke: bool) -> "TargetConfig":
    """The target of the file, if there is one, with the options of the command line.

    Args:
        file: The target file.
        given: The options, by field.
        smoke: Play the smoke test, unless other scenarios are named.

    Raises:
        UserError: the file is no target.
        UsageError: an option is wrong, contradicts another one, or is missing.
    """
    from fanin.harness.verify.config import TargetConfig
    from fanin.harness.verify.config_file import ScenarioError, load
    from fanin.harness.verify.config_validation import missing_settings, problems, with_options
    from fanin.harness.verify.smoke import with_smoke

    try:
        target = with_options(TargetConfig() if file is None else load(file), _checked(given))
    except ScenarioError as exc:
        raise UserError(str(exc)) from exc
    for problem in problems(target):
        raise click.UsageError(f"{_option_name(problem.field)}: {problem.message}")
    for sentence in missing_settings(target):
        raise click.UsageError(sentence)
    return with_smoke(target) if smoke else target


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    """The options, each held to the type of its field in a target file."""
    from typing import get_type_hints

    import msgspec

    from fanin.harness.verify.config import TargetConfig
    from fanin.simulator.language.field_types import FieldType, shape_of

    types = get_type_hints(TargetConfig, include_extras=True)
    for field in shape_of(TargetConfig).fields:
        if field.name not in given:
            continue
        try:
            msgspec.convert(given[field.name], types[field.name])
        except msgspec.ValidationError as exc:
            value = given[field.name]
            shown = ",".join(value) if isinstance(value, tuple) else value
            want = FieldType.of(field.type)
            item = getattr(want.type, "item_type", None)
            accepted = (want if item is None else FieldType.of(item)).accepted()
            message = f"{_option_name(field.name)}: {shown!r} is not accepted; write {accepted}"
            raise click.UsageError(message) from exc
    return given


def _option_name(field: str) -> str:
    name = {"capabilities": "capability"}.get(field, field)
    return f"--{name.replace('_', '-')}"


def _name(target: "TargetConfig") -> str:
    return target.app or target.command or target.url or ""


def _seed(target: "TargetConfig") -> int:
    import secrets

    if target.seed is not None:
        return target.seed
    return 0 if target.url is None else secrets.randbits(_SEED_BITS)


def _load(names: "Sequence[str]") -> "dict[str, Scenario]":
    """By name or file, as given.

    Raises:
        UsageError: one cannot be read, or two have the same name.
    """
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
