"""The command line: ``fanin``.

Rules of this file: results go to stdout, progress and complaints to stderr; a mistake of the user's is one
sentence and exit code 2, never a traceback; nothing is imported before the command that needs it runs, so
that ``fanin --help`` answers at once.
"""

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.bugs.commands import bug, matrix
from harness.explore.command import explore
from harness.mistake import Mistake
from harness.report import command as reports
from harness.verify.command import beyond, named, verify

if TYPE_CHECKING:
    from harness.batch import Job, Result
    from harness.history import History
    from harness.report.line import Line
    from harness.verdict import Verdict
    from simulator.scenario import Scenario

_INTERRUPTED = 130  # 128 + SIGINT, as a shell counts
_EXPLAINED = 5  # of several runs that went wrong, so many get a timeline; the others their verdict
_PIPE_CLOSED = 141  # 128 + SIGPIPE: neither 1 nor 3, which are verdicts


class Interrupted(click.ClickException):
    """Somebody pressed Ctrl-C."""

    exit_code = _INTERRUPTED

    def __init__(self) -> None:
        super().__init__("interrupted")

    def show(self, file: Any = None) -> None:
        after_the_caret = "\n" if sys.stderr.isatty() else ""  # a terminal shows ^C
        click.echo(f"{after_the_caret}fanin: interrupted", err=True, file=file)


