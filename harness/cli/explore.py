"""``fanin explore``, ``sweep``, ``interleave`` and ``merge``: many runs in virtual time, and what they find.

Rules of this file: ``fanin --help`` imports it, so slow imports are inside the functions.
"""

import math
import shlex
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fanin.harness.cli import output_folder
from fanin.harness.cli.errors import Interrupted, UserError
from fanin.harness.cli.explore_numbers import (
    ENDLESS,
    chosen,
    orders_text,
    range_text,
    refuse_share_of_one,
    why_empty,
)
from fanin.harness.cli.explore_options import (
    LACKS,
    RunOptions,
    run_options,
    subject_from,
    subject_options,
)
from fanin.harness.cli.explore_output import ExplorationOutput, summary
from fanin.harness.cli.options import (
    OneOfEachCommand,
    check_name,
    duration,
    examples,
    form_option,
    print_lines,
    refuse_repeated,
)
from fanin.harness.cli.terminal import for_terminal

if TYPE_CHECKING:
    from fanin.harness.explore.runs import Exploration
    from fanin.harness.explore.subject import Subject

__all__ = ["LACKS", "explore", "interleave", "merge", "sweep"]

_ALL = "all"
_RUNS = 100
_seed = click.option(
    "--seed",
    type=click.IntRange(min=0, max=10**12),
    default=0,
    show_default=True,
    help="Decides every random choice.",
)
_only = click.option(
    "--only", type=click.IntRange(min=0), metavar="N", help="Play only this run, as `replay:` says."
)


@click.command(
    cls=OneOfEachCommand,
    short_help="Play random scenarios, and shrink those that break a rule.",
    epilog=examples(
        "fanin explore --runs 1000",
        "fanin explore --app myapp.main:create_app --for 10m --save found",
        "fanin explore --variants-of slow-region --runs 200",
        f"fanin explore --variants-of {_ALL} --shard 1/4 --format json > 1.jsonl",
        "fanin explore --bug lost-update      see how a bug is found",
    ),
)
@click.option(
    "--runs", type=click.IntRange(min=1), help=f"How many scenarios to play. [{_RUNS}; with --for: no limit]"
)
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=10**12),
    default=0,
    show_default=True,
    help="Seed of the first run; each further run has the next number.",
)
@click.option(
    "--variants-of",
    "bases",
    metavar="NAME|FILE",
    multiple=True,
    help=f"Play variants of this scenario instead of random ones. May be repeated; `{_ALL}`: of the pack.",
)
@subject_options
@run_options
@click.pass_context
def explore(
    ctx: click.Context, /, *, runs: int | None, seed: int, bases: tuple[str, ...], **given: Any
) -> None:
    """Play random scenarios in virtual time, and shrink those in which an aggregator breaks the contract.

    Each run draws a scenario from its seed: regions, timeouts, ids and names that are easily mixed up,
    delays, losses, copies, crashes, pauses, a sink that fails. Some vary an earlier run that put something
    new to the test. A scenario that breaks a rule of the contract is made smaller while it still shows the
    same finding, and written as a file for `fanin run`. Runs without a verdict are counted, with their
    reasons.

    A run depends on its seed alone: not on --jobs, --for, --shard or the machine. Ctrl-C ends the search, and
    what was found by then is reported.

    Exit codes: 0 no rule was broken, 1 one was, 2 usage error, 3 not one run could be judged,
    130 interrupted.
    """

    def search(subject: "Subject") -> "Exploration":
        from fanin.harness.explore.search import Search

        return Search(subject=subject, variants_of=_bases(bases, subject))

    endless = runs is None and given["for_ms"] is not None
    last = seed + (ENDLESS if endless else runs or _RUNS)
    _command(ctx, search, lambda _: range(seed, last), given)


