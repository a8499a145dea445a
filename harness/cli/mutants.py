"""``fanin bug`` and ``fanin matrix``: mutants of the aggregator, and the scenarios that kill them.

Rules of this file: ``fanin --help`` imports it, so slow imports are inside the functions.
"""

import difflib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fanin.harness.cli.errors import UserError
from fanin.harness.cli.options import examples, jobs_option, print_lines, quiet_option

if TYPE_CHECKING:
    from fanin.harness.history import History
    from fanin.harness.mutants.matrix import Matrix
    from fanin.harness.mutants.mutant import Mutant
    from fanin.harness.report.line import Line
    from fanin.harness.verdict import Verdict
    from fanin.harness.world.target import AppFactory

_DIFFERENCES_MAX = 20


@click.command(
    short_help="Show an aggregator with a known bug, and how it is caught.",
    epilog=examples(
        "fanin bug                     list the mutants",
        "fanin bug original-sample     the published design of 2018",
        "fanin bug counts-deliveries -q",
    ),
)
@click.argument("name", required=False)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides every random choice."
)
@quiet_option
@click.pass_context
def bug(ctx: click.Context, *, name: str | None, seed: int, quiet: bool) -> None:
    """Play an aggregator with a known bug (a mutant), and show how it is caught. Without NAME: list them.

    Plays the scenario that shows the bug best, then the same one with a right aggregator.

    Exit code: 0 when the bug was caught, 1 when it was not.
    """
    if name is None:
        print_lines(_list())
        return
    ctx.exit(_show(_mutant(name), seed, quiet=quiet))


@click.command(
    short_help="Play every mutant through the pack: which scenario kills which.",
    epilog=examples(
        "fanin matrix",
        "fanin matrix --format markdown > docs/bug-matrix.md",
        "fanin matrix --check docs/bug-matrix.md",
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
@jobs_option
@click.pass_context
def matrix(ctx: click.Context, *, form: str, stored: Path | None, jobs: int | None) -> None:
    """Play every mutant through the whole pack: which scenario kills which mutant.

    Takes about a minute on two cores.

    Exit code: 0 when every mutant is killed, no healthy variant accused, and FILE up to date; else 1.
    """
    from fanin.harness.mutants.grid import grid, summary
    from fanin.harness.mutants.page import page

    found = _compute(jobs)
    stale = stored is not None and _is_stale(stored, page(found))
    if form == "markdown" and stored is None:
        click.echo(page(found), nl=False)
    elif stored is None:
        print_lines([*grid(found), *summary(found)])
    else:
        print_lines(summary(found))
    ctx.exit(int(bool(stale or found.survivors or found.accused)))


def _compute(jobs: int | None) -> "Matrix":
    from fanin.harness.cli.progress import Progress
    from fanin.harness.mutants.matrix import compute
    from fanin.harness.mutants.registry import HEALTHY, MUTANTS
    from fanin.harness.parallel import WorkerKilledError

    progress = Progress(len(MUTANTS) + len(HEALTHY))

    def advance() -> None:
        progress.advance()
        progress.show()

    try:
        progress.show()
        return compute(advance, jobs=jobs)
    except WorkerKilledError as exc:
        raise UserError(str(exc)) from exc
    finally:
        progress.wipe()


def _is_stale(stored: Path, page: str) -> bool:
    """Compare, and print the first differences."""
    before = stored.read_text(encoding="utf-8")
    if before == page:
        return False
    changes = difflib.unified_diff(before.splitlines(), page.splitlines(), "stored", "now", n=0, lineterm="")
    click.echo(f"{stored} is out of date; `make docs` writes it again", err=True)
    for change in islice(changes, _DIFFERENCES_MAX):
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
    from fanin.harness.mutants.grid import shorten
    from fanin.harness.mutants.registry import MUTANTS, families
    from fanin.harness.report.line import WIDTH, Tone, line

    width = max(map(len, MUTANTS)) + 2
    for heading, mutants in families():
        yield line(heading, Tone.STRONG)
        for it in mutants:
            yield ((f"  {it.name:<{width}}", Tone.PLAIN), (shorten(it.cause, WIDTH - width - 2), Tone.QUIET))


def _show(it: "Mutant", seed: int, *, quiet: bool) -> int:
    from fanin.harness.report import text
    from fanin.harness.report.analysis import analyse
    from fanin.harness.report.line import Tone, line
    from fanin.harness.report.verdict_text import render
    from fanin.harness.verdict import Validity

    print_lines(_explanation(it))
    history, verdict = _play(it.scenario, seed, it.factory, f"the bug {it.name}")
    print_lines(text.report(history, verdict, replay=f"fanin bug {it.name} --seed {seed}", quiet=quiet))
    right, judged = _play(it.scenario, seed, _right_aggregator(it), "a right aggregator")
    declared = "".join(f" --capability {name}" for name in sorted(it.capabilities))
    replay = f"fanin run {it.scenario} --seed {seed}{declared}"
    print_lines(
        [
            line(""),
            line("And a right aggregator", Tone.STRONG),
            *render(analyse(right, judged), judged, replay=replay),
        ]
    )
    return int(verdict.validity is not Validity.INVALID)


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
    yield from (line(part) for part in wrap(it.what, indent="  ", hanging="  "))
    scenario = f"Shown by {it.scenario}: {scenario_of(it.scenario).title}"
    yield from (line(part) for part in wrap(scenario, indent="  ", hanging="    "))
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
