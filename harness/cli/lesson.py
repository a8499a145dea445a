"""``fanin lesson``: a course in durable fan-in, whose chapters fail first.

Rules of this file: ``fanin --help`` imports it, so slow imports are inside the functions.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from fanin.harness.cli.errors import UserError
from fanin.harness.cli.options import (
    OneOfEachCommand,
    examples,
    list_width,
    output_width,
    pack,
    print_lines,
    scenario_of,
)

if TYPE_CHECKING:
    from fanin.harness.history import History
    from fanin.harness.lessons.course import Lesson
    from fanin.harness.report.line import Line
    from fanin.harness.verdict import Verdict

_SEED = 0


@click.command(
    cls=OneOfEachCommand,
    short_help="Learn durable fan-in: six aggregators, five of which fail a new scenario.",
    epilog=examples(
        "fanin lesson             list the chapters",
        "fanin lesson 1           what the first one fails, and how the next mends it",
        "fanin lesson 1 --code    its code",
        "fanin lesson 1 --all     the whole pack against it",
    ),
)
@click.argument("number", metavar="[N]", required=False, type=int)
@click.option("--code", is_flag=True, help="Print the chapter's code, and play nothing.")
@click.option(
    "--all",
    "whole_pack",
    is_flag=True,
    help="Play the whole pack against the chapter, a line for each scenario.",
)
@click.option("--quiet", "-q", is_flag=True, help="Print the verdicts only: no timeline, no code.")
@click.pass_context
def lesson(ctx: click.Context, *, number: int | None, code: bool, whole_pack: bool, quiet: bool) -> None:
    """Learn durable fan-in: six aggregators of about fifty lines, five of which fail a new scenario.

    Without N: list the chapters. With N: play what chapter N survives and the scenario that it fails, show
    the finding, and what the next chapter changes. The last chapter is played against the whole pack. The
    text of the course is docs/guide/.

    Exit code: 0 when the chapter did what the course says of it, 1 when it did not. With --all: 0 when every
    scenario got the verdict that it states.
    """
    if number is None:
        if code or whole_pack or quiet:
            raise click.UsageError("--code, --all and --quiet need the number of a chapter")
        print_lines(_list())
        return
    it = _lesson(number)
    if code and (whole_pack or quiet):
        other = "--all" if whole_pack else "--quiet"
        raise click.UsageError(f"--code plays nothing, so {other} has no meaning with it")
    if code:
        click.echo(it.source, nl=False)
        return
    print_lines(_heading(it))
    ctx.exit(
        int(not (_whole_pack(it) if whole_pack or it.fails is None else _chapter(it, it.fails, quiet=quiet)))
    )


def _lesson(number: int) -> "Lesson":
    from fanin.harness.lessons.course import LESSONS

    if not 1 <= number <= len(LESSONS):
        message = f"there is no chapter {number}; there are 1 to {len(LESSONS)}"
        raise click.BadParameter(message, param_hint="N")
    return LESSONS[number - 1]


def _list() -> "Iterator[Line]":
    from fanin.harness.lessons.course import LESSONS
    from fanin.harness.report.line import Tone, line

    width = max(len(it.title) for it in LESSONS) + 2
    for it in LESSONS:
        fails = f"fails {it.fails}" if it.fails else "valid on the whole pack"
        yield ((f"{it.number}  {it.title:<{width}}", Tone.PLAIN), (fails, Tone.QUIET))
    yield line("")
    yield line("fanin lesson 1 begins; docs/guide/ is the text.")


def _heading(it: "Lesson") -> "Iterator[Line]":
    from fanin.harness.report.line import Tone, line

    yield line(f"Chapter {it.number}: {it.title}", Tone.STRONG)
    yield from _paragraph(it.idea)
    yield line(f"  Its code: fanin lesson {it.number} --code", Tone.QUIET)
    yield line("")


def _chapter(it: "Lesson", fails: str, *, quiet: bool) -> bool:
    """Play what the chapter survives and what it fails. Returns whether it did what the course says."""
    from fanin.harness.lessons.course import earlier
    from fanin.harness.report.line import Tone, line
    from fanin.harness.report.text import report
    from fanin.harness.verdict import Validity

    print_lines([line("It survives", Tone.STRONG)])
    survived = _survives(it, earlier(it))
    print_lines([line(""), line(f"It fails {fails}", Tone.STRONG)])
    print_lines(_paragraph(scenario_of(fails).title + "."))
    print_lines([line("")])
    history, verdict = _play(it, fails)
    replay = f"fanin verify --app {it.module}:create_app {fails}"
    print_lines(report(history, verdict, replay=replay, quiet=quiet, width=output_width()))
    if not quiet:
        print_lines(_next(it))
    return survived and verdict.validity is Validity.INVALID


def _next(it: "Lesson") -> "Iterator[Line]":
    """Why the chapter fails, and what the next one changes."""
    from fanin.harness.report.line import Tone, line

    yield line("")
    yield line("Why", Tone.STRONG)
    yield from _paragraph(it.why)
    yield line("")
    yield line(f"What chapter {it.number + 1} changes", Tone.STRONG)
    yield from _paragraph(it.mend)
    yield line("")
    yield from _difference(it)
    yield line("")
    yield line(f"Next: fanin lesson {it.number + 1}")


def _survives(it: "Lesson", names: Sequence[str]) -> bool:
    """Play, and print a line each. Returns whether each got the verdict that it states."""
    from fanin.harness.report.text import one_line
    from fanin.harness.results import Judged

    survived = True
    for name in names:
        history, verdict = _play(it, name)
        print_lines([one_line(history, verdict)])
        survived = survived and Judged(history, verdict).as_stated
    return survived


def _whole_pack(it: "Lesson") -> bool:
    from fanin.harness.capabilities import missing_capabilities
    from fanin.harness.cli.progress import Progress
    from fanin.harness.lessons.course import CAPABILITIES
    from fanin.harness.report.line import line
    from fanin.harness.report.text import one_line, skipped, summary
    from fanin.harness.results import Judged

    progress, wrong = Progress(len(pack())), []
    try:
        for name in pack():
            progress.show()
            scenario = scenario_of(name)
            if lacks := missing_capabilities(scenario, CAPABILITIES):
                progress.advance()
                print_lines(skipped(scenario, lacks, list_width()))
                continue
            history, verdict = _play(it, name)
            progress.advance()
            print_lines([one_line(history, verdict)])
            wrong.append(not Judged(history, verdict).as_stated)
    finally:
        progress.wipe()
    print_lines([line(""), summary(len(wrong), sum(wrong))])
    return not any(wrong)


def _play(it: "Lesson", name: str) -> tuple["History", "Verdict"]:
    from fanin.harness.oracle.oracle import judge
    from fanin.harness.world.play import UnsimulatedError, play_foreign_app

    try:
        history = play_foreign_app(scenario_of(name), it.build, seed=_SEED, name=f"chapter {it.number}")
    except UnsimulatedError as exc:
        raise UserError(str(exc)) from exc
    return history, judge(history)


def _difference(it: "Lesson") -> "Iterator[Line]":
    from fanin.harness.lessons.course import difference
    from fanin.harness.report.line import Tone, line

    tones = {"+": Tone.GOOD, "-": Tone.BAD, "@": Tone.QUIET}
    return (line(f"  {row}", tones.get(row[:1], Tone.PLAIN)) for row in difference(it))


def _paragraph(text: str) -> "Iterator[Line]":
    from fanin.harness.report.line import line, wrap

    return (line(part) for part in wrap(text, indent="  ", hanging="  ", width=output_width()))
