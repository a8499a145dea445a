"""``fanin verify``: plays the pack against an aggregator of the user's and prints a conformance card.

Rules of this file: options become a `fanin.harness.verify.config.TargetConfig`, and what they mean is known
there; ``fanin --help`` imports it, so slow imports are inside the functions.
"""

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fanin.harness.cli import report_option as reports
from fanin.harness.cli.errors import Interrupted, UserError
from fanin.harness.cli.options import OneOfEachCommand, check_name, examples, refuse_repeated
from fanin.harness.cli.verify_explore import explore_further, refuse_to_explore
from fanin.harness.cli.verify_help import HELP
from fanin.harness.cli.verify_options import explore_option, smoke_option, target_options
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


class ReplayableCommand(OneOfEachCommand):
    """A command that keeps its options as they were given, so that `replay_command` can repeat them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        options, _, _ = self.make_parser(ctx).parse_args(list(args))
        ctx.meta[__name__] = options
        return super().parse_args(ctx, args)


def replay_command(
    ctx: click.Context, *scenarios: str, seed: int | None = None, lacks: Sequence[str] = ()
) -> str:
    """The same command for some scenarios.

    Args:
        ctx: Of a `ReplayableCommand`.
        scenarios: Their names or files.
        seed: None where it is drawn anew each time.
        lacks: What it says besides that the target lacks.
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
    for each in lacks:
        words += ["--lacks", each]
    words += [] if seed is None else ["--seed", str(seed)]
    return shlex.join([*words, *scenarios])


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
@target_options
@smoke_option
@explore_option
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
        verification.notes.append(_interrupted(output.results, len(scenarios)))
    names_given = {scenario.scenario: name for name, scenario in scenarios.items()}
    if complete and explore_ms is not None:
        complete = explore_further(verification, explore_ms, output, names_given)
    card = _card(target, names_given, output.results, verification.notes, interrupted=not complete)
    # To a deployment the same seed would mean the same ids, which it has seen already.
    seed = verification.seed if target.url is None else None

    def replay(history: "History") -> str:
        return replay_command(ctx, names_given[history.run.scenario.scenario], seed=seed)

    output.end_of_results()
    if complete or card.judged:
        lacks = [it.capability for it in card.seeming_lacks]
        lacking = replay_command(ctx, *names, seed=target.seed, lacks=lacks)
        output.finish(card, lambda result: replay(result.history), lacking)
        reports.summarise(card, os.environ, replay=replay)
    if report is not None:
        reports.store(report, card, replay=replay)
    if not complete:
        raise Interrupted
    ctx.exit(card.exit_code)


def _interrupted(results: "Sequence[Judged | Skipped]", scenarios: int) -> str:
    from fanin.harness.results import Skipped

    skipped = sum(isinstance(result, Skipped) for result in results)
    and_skipped = f", and {skipped} skipped" if skipped else ""
    return f"interrupted when {len(results) - skipped} of {scenarios} scenarios were judged{and_skipped}"


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
    *,
    interrupted: bool,
) -> "Card":
    """All results, in the order in which the scenarios were given, and after them those that were found."""
    from fanin.harness.results import Card, Judged
    from fanin.harness.verify.lack_hints import seeming_lacks

    order = {name: place for place, name in enumerate(names)}
    results = list(results)
    # What a deployment has, it has declared.
    judged = [result for result in results if isinstance(result, Judged) and target.url is None]
    lacks = tuple(seeming_lacks(judged))
    in_order = sorted(results, key=lambda result: order[result.name])
    return Card(_name(target), in_order, (*notes, *map(str, lacks)), lacks, interrupted)


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

    refuse_repeated(names)
    for name in names:
        check_name(name)
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
