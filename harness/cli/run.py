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
    OneOfEachCommand,
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
    refuse_repeated,
    scenario_of,
    show_judged,
)

if TYPE_CHECKING:
    from fanin.harness.batch import RunRequests, RunResult
    from fanin.simulator.language.scenario import Scenario

_SEEDS_MAX = 1_000_000  # of one scenario: hours; more is a typing error
_EXPLAINED = 5  # of several runs that went wrong, so many get a timeline; the others their verdict


@click.command(
    cls=OneOfEachCommand,
    epilog=examples(
        "fanin run slow-region",
        "fanin run slow-region --seed 7 --history run.jsonl",
        "fanin run photo-finish --seeds 200",
        "fanin run --all --report report",
    ),
)
@click.argument("names", metavar="[NAME|FILE]...", nargs=-1)
@click.option("--all", "whole_pack", is_flag=True, help="Play every scenario of the pack.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides every random choice."
)
@click.option(
    "--seeds",
    type=click.IntRange(1, _SEEDS_MAX),
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

    _check(names, whole_pack=whole_pack, history_path=history_path)
    if engine != "sqlite" or show_replay:
        if whole_pack or len(names) != 1 or seeds > 1:
            raise click.UsageError("--engine plays one scenario, once; `fanin verify --command` plays many")
        ctx.exit(
            _run_engine(names[0], engine, seed, history_path, form, quiet=quiet, show_replay=show_replay)
        )
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
        played, results = (_play_several if several else _play_one)(runs, jobs, form, quiet=quiet)
    except OSError as exc:
        if isinstance(exc, BrokenPipeError) or history_path is None:
            raise
        raise UserError(f"--history {history_path}: {exc.strerror}") from exc
    if report is not None:
        _report(report, results, interrupted=played < len(runs))
    if played < len(runs):
        raise Interrupted(f"{played} of {len(runs)} runs")
    ctx.exit(exit_code(results) if several else results[0].exit_code)


def _check(names: Sequence[str], *, whole_pack: bool, history_path: Path | None) -> None:
    """Refuse what contradicts itself, before anything is read.

    Raises:
        UsageError: no scenario is named, one is named twice, or the history would go where the report goes.
    """
    if whole_pack and names:
        raise click.UsageError(
            f"--all plays the whole pack, and {names[0]!r} is named as well; give one of them"
        )
    if not whole_pack and not names:
        raise click.UsageError("name scenarios or files, or say --all; `fanin scenarios` lists the pack")
    refuse_repeated(names, "--seeds plays it several times")
    if str(history_path) == "-":
        raise click.UsageError("--history -: stdout has the report; name a file")


def _runs(
    scenarios: Mapping[str, "Scenario"],
    seeds: range,
    *,
    capabilities: Iterable[str],
    history_of: "Callable[[Scenario, int], Path | None]",
    kept: bool,
) -> "RunRequests":
    """The runs to make, seed by seed."""
    from fanin.harness.batch import RunRequest, RunRequests

    declared = "".join(f" --capability {name}" for name in capabilities)

    def request(name: str, scenario: "Scenario", seed: int) -> RunRequest:
        return RunRequest(
            scenario=scenario,
            seed=seed,
            replay=f"fanin run {shlex.quote(name)}{declared} --seed {seed}",
            history=history_of(scenario, seed),
            kept=kept,
        )

    return RunRequests(scenarios, seeds, request)


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


def _report(directory: Path, results: Sequence["RunResult"], *, interrupted: bool) -> None:
    from fanin.harness.results import Card, Judged

    replays = {id(result.history): result.request.replay for result in results}
    runs = [Judged(*result.outcome()) for result in results]
    card = Card("", runs, interrupted=interrupted)
    reports.store(directory, card, replay=lambda history: replays[id(history)])


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


def _play_one(
    runs: "RunRequests", _jobs: int | None, form: str, *, quiet: bool
) -> "tuple[int, Sequence[RunResult]]":
    """Play the only run. Returns what `_play_several` does."""
    from fanin.harness.batch import play_and_judge

    result = play_and_judge(next(iter(runs)))
    if form == "json":
        click.echo(result.json)
    else:
        _explain(result, quiet=quiet)
    return 1, [result]


def _play_several(
    runs: "RunRequests", jobs: int | None, form: str, *, quiet: bool
) -> "tuple[int, Sequence[RunResult]]":
    """Print one line each as they end, then the reports of what went wrong.

    Returns:
        How many runs were played, fewer than there are when Ctrl-C was pressed; and the results that went
        wrong or are kept for a report.
    """
    from fanin.harness.batch import play_all
    from fanin.harness.cli.progress import Progress
    from fanin.harness.parallel import WorkerKilledError
    from fanin.harness.report.text import summary

    played, results = 0, []
    progress = Progress(len(runs))
    try:
        progress.show()
        for result in play_all(runs, jobs=jobs):
            played += 1
            if result.history is not None:
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
    if form == "text" and played:
        wrong = [result for result in results if result.wrong]
        for nth, result in enumerate(wrong):
            click.echo()
            _explain(result, quiet=quiet or nth >= _EXPLAINED)
        click.echo()
        print_lines([summary(played, len(wrong))])
    return played, results


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