@click.command(
    cls=OneOfEachCommand,
    short_help="Play one scenario once per step, with the aggregator killed there.",
    epilog=examples(
        "fanin sweep slow-region",
        "fanin sweep crash-at-the-finish --bug timer-wins-replay",
        "fanin sweep mine.yaml --app myapp.main:create_app --down-for 0s",
    ),
)
@click.argument("name", metavar="NAME|FILE")
@_seed
@click.option(
    "--down-for",
    metavar="DURATION",
    default="5s",
    show_default=True,
    callback=duration,
    help="How long the aggregator stays down.",
)
@_only
@subject_options
@run_options
@click.pass_context
def sweep(
    ctx: click.Context, /, *, name: str, seed: int, down_for: int, only: int | None, **given: Any
) -> None:
    """Play a scenario once for each step that its quiet run shows, with the aggregator killed at that step.

    The scenario is played first as it is. Its steps are all that can be seen from outside: a webhook is on
    its way, the aggregator is about to answer 2xx, the answer has arrived, a notification is about to be
    sent, the sink has it. Each further run kills the aggregator at one of them, and starts it again.
    `expect:` is left out, because it need not hold then; the contract must.

    Exit codes: as `fanin explore`.
    """
    refuse_share_of_one(only, given["shard"])

    def swept(subject: "Subject") -> "Exploration":
        from fanin.harness.explore.sweep import sweep_of

        check_name(name)
        if "process" in subject.lacks:
            raise click.UsageError("--lacks process: a sweep kills the process at each step")
        return sweep_of(name, subject, seed=seed, down_ms=down_for)

    def numbers(exploration: "Exploration") -> range:
        return chosen(only, len(exploration.crashes), "steps")  # type: ignore[attr-defined]

    _command(ctx, swept, numbers, given)


@click.command(
    cls=OneOfEachCommand,
    short_help="Play one scenario with simultaneous webhooks in every order.",
    epilog=examples(
        "fanin interleave photo-finish",
        "fanin interleave slow-region --within 10s",
        "fanin interleave stampede-start --orders 1000 --app myapp.main:create_app",
    ),
)
@click.argument("name", metavar="NAME|FILE")
@_seed
@click.option(
    "--orders",
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    help="Play so many orders; where there are more, a sample.",
)
@click.option(
    "--schedules",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Play it so often with all at one instant, each time scheduled in another way.",
)
@click.option(
    "--within",
    metavar="DURATION",
    default="5ms",
    show_default=True,
    callback=duration,
    help="Webhooks that leave so close to each other count as simultaneous.",
)
@_only
@subject_options
@run_options
@click.pass_context
def interleave(
    ctx: click.Context,
    /,
    *,
    name: str,
    seed: int,
    orders: int,
    schedules: int,
    within: int,
    only: int | None,
    **given: Any,
) -> None:
    """Play a scenario with its simultaneous webhooks in every order, 1 ms apart, then at one instant.

    All delays that the scenario leaves to chance are fixed first, so that the runs differ in the order alone.
    Where there are more orders than --orders, a sample is drawn from --seed, and how many there are is said.
    At one instant, the seed of the run chooses which of the tasks that are ready runs first.

    Exit codes: as `fanin explore`.
    """
    refuse_share_of_one(only, given["shard"])
    if orders == schedules == 0:
        raise click.UsageError("--orders 0 and --schedules 0: there is nothing to play")

    def interleaved(subject: "Subject") -> "Exploration":
        from fanin.harness.explore.interleave import Interleaving, orders_possible, simultaneous
        from fanin.harness.explore.sweep import without_expectations

        check_name(name)
        groups = simultaneous(without_expectations(name), seed, within)
        possible = orders_possible(groups)
        played = min(orders, possible)
        click.echo(orders_text([len(group) for group in groups], played, possible), err=True)
        return Interleaving(
            subject=subject, name=name, orders=played, schedules=schedules, seed=seed, within_ms=within
        )

    def numbers(exploration: "Exploration") -> range:
        return chosen(only, exploration.runs, "orders and schedules")  # type: ignore[attr-defined]

    _command(ctx, interleaved, numbers, given)


@click.command(
    cls=OneOfEachCommand,
    short_help="Join the results of several shares of an exploration.",
    epilog=examples(
        "fanin explore --runs 10000 --shard 1/2 --format json > 1.jsonl",
        "fanin merge 1.jsonl 2.jsonl",
    ),
)
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False)
)
@form_option
@click.pass_context
def merge(ctx: click.Context, *, files: tuple[Path, ...], form: str) -> None:
    """Join what several `fanin explore --shard` (or `sweep`, `interleave`) printed with --format json.

    The result is that of one exploration: the same runs in the same order. Runs that no file has are named.

    Exit codes: 0 no rule was broken, 1 one was, 2 the files do not belong together, 3 not one run was judged.
    """
    from fanin.harness.explore import results_file
    from fanin.harness.report.line import line

    try:
        results = results_file.merge(files)
    except results_file.ResultsError as exc:
        raise UserError(str(exc)) from exc
    if form == "json":
        click.echo(results_file.encode(results.header))
        for run in results.runs:
            click.echo(results_file.encode(run))
        click.echo(results_file.encode(results_file.end_line(results.runs, complete=not results.missing)))
    else:
        for run in results.runs:
            if run.smallest is not None:
                print_lines([line(f"{run.finding.rule}: {run.finding.message}")])
                print_lines(line(f"    {text}") for text in run.smallest.scenario.splitlines())
                print_lines([line(f"  replay: {run.replay}")])
        print_lines(map(line, summary(results.runs) if results.runs else ["no runs"]))
    for first, last in results.missing:
        click.echo(f"runs {first} to {last} are in no file", err=True)
    ctx.exit(results_file.exit_code(results.runs))


