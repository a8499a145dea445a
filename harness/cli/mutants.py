"""``fanin bug`` and ``fanin matrix``: mutants of the aggregator, and the scenarios that kill them.

Rules of this file: ``fanin --help`` imports it, so slow imports are inside the functions.
"""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fanin.harness.cli import report_option as reports
from fanin.harness.cli.errors import UserError
from fanin.harness.cli.options import (
    OneOfEachCommand,
    examples,
    jobs_option,
    output_width,
    print_lines,
    quiet_option,
    shard_option,
)

if TYPE_CHECKING:
    from fanin.harness.explore.zoo import Row
    from fanin.harness.history import History
    from fanin.harness.mutants.matrix import Matrix
    from fanin.harness.mutants.mutant import Mutant
    from fanin.harness.report.line import Line
    from fanin.harness.results import Judged
    from fanin.harness.verdict import Verdict
    from fanin.harness.world.target import AppFactory

_DIFFERENCES_MAX = 20


@click.command(
    cls=OneOfEachCommand,
    short_help="Show an aggregator with a known bug, and how it is caught.",
    epilog=examples(
        "fanin bug                     list the mutants",
        "fanin bug original-sample     the published design of 2018",
        "fanin bug counts-deliveries -q",
        "fanin bug counts-deliveries --report page",
    ),
)
@click.argument("name", required=False)
@click.option("--seed", type=click.IntRange(min=0), help="Decides every random choice. [0]")
@quiet_option
@click.option(
    "--report", "report_dir", metavar="DIR", type=click.Path(path_type=Path),
    help="Write a page into DIR that plays the wrong run and the right one side by side.",
)  # fmt: skip
@click.pass_context
def bug(
    ctx: click.Context, *, name: str | None, seed: int | None, quiet: bool, report_dir: Path | None
) -> None:
    """Play an aggregator with a known bug (a mutant), and show how it is caught. Without NAME: list them.

    Plays the scenario that shows the bug best, then the same one with a right aggregator.

    Exit code: 0 when the bug was caught, 1 when it was not.
    """
    if name is None:
        given = {"--report": report_dir is not None, "--seed": seed is not None, "--quiet": quiet}
        if options := [option for option, is_given in given.items() if is_given]:
            raise click.UsageError(f"{options[0]} needs the name of a bug")
        print_lines(_list())
        return
    it = _mutant(name)
    if report_dir is not None:
        reports.prepare(report_dir)
    ctx.exit(_show(it, seed or 0, quiet=quiet, report_dir=report_dir))


@click.command(
    cls=OneOfEachCommand,
    short_help="Play every mutant through the pack: which scenario kills which.",
    epilog=examples(
        "fanin matrix",
        "fanin matrix --format markdown > docs/bug-matrix.md",
        "fanin matrix --check docs/bug-matrix.md",
        "fanin matrix --check docs/bug-matrix.md --shard 3/8",
        "fanin matrix --search 1000 --update docs/explored-bugs.md",
    ),
)
@click.option(
    "--format", "form", type=click.Choice(["text", "markdown"]), default="text", show_default=True,
    help="markdown: the page docs/bug-matrix.md.",
)  # fmt: skip
@click.option(
    "--check", "stored", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Compare with the page stored in FILE.",
)  # fmt: skip
@click.option(
    "--search", "runs", metavar="RUNS", type=click.IntRange(min=1),
    help="Instead of the pack: how many random runs find each mutant, of so many.",
)  # fmt: skip
@click.option(
    "--update", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="With --search: keep the page in FILE, and search only for mutants that it does not have yet.",
)  # fmt: skip
@shard_option(
    "With --check: play only the I-th of N shares of the mutants, beside all healthy variants, and compare"
    " their verdicts."
)
@jobs_option
@click.pass_context
def matrix(
    ctx: click.Context,
    *,
    form: str,
    stored: Path | None,
    runs: int | None,
    update: Path | None,
    shard: tuple[int, int],
    jobs: int | None,
) -> None:
    """Play every mutant through the whole pack: which scenario kills which mutant.

    Takes some three minutes on two cores. With --search it takes ten minutes; with --update as well, it may
    be interrupted, and goes on where it was.

    Exit code: 0 when every mutant is killed, no healthy variant accused, and FILE up to date; else 1.
    """
    from fanin.harness.mutants.grid import grid, summary
    from fanin.harness.mutants.page import page

    if shard != (1, 1) and stored is None:
        raise click.UsageError("--shard needs --check: the page of a share would accuse the others")
    if runs is not None:
        if stored is not None:
            raise click.UsageError("--search has no page to compare with; leave --check out")
        ctx.exit(_search(runs, form, update, jobs))
    if update is not None:
        raise click.UsageError("--update needs --search, with the number of runs")
    found = _compute(jobs, shard)
    stale = stored is not None and _is_stale(stored, found, shard)
    if form == "markdown" and stored is None:
        click.echo(page(found), nl=False)
    elif stored is None:
        print_lines([*grid(found), *summary(found)])
    else:
        print_lines(summary(found))
    ctx.exit(int(bool(stale or found.survivors or found.accused)))


