"""``fanin run``: plays scenarios and judges them.

Rules of this file: ``fanin --help`` imports it, so slow imports are inside the functions.
"""

import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fanin.harness.cli import report_option as reports
from fanin.harness.cli.errors import Interrupted, UserError
from fanin.harness.cli.options import (
    examples,
    form_option,
    jobs_option,
    list_width,
    names_from,
    optional_capabilities,
    output_width,
    pack,
    print_lines,
    quiet_option,
    scenario_of,
    show_judged,
)

if TYPE_CHECKING:
    from fanin.harness.batch import RunRequest, RunResult
    from fanin.simulator.language.scenario import Scenario

_EXPLAINED = 5  # of several runs that went wrong, so many get a timeline; the others their verdict


@click.command(
    epilog=examples(
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
@jobs_option
@click.option(
    "--capability",
    "capabilities",
    metavar="NAME",
    multiple=True,
    callback=names_from(optional_capabilities),
    help="Play scenarios that need this although the aggregator cannot do it. May be repeated.",
)
@form_option
@click.option(
    "--history",
    "history_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Store what happened, for `fanin judge`. With several runs: a folder.",
)
@click.option("--report", metavar="DIR", type=click.Path(path_type=Path), help=reports.HELP)
@quiet_option
@click.option(
    "--engine",
    metavar="NAME",
    default="sqlite",
    show_default=True,
    help="Play against this engine of `fanin serve`; any but sqlite in real time.",
)
@click.option(
    "--show-replay",
    is_flag=True,
    help="--engine durable-task: print each replay of the orchestration.",
)
@click.pass_context
def run(
    ctx: click.Context,
    *,
    names: tuple[str, ...],
    whole_pack: bool,
    seed: int,
    seeds: int,
    jobs: int | None,
    capabilities: tuple[str, ...] | None,
    form: str,
    history_path: Path | None,
    report: Path | None,
    quiet: bool,
    engine: str,
    show_replay: bool,
) -> None:
    """Play scenarios in virtual time and judge them.

    One run prints its timeline and its verdict. Several print one line each, and the report of those whose
    verdict is another one than their scenario states.

    Exit code of one run: 0 valid, 1 invalid, 3 unknown, whatever its scenario states. Of several: 0 when
    each got the verdict that its scenario states, else that of the worst. A scenario that needs more than
    the contract asks for is skipped, with what it needs; 3 when nothing is left.

    An engine that needs a server of its own is played against in real time, one scenario at a time;
    `fanin verify --command` plays more.
    """
    from fanin.harness.batch import exit_code
    from fanin.harness.verdict import Exit

    if engine != "sqlite" or show_replay:
        if whole_pack or len(names) != 1 or seeds > 1:
            raise click.UsageError("--engine plays one scenario, once; `fanin verify --command` plays many")
        ctx.exit(
            _run_engine(names[0], engine, seed, history_path, form, quiet=quiet, show_replay=show_replay)
        )
    if whole_pack == bool(names):
        raise click.UsageError("name scenarios or files, or say --all; `fanin scenarios` lists the pack")
    asked = {name: scenario_of(name) for name in (pack() if whole_pack else names)}
    scenarios = _playable(asked, capabilities or (), form)
    if not scenarios:
        ctx.exit(Exit.UNKNOWN)
    several = len(scenarios) * seeds > 1
    runs = _runs(
        scenarios,
        range(seed, seed + seeds),
        capabilities=capabilities or (),
        history_of=_history_paths(history_path, scenarios, several=several),
        kept=report is not None or not several,
    )
    if report is not None:
        reports.prepare(report)
    try:
        results = _play_several(runs, jobs, form, quiet=quiet) if several else _play_one(runs[0], form, quiet)
    except OSError as exc:
        if isinstance(exc, BrokenPipeError) or history_path is None:
            raise
        raise UserError(f"--history {history_path}: {exc.strerror}") from exc
    if report is not None:
        _report(report, results)
    if len(results) < len(runs):
        raise Interrupted(f"{len(results)} of {len(runs)} runs")
    ctx.exit(exit_code(results) if several else results[0].exit_code)


def _runs(
    scenarios: Mapping[str, "Scenario"],
    seeds: Iterable[int],
    *,
    capabilities: Iterable[str],
    history_of: "Callable[[Scenario, int], Path | None]",
    kept: bool,
) -> "list[RunRequest]":
    """The runs to make, seed by seed."""
    from fanin.harness.batch import RunRequest

    declared = "".join(f" --capability {name}" for name in capabilities)
    return [
        RunRequest(
            scenario=scenario,
            seed=seed,
            replay=f"fanin run {shlex.quote(name)}{declared} --seed {seed}",
            history=history_of(scenario, seed),
            kept=kept,
        )
        for name, scenario in scenarios.items()
        for seed in seeds
    ]


def _playable(
    asked: Mapping[str, "Scenario"], capabilities: Sequence[str], form: str
) -> "dict[str, Scenario]":
    """The scenarios that the aggregator can be judged by; a line is printed for each of the others."""
    from fanin.harness.capabilities import OUR_CAPABILITIES, missing_capabilities
    from fanin.harness.report.text import skipped

    playable = {}
    available: set[str] = {*OUR_CAPABILITIES, *capabilities}
    for name, scenario in asked.items():
        if not (missing := missing_capabilities(scenario, available)):
            playable[name] = scenario
        elif form == "json":
            click.echo(json.dumps({"scenario": scenario.scenario, "skipped": missing}))
        else:
            print_lines(skipped(scenario, missing, list_width()))
    return playable


def _report(directory: Path, results: Sequence["RunResult"]) -> None:
    from fanin.harness.results import Card, Judged

    replays = {id(result.history): result.request.replay for result in results}
    runs = [Judged(*result.outcome()) for result in results]
    reports.store(directory, Card("", runs), replay=lambda history: replays[id(history)])


def _run_engine(
    name: str, engine: str, seed: int, history_path: Path | None, form: str, *, quiet: bool, show_replay: bool
) -> int:
    """Play one scenario in real time, against an engine with its local backend."""
    from fanin.harness import history as histories
    from fanin.harness.cli.play_engine import EngineUnavailableError, check_engine, play_engine
    from fanin.harness.oracle.oracle import judge as judged
    from fanin.harness.verdict import Exit
    from fanin.harness.world.asgi import StartError

    scenario = scenario_of(name)
    try:
        check_engine(engine, show_replay=show_replay)
        played, replays = play_engine(scenario, engine, seed=seed, show_replay=show_replay)
    except (EngineUnavailableError, StartError) as exc:
        raise UserError(str(exc)) from exc
    if history_path is not None:
        histories.save(played.history, history_path)
    verdict = judged(played.history)
    if form == "text":
        click.echo("".join(f"{line}\n" for line in replays), nl=False)
    replay = f"fanin run {shlex.quote(name)} --engine {engine} --seed {seed}"
    show_judged(played.history, verdict, form, quiet=quiet, replay=replay)
    return Exit[verdict.validity.name]


def _play_one(it: "RunRequest", form: str, quiet: bool) -> "Sequence[RunResult]":  # noqa: FBT001 - as the flag is
    from fanin.harness.batch import play_and_judge

    result = play_and_judge(it)
    if form == "json":
        click.echo(result.json)
    else:
        _explain(result, quiet=quiet)
    return [result]


def _play_several(
    runs: Sequence["RunRequest"], jobs: int | None, form: str, *, quiet: bool
) -> "Sequence[RunResult]":
    """Print one line each as they end, then the reports of what went wrong.

    Returns:
        The results; fewer than there are runs when Ctrl-C was pressed.
    """
    from fanin.harness.batch import play_all
    from fanin.harness.cli.progress import Progress
    from fanin.harness.parallel import WorkerKilledError
    from fanin.harness.report.text import summary

    results = []
    progress = Progress(len(runs))
    try:
        progress.show()
        for result in play_all(runs, jobs=jobs):
            results.append(result)
            progress.advance()
            if form == "json":
                click.echo(result.json)
            else:
                print_lines([result.line])
            progress.show()
    except KeyboardInterrupt:
        pass  # what is done is reported, and that it is not all
    except WorkerKilledError as exc:
        raise UserError(str(exc)) from exc
    finally:
        progress.wipe()
    if form == "text" and results:
        for nth, result in enumerate(result for result in results if result.wrong):
            click.echo()
            _explain(result, quiet=quiet or nth >= _EXPLAINED)
        click.echo()
        print_lines([summary([result.wrong for result in results])])
    return results


def _explain(result: "RunResult", *, quiet: bool) -> None:
    from fanin.harness.report.text import report

    print_lines(report(*result.outcome(), replay=result.request.replay, quiet=quiet, width=output_width()))


def _history_paths(
    path: Path | None, scenarios: Mapping[str, "Scenario"], *, several: bool
) -> Callable[["Scenario", int], Path | None]:
    """The path of each run's history, checked before anything is played.

    Raises:
        UserError: it cannot be written, or two histories would have one name.
    """
    if path is None:
        return lambda _scenario, _seed: None
    if several and len({it.scenario for it in scenarios.values()}) < len(scenarios):
        raise UserError(
            "--history: two of these scenarios have one name, and each history is named after its own"
        )
    try:
        if several:
            path.mkdir(parents=True, exist_ok=True)
            return lambda scenario, seed: path / f"{scenario.scenario}.seed-{seed}.jsonl"
        with path.open("ab"):
            return lambda _scenario, _seed: path
    except OSError as exc:
        wanted = "several runs need a folder" if several else "one run needs a file that can be written"
        raise UserError(f"--history {path}: {exc.strerror}; {wanted}") from exc