class _Program(click.Group):
    """Ends quietly when its reader has gone, and in one line when it is interrupted."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.commands)  # as they stand below: what a newcomer needs first comes first

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None
        except BrokenPipeError:
            # Python flushes stdout once more at exit; there must be something to flush it to.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(_PIPE_CLOSED)


def _examples(*commands: str) -> str:
    """An epilog that click does not wrap; a backspace alone on its line asks for that."""
    return "\n".join(
        ["\b", "Example:" if len(commands) == 1 else "Examples:", *(f"  {it}" for it in commands)]
    )


_form = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: one object per run, one a line.",
)
_quiet = click.option("--quiet", "-q", is_flag=True, help="Only the verdict, no timeline.")


@click.group(
    cls=_Program,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_examples(
        "fanin run slow-region     play one scenario and see what happened",
        "fanin scenarios           what else there is to play",
    ),
)
@click.version_option(package_name="fanin", prog_name="fanin")
def main() -> None:
    """Simulate a geo-replicated registry, and judge what an aggregator makes of its webhooks.

    A registry sends one webhook per region for every push. An aggregator waits for all of them, or for a
    deadline, and tells a sink exactly one outcome. Fanin plays scenarios against it and says whether it
    kept that contract.

    Exit codes: 0 valid, 1 invalid, 2 usage error, 3 unknown.
    """


@main.command(
    epilog=_examples(
        "fanin run slow-region",
        "fanin run slow-region --seed 7 --history run.jsonl",
        "fanin run photo-finish --seeds 200",
        "fanin run --all --report report",
    )
)
@click.argument("names", metavar="[NAME|FILE]...", nargs=-1)
@click.option("--all", "whole_pack", is_flag=True, help="Play every scenario of the pack.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides every random choice."
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Play this many seeds, counting up from --seed.",
)
@click.option(
    "--capability",
    "capabilities",
    metavar="NAME",
    multiple=True,
    callback=named(beyond),
    help="Play scenarios that need this, too, although the aggregator does not have it. May be repeated.",
)
@_form
@click.option(
    "--history",
    "history_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Store what happened, for `fanin judge`. With several runs: a folder.",
)
@click.option("--report", metavar="DIR", type=click.Path(path_type=Path), help=reports.HELP)
@_quiet
@click.option(
    "--engine", metavar="NAME", default="sqlite", show_default=True, help="The engine to play against."
)
@click.option(
    "--show-replay", is_flag=True, help="Print each replay of the orchestration: --engine durable-task."
)
@click.pass_context
def run(
    ctx: click.Context,
    *,
    names: tuple[str, ...],
    whole_pack: bool,
    seed: int,
    seeds: int,
    capabilities: tuple[str, ...] | None,
    form: str,
    history_path: Path | None,
    report: Path | None,
    quiet: bool,
    engine: str,
    show_replay: bool,
) -> None:
    """Play scenarios in virtual time and judge them.

    One run prints its timeline and its verdict. Several print one line each, and the report of those that
    did not get the verdict which their scenario states.

    Exit code of one run: 0 valid, 1 invalid, 3 unknown, whatever its scenario states.
    Of several: 0 when each got the verdict that its scenario states, else that of the worst.
    What needs more than the contract asks for is skipped, by name; 3 when nothing is left.

    An engine that works with something outside its process is played against in real time, one scenario at a
    time: `fanin verify --command` plays more.
    """
    from harness.batch import Job, exit_code
    from harness.verdict import Exit

    if engine != "sqlite" or show_replay:
        if whole_pack or len(names) != 1 or seeds > 1:
            raise click.UsageError("--engine plays one scenario, once; `fanin verify --command` plays many")
        ctx.exit(
            _run_engine(names[0], engine, seed, history_path, form, quiet=quiet, show_replay=show_replay)
        )
    if whole_pack == bool(names):
        raise click.UsageError("name scenarios or files, or say --all; `fanin scenarios` lists the pack")
    asked = {name: _scenario(name) for name in (_pack() if whole_pack else names)}
    played = _without_skipped(asked, capabilities or (), form)
    if not played:
        ctx.exit(Exit.UNKNOWN)
    several = len(played) * seeds > 1
    if several and history_path and len({it.scenario for it in played.values()}) < len(played):
        raise Mistake(
            "--history: two of these scenarios have one name, and each history is named after its own"
        )
    history_of = _history_paths(history_path, several=several)
    jobs = [
        Job(
            scenario=scenario,
            seed=number,
            replay=f"fanin run {shlex.quote(name)} --seed {number}",
            history=history_of(scenario, number),
            kept=report is not None or not several,
        )
        for name, scenario in played.items()
        for number in range(seed, seed + seeds)
    ]
    if report is not None:
        reports.prepare(report)
    play = _run_several if several else _run_one
    try:
        results = play(jobs, form, quiet=quiet)
    except OSError as exc:
        if isinstance(exc, BrokenPipeError) or history_path is None:
            raise
        raise Mistake(f"--history {history_path}: {exc.strerror}") from exc
    if report is not None:
        _report(report, results)
    ctx.exit(exit_code(results) if several else results[0].exit_code)


def _without_skipped(
    asked: Mapping[str, "Scenario"], capabilities: Sequence[str], form: str
) -> "dict[str, Scenario]":
    """Those whose needs the aggregator meets. Of the others one line each says what it lacks."""
    import json

    from harness.needs import USUAL, lacking
    from harness.report.text import skipped

    played = {}
    there: set[str] = {*USUAL, *capabilities}
    for name, scenario in asked.items():
        if not (lacks := lacking(scenario, there)):
            played[name] = scenario
        elif form == "json":
            click.echo(json.dumps({"scenario": scenario.scenario, "skipped": lacks}))
        else:
            _print([skipped(scenario, lacks)])
    return played


def _report(directory: Path, results: Sequence["Result"]) -> None:
    from harness.verify.card import Card, Judged

    replays = {id(result.history): result.job.replay for result in results}
    runs = [Judged(*result.outcome()) for result in results]
    reports.store(directory, Card("", runs), replay=lambda history: replays[id(history)])


def _run_engine(
    name: str, engine: str, seed: int, history_path: Path | None, form: str, *, quiet: bool, show_replay: bool
) -> int:
    """Play one scenario in real time, against an engine with all that it works with."""
    from aggregator.engines import ENGINES
    from harness import history as histories
    from harness.engines import play_engine, refuse
    from harness.judge.oracle import judge as judged
    from harness.verdict import Exit
    from harness.world.asgi import StartError

    outside = [it for it, entry in ENGINES.items() if entry.backend is not None]
    if problem := refuse(engine, outside, show_replay=show_replay):
        raise click.UsageError(problem)
    try:
        played, replays = play_engine(_scenario(name), engine, seed=seed, show_replay=show_replay)
    except StartError as exc:
        raise Mistake(str(exc)) from exc
    if history_path is not None:
        histories.save(played.history, history_path)
    verdict = judged(played.history)
    if form == "text":
        click.echo("".join(f"{line}\n" for line in replays), nl=False)
    replay = f"fanin run {shlex.quote(name)} --engine {engine} --seed {seed}"
    _show_judged(played.history, verdict, form, quiet=quiet, replay=replay)
    return Exit[verdict.validity.name]


def _run_one(jobs: Sequence["Job"], form: str, *, quiet: bool) -> "Sequence[Result]":
    from harness.batch import perform

    result = perform(jobs[0])
    if form == "json":
        click.echo(result.json)
    else:
        _explain(result, quiet=quiet)
    return [result]


def _run_several(jobs: Sequence["Job"], form: str, *, quiet: bool) -> "Sequence[Result]":
    """One line each as they come, then what went wrong."""
    from harness.batch import perform_all
    from harness.report.progress import Progress
    from harness.report.text import summary

    results = []
    progress = Progress(len(jobs))
    try:
        progress.show()
        for result in perform_all(jobs):
            results.append(result)
            progress.advance()
            if form == "json":
                click.echo(result.json)
            else:
                _print([result.line])
            progress.show()
    finally:
        progress.wipe()
    if form == "text":
        for nth, result in enumerate(result for result in results if result.wrong):
            click.echo()
            _explain(result, quiet=quiet or nth >= _EXPLAINED)
        click.echo()
        _print([summary([result.wrong for result in results])])
    return results


def _explain(result: "Result", *, quiet: bool) -> None:
    from harness.report.text import report

    _print(report(*result.outcome(), replay=result.job.replay, quiet=quiet))


@main.command(epilog=_examples("fanin scenarios"))
def scenarios() -> None:
    """List the pack, one line each.

    The last column is the verdict that a healthy aggregator must get, where it is not `valid`.
    """
    pack = {name: _scenario(name) for name in _pack()}
    width = max(map(len, pack), default=0)
    for name, scenario in pack.items():
        stated = "" if scenario.verdict == "valid" else f"  ({scenario.verdict})"
        click.echo(f"{name:<{width}}  {scenario.title}{stated}")


@main.command(epilog=_examples("fanin show slow-region"))
@click.argument("name", metavar="NAME|FILE")
def show(name: str) -> None:
    """Explain one scenario: what it teaches, and its world in words."""
    from harness.report.explanation import explain
    from simulator.pack import find

    scenario = _scenario(name)
    _print(explain(scenario, path=str(find(name)), play=f"fanin run {shlex.quote(name)}"))


@main.command(epilog=_examples("fanin run slow-region --history run.jsonl", "fanin judge run.jsonl"))
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@_form
@_quiet
@click.pass_context
def judge(ctx: click.Context, *, file: Path, form: str, quiet: bool) -> None:
    """Judge a stored history again, and print the same report. FILE `-` reads stdin.

    Nothing is played: the verdict follows from the file alone, so a history can be judged by a later
    version, or come from elsewhere.
    """
    from harness import history as histories
    from harness.judge.oracle import judge as judged
    from harness.verdict import Exit

    try:
        history = histories.load(Path("/dev/stdin") if str(file) == "-" else file)
    except histories.HistoryError as exc:
        raise Mistake(str(exc)) from exc
    verdict = judged(history)
    _show_judged(history, verdict, form, quiet=quiet, replay=_replay(history, file))
    ctx.exit(Exit[verdict.validity.name])


for _command in (verify, bug, matrix, explore):
    main.add_command(_command)


def _show_judged(history: "History", verdict: "Verdict", form: str, *, quiet: bool, replay: str) -> None:
    from harness.report import jsonform
    from harness.report.text import report

    if form == "json":
        click.echo(jsonform.encode(history, verdict, replay=replay))
    else:
        _print(report(history, verdict, replay=replay, quiet=quiet))


def _replay(history: "History", file: Path) -> str:
    """A scenario of the pack can be played again; anything else at least be judged again."""
    run = history.run
    if run.scenario.scenario in _pack():
        return f"fanin run {run.scenario.scenario} --seed {run.seed}"
    return f"fanin judge {shlex.quote(str(file))}"


@main.command(epilog=_examples("fanin schema > scenario.schema.json"))
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    from simulator.schema import text

    click.echo(text(), nl=False)


def _of_the_aggregator(name: str, summary: str, load: Callable[[], click.Command]) -> None:
    """A command that the aggregator brings along; it is imported when it is used."""

    @main.command(
        name,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        help=summary,
    )
    @click.pass_context
    def forward(ctx: click.Context) -> None:
        command = load()
        with command.make_context(name, list(ctx.args), parent=ctx.parent) as inner:
            command.invoke(inner)


def _serve() -> click.Command:
    from aggregator.__main__ import serve

    return serve


def _instances() -> click.Command:
    from aggregator.instances import instances

    return instances


def _outbox() -> click.Command:
    from aggregator.outbox_commands import outbox

    return outbox


def _backup() -> click.Command:
    from aggregator.backup import backup

    return backup


def _restore() -> click.Command:
    from aggregator.backup import restore_command

    return restore_command


_of_the_aggregator("serve", "Run the aggregator itself on this machine.", _serve)
_of_the_aggregator("instances", "List what a running aggregator waits for.", _instances)
_of_the_aggregator("outbox", "Show what an aggregator could not tell, and send it again.", _outbox)
_of_the_aggregator("backup", "Copy an aggregator's data while it runs.", _backup)
_of_the_aggregator("restore", "Put a copy back in the place of an aggregator's data.", _restore)


def _pack() -> list[str]:
    from simulator.pack import names

    return names()


def _scenario(name: str) -> "Scenario":
    from simulator.loading import ScenarioError, load
    from simulator.pack import find

    try:
        return load(find(name))
    except ScenarioError as exc:
        raise Mistake(str(exc)) from exc


def _history_paths(path: Path | None, *, several: bool) -> Callable[["Scenario", int], Path | None]:
    """Where each run's history goes; complains before anything is played, not after."""
    if path is None:
        return lambda _scenario, _seed: None
    try:
        if several:
            path.mkdir(parents=True, exist_ok=True)
            return lambda scenario, seed: path / f"{scenario.scenario}.seed-{seed}.jsonl"
        with path.open("ab"):
            return lambda _scenario, _seed: path
    except OSError as exc:
        wanted = "several runs need a folder" if several else "one run needs a file that can be written"
        raise Mistake(f"--history {path}: {exc.strerror}; {wanted}") from exc


def _print(rows: Iterable["Line"]) -> None:
    from harness.report.line import paint

    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    click.echo(paint(rows, colour=colour, encoding=sys.stdout.encoding or "utf-8"), color=colour)