def _search(runs: int, form: str, update: Path | None, jobs: int | None) -> int:
    """Explore every mutant, or those that a page lacks, and print how soon it is found."""
    from fanin.harness.cli.progress import Progress
    from fanin.harness.explore.zoo import NOT_FOUND, page, rows, summary
    from fanin.harness.mutants.registry import MUTANTS

    def found() -> "list[Row]":
        return [known[bug] for bug in MUTANTS if bug in known]

    known = _stored_rows(update, runs)
    left = [bug for bug in MUTANTS if bug not in known]
    progress = Progress(len(left))
    try:
        progress.show()
        for row in rows(runs, left, jobs=jobs):
            known[row.bug] = row
            progress.advance()
            if update is not None:
                _store(update, page(found(), runs))
            if form == "text":
                what = f"{row.runs:>5} runs  {row.lines:>3} lines  {row.rule}" if row.runs else "not found"
                click.echo(f"{row.bug:<34}  {what}")
            progress.show()
    finally:
        progress.wipe()
    if update is not None:
        _store(update, page(found(), runs))  # where no bug was left, the reasons may be others
    click.echo(summary(found(), runs) if form == "text" else page(found(), runs), nl=form == "text")
    return int(any(row.runs is None and row.bug not in NOT_FOUND for row in found()))


def _stored_rows(update: Path | None, runs: int) -> "dict[str, Row]":
    """The rows of the page that is updated, by bug; none where there is no page yet."""
    from fanin.harness.explore.zoo import OtherSearchError, stored_rows

    if update is None or not update.exists():
        return {}
    try:
        return {row.bug: row for row in stored_rows(update.read_text(encoding="utf-8"), runs)}
    except (OtherSearchError, OSError, UnicodeDecodeError) as exc:
        raise UserError(f"{update}: {exc}") from exc


def _store(path: Path, page: str) -> None:
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as exc:
        raise UserError(f"{path}: {exc.strerror}; choose a file that can be written") from exc


def _compute(jobs: int | None, shard: tuple[int, int]) -> "Matrix":
    from fanin.harness.cli.progress import Progress
    from fanin.harness.mutants.matrix import compute, mutants_of
    from fanin.harness.mutants.registry import HEALTHY
    from fanin.harness.parallel import WorkerKilledError

    progress = Progress(len(mutants_of(shard)) + len(HEALTHY))

    def advance() -> None:
        progress.advance()
        progress.show()

    try:
        progress.show()
        return compute(advance, jobs=jobs, shard=shard)
    except WorkerKilledError as exc:
        raise UserError(str(exc)) from exc
    finally:
        progress.wipe()


def _is_stale(stored: Path, found: "Matrix", shard: tuple[int, int]) -> bool:
    """Compare, and print the first differences: of the whole page, or of a share's verdicts."""
    from fanin.harness.mutants.page import differences, page

    before = stored.read_text(encoding="utf-8")
    if shard == (1, 1):
        was, now = before.splitlines(), page(found).splitlines()
        changes = list(difflib.unified_diff(was, now, "stored", "now", n=0, lineterm=""))
    else:
        changes = list(differences(before, found))
    if not changes:
        return False
    click.echo(f"{stored} is out of date; `make docs` writes it again", err=True)
    for change in changes[:_DIFFERENCES_MAX]:
        click.echo(change, err=True)
    return True


def _mutant(name: str) -> "Mutant":
    from fanin.harness.mutants.registry import MUTANTS
    from fanin.simulator.text import hint

    if name not in MUTANTS:
        message = f"there is no bug {name!r}; `fanin bug` lists them{hint(name, MUTANTS)}"
        raise click.BadParameter(message, param_hint="NAME")
    return MUTANTS[name]


