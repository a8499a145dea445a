"""``fanin explore``: plays random scenarios, and shrinks what fails to a file that ``fanin run`` plays."""

import re
import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fanin.harness.cli.errors import Interrupted, UserError
from fanin.harness.cli.options import examples, jobs_option

if TYPE_CHECKING:
    from fanin.harness.capabilities import Capability
    from fanin.harness.explore.search import ExploredRun, Search, ShrunkRun
    from fanin.harness.verdict import Exit

# How many runs are shrunk for each broken rule: further ones are mostly the same bug.
SHRUNK_PER_RULE = 3
_NAMED_MAX = 3
# The parts of a reason that differ from run to run: names and instants.
_PARTICULAR = re.compile(r"\b[\w./-]*\d[\w./-]*")
_ALL = "all"
# Equal to `without_capabilities.REMOVABLE`, whose import is too slow for ``fanin --help``.
LACKS = ("process", "image-correlation", "action-filter", "function-keys")


@click.command(
    short_help="Play random scenarios, and shrink those that break a rule.",
    epilog=examples(
        "fanin explore --runs 1000",
        "fanin explore --variants-of slow-region --runs 200 --save found",
        f"fanin explore --variants-of {_ALL} --runs 10000 --seed 1",
        "fanin explore --app myapp.main:create_app --app-dir src",
    ),
)
@click.option(
    "--runs", type=click.IntRange(min=1), default=100, show_default=True, help="How many scenarios to play."
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of the first run; each further run has the next number.",
)
@jobs_option
@click.option(
    "--variants-of",
    "bases",
    metavar="NAME|FILE",
    multiple=True,
    help=f"Play variants of this scenario instead of random ones. May be repeated; `{_ALL}`: of the pack.",
)
@click.option("--app", metavar="MODULE:FACTORY", help="An ASGI application factory instead of fanin's own.")
@click.option(
    "--app-dir",
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder that contains the module.",
)
@click.option(
    "--lacks",
    type=click.Choice(LACKS),
    multiple=True,
    help="A capability that the application does not have; no run needs it. May be repeated.",
)
@click.option(
    "--save",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write each shrunk scenario to a file in DIR, instead of printing it.",
)
@click.pass_context
def explore(
    ctx: click.Context,
    *,
    runs: int,
    seed: int,
    jobs: int | None,
    bases: tuple[str, ...],
    app: str | None,
    app_dir: Path | None,
    lacks: "tuple[Capability, ...]",
    folder: Path | None,
) -> None:
    """Play random scenarios in virtual time, and shrink those in which an aggregator breaks the contract.

    Each run draws a scenario from its seed: regions, timeouts, delays, losses, copies, crashes, a sink that
    fails. A scenario that breaks a rule of the contract is made smaller while it still breaks that rule, and
    written as a file for `fanin run`. Runs without a verdict are counted, with their reasons.

    Exit codes: 0 no rule was broken, 1 one was, 3 not one run could be judged.
    """
    from fanin.harness.explore.search import Search
    from fanin.harness.parallel import WorkerKilledError
    from fanin.harness.world.foreign_app import AppLoadError
    from fanin.harness.world.play import UnsimulatedError
    from fanin.simulator.language.load import ScenarioError

    try:
        search = Search(variants_of=_bases(bases), app=app or "", app_dir=app_dir, lacks=lacks)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        found = _explore(search, range(seed, seed + runs), jobs, folder)
    except (AppLoadError, ScenarioError, UnsimulatedError, ValueError) as exc:
        raise click.UsageError(str(exc)) from exc
    except WorkerKilledError as exc:
        raise UserError(str(exc)) from exc
    except OSError as exc:
        if folder is None or isinstance(exc, BrokenPipeError):
            raise
        raise click.UsageError(f"--save {folder}: {exc.strerror}") from exc
    if found:
        _print_summary(found)
    if len(found) < runs:
        raise Interrupted(f"{len(found)} of {runs} runs")
    ctx.exit(_exit_code(found))


def _bases(names: tuple[str, ...]) -> tuple[str, ...]:
    """The scenarios to make variants of; each is loaded once, so that errors come before any run."""
    from fanin.harness.explore.search import pack
    from fanin.simulator.language.load import load
    from fanin.simulator.pack import find

    if _ALL in names:
        return pack()
    for name in names:
        load(find(name))
    return names


