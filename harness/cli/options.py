"""What several commands share: options, examples, the scenarios they are given, and how they print.

Rules of this file: ``fanin --help`` imports it, so it imports nothing that takes time.
"""

import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fanin.harness.cli.errors import UserError

if TYPE_CHECKING:
    from fanin.harness.history import History
    from fanin.harness.report.line import Line
    from fanin.harness.verdict import Verdict
    from fanin.simulator.language.scenario import Scenario

# Columns of what is written to a file, and the fewest and most for which a timeline is laid out.
_WIDTH, _WIDTH_MIN = 100, 72
_SUFFIXES = (".yaml", ".yml")
_SHARD = re.compile("([1-9][0-9]{0,3})/([1-9][0-9]{0,3})")
_NEAR = 0.7  # of 1: `signature` for `signatures`, and not `envelopes` for `nope`


class OneOfEachCommand(click.Command):
    """A command that refuses an option given twice, of which click silently takes the last."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        for param, times in Counter(given).items():
            if isinstance(param, click.Option) and times > 1 and not (param.multiple or param.is_flag):
                raise click.UsageError(f"{param.opts[0]} is given {times} times; it takes one value", ctx)
        return super().parse_args(ctx, args)


form_option = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: one object per run, each on a line.",
)
quiet_option = click.option("--quiet", "-q", is_flag=True, help="Print the verdict only, no timeline.")


jobs_option = click.option(
    "--jobs",
    "-j",
    type=click.IntRange(1, 64),
    help="How many processes play at the same time. [one per core]",
)


def _shard(ctx: click.Context, param: click.Parameter, text: str) -> tuple[int, int]:
    found = _SHARD.fullmatch(text)
    if found is None or int(found[1]) > int(found[2]):
        raise click.BadParameter(f"{text!r} is no share; write 1/4 for the first of four", ctx, param)
    return int(found[1]), int(found[2])


def shard_option(help_text: str) -> Callable[[Any], Any]:
    """``--shard I/N``, as a tuple of two numbers; (1, 1) where it is not given."""
    return click.option("--shard", metavar="I/N", default="1/1", callback=_shard, help=help_text)


def names_from(known: Callable[[], Sequence[str]]) -> Callable[..., tuple[str, ...] | None]:
    """A callback for options that take capabilities: each is one of these, or an error with the nearest."""

    def check(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...] | None:
        for name in given:
            if name not in known():
                listed = ", ".join(known())
                message = f"{name!r} is no capability here; there are {listed}{_near(name, known())}"
                raise click.BadParameter(message, ctx, param)
        return tuple(dict.fromkeys(given)) or None

    return check


def _near(name: str, known: Sequence[str]) -> str:
    """The end of a message that lists all names already: the nearest is worth a word only if it is near."""
    from fanin.simulator.text import nearest

    near = nearest(name, known)
    if near is None or SequenceMatcher(None, name.casefold(), near).ratio() < _NEAR:
        return ""
    return f"; did you mean {near!r}?"


def optional_capabilities() -> Sequence[str]:
    """The capabilities that an aggregator may have beyond the contract."""
    from fanin.harness.capabilities import OPTIONAL_CAPABILITIES

    return OPTIONAL_CAPABILITIES


def refuse_repeated(names: Sequence[str], instead: str = "") -> None:
    """Refuse a scenario that is named twice.

    Raises:
        UsageError: one is; the message ends in what to do instead.
    """
    for name, times in Counter(names).items():
        if times > 1:
            raise click.UsageError(f"{name!r} is named {times} times{instead and f'; {instead}'}")


def examples(*commands: str) -> str:
    """An epilog that click does not wrap; a backspace alone on its line asks for that."""
    return "\n".join(
        ["\b", "Example:" if len(commands) == 1 else "Examples:", *(f"  {it}" for it in commands)]
    )


def pack() -> list[str]:
    """The names of the built-in scenarios."""
    from fanin.simulator.pack import names

    return names()


def check_name(name: str) -> None:
    """Refuse what names neither a scenario nor a file, where the nearest scenario would be no help.

    Raises:
        UserError: it is empty, or a file that does not exist.
    """
    if not name.strip():
        raise UserError("an empty name; `fanin scenarios` lists the built-in scenarios")
    path = Path(name)
    if (path.suffix in _SUFFIXES or path.name != name) and not os.path.lexists(path):
        raise UserError(f"{name}: there is no such file")


def scenario_of(name: str) -> "Scenario":
    """A built-in scenario, or a file's.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    from fanin.simulator.language.load import ScenarioError, load
    from fanin.simulator.pack import find

    check_name(name)
    try:
        return load(find(name))
    except ScenarioError as exc:
        raise UserError(str(exc)) from exc


def show_judged(history: "History", verdict: "Verdict", form: str, *, quiet: bool, replay: str) -> None:
    """Print a report, or its JSON form."""
    from fanin.harness.report import jsonform
    from fanin.harness.report.text import report

    if form == "json":
        click.echo(jsonform.encode(history, verdict, replay=replay))
    else:
        print_lines(report(history, verdict, replay=replay, quiet=quiet, width=output_width()))


def output_width() -> int:
    """Columns of the terminal, or as COLUMNS says, within limits; of a file as many as suit a page."""
    if _writes_to_a_file():
        return _WIDTH
    return max(_WIDTH_MIN, min(_WIDTH, shutil.get_terminal_size((_WIDTH, 0)).columns))


def list_width() -> int:
    """Columns of a list: in a file each entry is one line, as tools read it."""
    return sys.maxsize if _writes_to_a_file() else output_width()


def _writes_to_a_file() -> bool:
    """Whether there is no terminal, and COLUMNS does not stand for one."""
    return not sys.stdout.isatty() and not os.environ.get("COLUMNS")


def print_lines(rows: Iterable["Line"]) -> None:
    """Print, in colour on a terminal that shows colours."""
    from fanin.harness.report.line import paint

    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    click.echo(paint(rows, colour=colour, encoding=sys.stdout.encoding or "utf-8"), color=colour)


def duration(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:
    """A duration in ms, as a click callback."""
    from fanin.simulator.durations import parse_duration

    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as exc:
        raise click.BadParameter(str(exc), ctx, param) from exc


def time_limit(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:
    """A duration in ms in which something can be played, as a click callback."""
    limit_ms = duration(ctx, param, text)
    if limit_ms == 0:
        raise click.BadParameter("no time at all; write 60s or 10m", ctx, param)
    return limit_ms


def decorated(command: Any, *options: Callable[[Any], Any]) -> Any:
    """A command with these options, in the order in which help lists them."""
    for option in reversed(options):
        command = option(command)
    return command