def _list() -> Iterator["Line"]:
    from fanin.harness.mutants.registry import families
    from fanin.harness.report.line import Tone, in_columns, line, wrap

    for heading, mutants in families():
        yield from (line(part, Tone.STRONG) for part in wrap(heading, output_width()))
        yield from in_columns([(it.name, it.cause) for it in mutants], indent="  ", width=output_width())


def _show(it: "Mutant", seed: int, *, quiet: bool, report_dir: Path | None) -> int:
    from fanin.harness.report import text
    from fanin.harness.report.analysis import analyse
    from fanin.harness.report.line import Tone, line
    from fanin.harness.report.verdict_text import render
    from fanin.harness.results import Judged
    from fanin.harness.verdict import Validity

    print_lines(_explanation(it))
    history, verdict = _play(it.scenario, seed, it.factory, f"the bug {it.name}")
    replay = f"fanin bug {it.name} --seed {seed}"
    print_lines(text.report(history, verdict, replay=replay, quiet=quiet, width=output_width()))
    right, judged = _play(it.scenario, seed, _right_aggregator(it), "a right aggregator")
    declared = "".join(f" --capability {name}" for name in sorted(it.capabilities))
    right_replay = f"fanin run {it.scenario} --seed {seed}{declared}"
    print_lines(
        [
            line(""),
            line("And a right aggregator", Tone.STRONG),
            *render(analyse(right, judged), judged, replay=right_replay, width=output_width()),
        ]
    )
    if report_dir is not None:
        sides = (Judged(history, verdict), Judged(right, judged))
        _store_comparison(report_dir, it, sides, replays=(replay, right_replay))
    return int(verdict.validity is not Validity.INVALID)


def _store_comparison(
    directory: Path, it: "Mutant", sides: "Sequence[Judged]", *, replays: Sequence[str]
) -> None:
    """Write the folder of `--report`, and `bug.html`, which has both runs side by side."""
    from fanin.harness.report.html import comparison_page, run_page
    from fanin.harness.results import Card

    replay_of = {id(side.history): replay for side, replay in zip(sides, replays, strict=True)}
    reports.store(directory, Card("", list(sides)), replay=lambda history: replay_of[id(history)])
    headings = (f"With the bug {it.name}", "A right aggregator")
    pages = [
        (heading, run_page.render(side.history, side.verdict, replay=replay))
        for heading, side, replay in zip(headings, sides, replays, strict=True)
    ]
    path = directory / "bug.html"
    try:
        path.write_text(comparison_page.render(it.name, it.what, pages), encoding="utf-8")
    except OSError as exc:
        raise reports.unwritable(directory, exc) from exc
    click.echo(f"side by side: {path}", err=True)


def _right_aggregator(it: "Mutant") -> "AppFactory":
    """This project's aggregator, or the healthy variant with the same capabilities beyond the contract."""
    from fanin.harness.mutants.registry import HEALTHY
    from fanin.harness.world.target import reference_aggregator

    same = (healthy.factory for healthy in HEALTHY.values() if healthy.capabilities == it.capabilities)
    return next(same) if it.capabilities else reference_aggregator


def _explanation(it: "Mutant") -> Iterator["Line"]:
    from fanin.harness.mutants.matrix import scenario_of
    from fanin.harness.report.line import Tone, line, wrap

    like = f"  like {', '.join(it.catalogue)}" if it.catalogue else ""
    yield ((it.name, Tone.STRONG), (like, Tone.QUIET))
    yield from (line(part) for part in wrap(it.what, output_width(), indent="  ", hanging="  "))
    scenario = f"Shown by {it.scenario}: {scenario_of(it.scenario).title}"
    yield from (line(part) for part in wrap(scenario, output_width(), indent="  ", hanging="    "))
    yield line("")


def _play(name: str, seed: int, factory: "AppFactory", target: str) -> tuple["History", "Verdict"]:
    import msgspec

    from fanin.harness.history import History
    from fanin.harness.oracle.oracle import judge
    from fanin.harness.world.play import play
    from fanin.simulator.language.load import load
    from fanin.simulator.pack import find

    played = play(load(find(name)), seed=seed, factory=factory)
    history = History(msgspec.structs.replace(played.run, target=target), played.entries)
    return history, judge(history)