def _explore(search: "Search", seeds: range, jobs: int | None, folder: Path | None) -> "list[ExploredRun]":
    """Play all runs, and report each invalid one at once.

    Returns:
        The runs; fewer than there are seeds when Ctrl-C was pressed.
    """
    from fanin.harness.cli.progress import Progress
    from fanin.harness.explore.search import explore as explored
    from fanin.harness.explore.search import shrink_run

    what = f"variants of {_names_text(search.variants_of)}" if search.variants_of else "random scenarios"
    many = f"{len(seeds)} {what}" if len(seeds) > 1 else what
    click.echo(f"{many} against {search.target}, seeds {seeds[0]} to {seeds[-1]}", err=True)
    done: list[ExploredRun] = []
    shrunk: Counter[str] = Counter()
    progress = Progress(len(seeds))
    try:
        progress.show()
        for run in explored(search, seeds, jobs=jobs):
            done.append(run)
            progress.advance()
            if run.findings:
                rule = run.findings[0].rule
                shrunk[rule] += 1
                _report(
                    run, shrink_run(search, run) if shrunk[rule] <= SHRUNK_PER_RULE else None, search, folder
                )
            progress.show()
    except KeyboardInterrupt:
        pass  # what is done is reported, and that it is not all
    finally:
        progress.wipe()
    return done


def _names_text(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) <= _NAMED_MAX else f"{len(names)} scenarios"


def _report(run: "ExploredRun", shrunk: "ShrunkRun | None", search: "Search", folder: Path | None) -> None:
    """Print the run, its shrunk scenario, and the replay command."""
    from fanin.harness.explore.search import replay
    from fanin.simulator.language.dump import dump, dumps

    finding = run.findings[0]
    of = f"{run.base}  " if run.base else ""
    _print(f"INVALID  {of}seed={run.seed}  {finding.rule}: {finding.message}")
    if shrunk is None:
        _print(f"  not shrunk: {SHRUNK_PER_RULE} that break this rule are. replay: {replay(search, run)}")
        return
    scenario = shrunk.scenario
    size = f"operations: {len(scenario.operations)}, faults: {len(scenario.faults)}"
    _print(f"  smallest, after {shrunk.played} runs ({size}): {shrunk.finding.message}")
    if folder is None:
        _print(*(f"    {line}" for line in dumps(scenario).splitlines()), f"  replay: {replay(search, run)}")
    else:
        path = folder / f"{scenario.scenario}.yaml"
        dump(scenario, path)
        _print(f"  replay: {_play(path, shrunk.seed, search)}")


def _print(*texts: str) -> None:
    """Print lines that may hold what scenarios and notifications hold."""
    from fanin.harness.cli.options import print_lines
    from fanin.harness.report.line import line

    print_lines(map(line, texts))


def _play(path: Path, seed: int, search: "Search") -> str:
    """The command that plays a stored scenario against the same target."""
    words = ["fanin", "run"]
    if search.app:
        words = ["fanin", "verify", "--app", search.app]
        words += ["--app-dir", str(search.app_dir)] if search.app_dir else []
    return shlex.join([*words, str(path), *(["--seed", str(seed)] if seed else [])])


def _print_summary(found: "list[ExploredRun]") -> None:
    from fanin.harness.verdict import Validity

    counts = Counter(run.validity for run in found)
    totals = ", ".join(f"{counts[validity]} {validity}" for validity in Validity)
    click.echo(f"{len(found)} runs, seeds {found[0].seed} to {found[-1].seed}: {totals}")
    reasons = Counter(_reason(doubt) for run in found if not run.findings for doubt in run.doubts)
    for reason, count in sorted(reasons.items(), key=lambda it: (-it[1], it[0])):
        click.echo(f"  unknown {count:>5}  {reason}")


def _reason(doubt: str) -> str:
    """A reason for an unknown verdict, without the parts that differ from run to run."""
    return _PARTICULAR.sub("…", doubt.partition(":")[0])


def _exit_code(found: "list[ExploredRun]") -> "Exit":
    from fanin.harness.verdict import Exit, Validity

    if any(run.findings for run in found):
        return Exit.INVALID
    return Exit.VALID if any(run.validity is Validity.VALID for run in found) else Exit.UNKNOWN