def _bases(names: tuple[str, ...], subject: "Subject") -> tuple[str, ...]:
    """The scenarios to make variants of; each is loaded once, so that errors come before any run."""
    from fanin.harness.explore.generate import Space
    from fanin.harness.explore.search import base_scenario, pack

    if _ALL in names:
        return pack()
    refuse_repeated(names)
    for name in names:
        check_name(name)
        base_scenario(name, Space(capabilities=subject.available, timeout_ms_max=subject.timeout_ms_max))
    return names


def _command(
    ctx: click.Context,
    make: "Callable[[Subject], Exploration]",
    numbers: "Callable[[Exploration], range]",
    given: dict[str, Any],
) -> None:
    """Play an exploration as the options say, print what it finds, and end with its exit code."""
    from fanin.harness.parallel import WorkerKilledError
    from fanin.harness.world.asgi import AppLoadError
    from fanin.harness.world.play import UnsimulatedError
    from fanin.simulator.language.load import ScenarioError

    names = ("jobs", "for_ms", "shard", "form", "folder")
    options = RunOptions(**{name: given.pop(name) for name in names})
    try:
        exploration = make(subject_from(given))
        if options.folder is not None:
            _prepare(options.folder)
        _explore(ctx, exploration, numbers(exploration), options)
    except (AppLoadError, ScenarioError, UnsimulatedError, ValueError) as exc:
        raise click.UsageError(str(exc)) from exc
    except WorkerKilledError as exc:
        raise UserError(str(exc)) from exc


def _prepare(folder: Path) -> None:
    """Make the folder of ``--save``.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        output_folder.prepare(folder)
    except OSError as exc:
        message = f"--save {folder}: {exc.strerror}; choose a folder that can be written"
        raise click.UsageError(message) from exc


def _explore(ctx: click.Context, exploration: "Exploration", numbers: range, options: RunOptions) -> None:
    from fanin.harness.cli.progress import Progress
    from fanin.harness.explore.results_file import Header, exit_code
    from fanin.harness.explore.runs import explore as explored
    from fanin.harness.explore.time_limit import until

    endless = len(numbers) == ENDLESS
    part, parts = options.shard
    share = f", share {part} of {parts}" if parts > 1 else ""
    many = "" if endless else f"{len(numbers)} "
    title = (
        f"{many}{exploration.title(len(numbers))} against {exploration.subject.name}, {range_text(numbers)}"
    )
    click.echo(for_terminal(f"{title}{share}"), err=True)
    if (reason := why_empty(exploration, numbers, options.shard)) is not None:
        click.echo(reason, err=True)
    for_s = None if options.for_ms is None else options.for_ms / 1000
    progress = Progress(None if endless or parts > 1 else len(numbers), for_s=for_s)
    end_s = math.inf if for_s is None else time.monotonic() + for_s
    output = ExplorationOutput(exploration, options.form, options.folder, progress, end_s=end_s)
    command = shlex.join(exploration.words)
    output.begin(Header(command, numbers.start, None if endless else numbers[-1], part, parts))
    runs = explored(exploration, numbers, jobs=options.jobs, shard=options.shard)
    complete = True
    try:
        with closing(runs):  # the processes that play go on until then
            for run in runs if for_s is None else until(runs, end_s):
                output.take(run)
    except KeyboardInterrupt:
        complete = False  # what is done is reported, and that it is not all
    finally:
        progress.wipe()
    output.finish(complete=complete)
    if not complete:
        raise Interrupted(f"{len(output.runs)} {'runs' if endless else f'of {len(numbers)} runs'}")
    ctx.exit(exit_code(output.runs))
