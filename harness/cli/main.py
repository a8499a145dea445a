"""The command line: ``fanin``.

Rules of this file: results go to stdout, progress and complaints to stderr; a mistake of the user's is one
sentence and exit code 2, never a traceback; nothing is imported before the command that needs it runs, so
that ``fanin --help`` answers at once.
"""

import errno
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from fanin.harness.cli.demo import demo
from fanin.harness.cli.errors import Interrupted, UserError
from fanin.harness.cli.explore import explore, interleave, merge, sweep
from fanin.harness.cli.lesson import lesson
from fanin.harness.cli.mutants import bug, matrix
from fanin.harness.cli.options import (
    examples,
    form_option,
    list_width,
    output_width,
    pack,
    print_lines,
    quiet_option,
    scenario_of,
    show_judged,
)
from fanin.harness.cli.run import run
from fanin.harness.cli.terminal import for_terminal
from fanin.harness.cli.verify import verify
from fanin.harness.interrupts import other_signals_as_ctrl_c
from fanin.standard_streams import open_closed

if TYPE_CHECKING:
    from fanin.harness.history import History

_PIPE_CLOSED = 141  # 128 + SIGPIPE: neither 1 nor 3, which are verdicts
# The commands as ``fanin --help`` lists them; within a section, what a newcomer needs first comes first.
_SECTIONS = {
    "Play scenarios": ("run", "demo", "scenarios", "show", "judge", "schema"),
    "Judge other aggregators": ("verify", "bug", "matrix"),
    "Search for further bugs": ("explore", "sweep", "interleave", "merge"),
    "Learn": ("lesson",),
    "Run the aggregator": ("serve", "instances", "outbox", "notify", "backup", "restore"),
}


class _Program(click.Group):
    """The command ``fanin``: ends quietly when its reader is gone, and in one line when it is interrupted."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return [name for names in _SECTIONS.values() for name in names]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.list_commands(ctx)))
        for heading, names in _SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl(
                    [(f"{name:<{width}}", self.commands[name].get_short_help_str(100)) for name in names]
                )

    def main(self, *args: Any, **extra: Any) -> Any:
        open_closed()
        try:
            return super().main(*args, **extra)
        except OSError as exc:
            if exc.errno not in (errno.ENOSPC, errno.EPIPE):
                raise
            # It is the complaint that cannot be written. Exit code 1 would say that a rule is broken.
            _discard(sys.stderr)
            sys.exit(_PIPE_CLOSED if exc.errno == errno.EPIPE else UserError.exit_code)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _ending_in_a_line():  # here --help and --version are printed
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _ending_in_a_line():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None
        except click.UsageError as exc:
            text = for_terminal(f"Error: {exc.format_message()}").removeprefix("Error: ")
            exc.format_message = lambda: text  # type: ignore[method-assign]
            raise


@contextmanager
def _ending_in_a_line() -> Iterator[None]:
    """End quietly when the reader of stdout is gone, and in one line when there is no room for it."""
    try:
        yield
    except BrokenPipeError:
        _discard(sys.stdout)
        raise click.exceptions.Exit(_PIPE_CLOSED) from None
    except OSError as exc:
        if exc.errno != errno.ENOSPC:
            raise
        _discard(sys.stdout)
        # Exit code 1 would say that a rule is broken.
        raise UserError(f"what there is to say cannot be written: {exc.strerror}") from exc


def _discard(stream: TextIO) -> None:
    """Python flushes its streams once more at exit; there must be something to flush them to."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@click.group(
    cls=_Program,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "fanin run slow-region                     play one scenario",
        "fanin bug original-sample                 see a broken one caught",
        "fanin verify --app myapp.main:create_app  judge your own",
        "fanin run --help                          every command explains itself",
    ),
)
@click.version_option(package_name="fanin", prog_name="fanin")
def main() -> None:
    """Simulate a geo-replicated registry, and judge what an aggregator makes of its webhooks.

    For every push, a registry sends one webhook per region. An aggregator waits until all regions have
    reported, or until a deadline, and sends one notification: completed, or timed_out. Fanin plays scenarios
    against it (late, lost and repeated webhooks, crashes, a sink that fails), and says whether it kept that
    contract.

    Exit codes: 0 valid, 1 invalid, 2 usage error, 3 unknown.
    """


for _command in (run, verify, explore, sweep, interleave, merge, bug, matrix, lesson):
    if _command.callback is not None:
        # A server, such as the demo's, ends in order at a signal by itself.
        _command.callback = other_signals_as_ctrl_c()(_command.callback)
    main.add_command(_command)
main.add_command(demo)


@main.command(epilog=examples("fanin scenarios"))
def scenarios() -> None:
    """List the built-in scenarios; in a file or a pipe, one line each.

    The last column is the verdict that a right aggregator gets, where it is not `valid`.
    """
    from fanin.harness.report.line import in_columns

    scenarios_by_name = {name: scenario_of(name) for name in pack()}
    rows = [
        (name, it.title if it.verdict == "valid" else f"{it.title}  ({it.verdict})")
        for name, it in scenarios_by_name.items()
    ]
    print_lines(in_columns(rows, width=list_width()))


@main.command(epilog=examples("fanin show slow-region"))
@click.argument("name", metavar="NAME|FILE")
def show(name: str) -> None:
    """Explain one scenario: why it exists, and what happens in it.

    NAME is one of `fanin scenarios`, FILE one of your own.
    """
    from fanin.harness.report.scenario_text import describe
    from fanin.simulator.pack import find

    scenario = scenario_of(name)
    play = f"fanin run {shlex.quote(name)}"
    print_lines(describe(scenario, path=str(find(name)), play=play, width=output_width()))


@main.command(epilog=examples("fanin run slow-region --history run.jsonl", "fanin judge run.jsonl"))
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@form_option
@quiet_option
@click.pass_context
def judge(ctx: click.Context, *, file: Path, form: str, quiet: bool) -> None:
    """Judge a stored history again, and print its report. FILE `-` reads stdin.

    Nothing is played: the verdict follows from the file alone, so a history can be judged by a later
    version, or come from elsewhere.

    Exit codes: 0 valid, 1 invalid, 2 no history, 3 unknown.
    """
    from fanin.harness import history as histories
    from fanin.harness.oracle.oracle import judge as judged
    from fanin.harness.verdict import Exit

    try:
        history = histories.load(Path("/dev/stdin") if str(file) == "-" else file)
    except histories.HistoryError as exc:
        raise UserError(str(exc)) from exc
    verdict = judged(history)
    show_judged(history, verdict, form, quiet=quiet, replay=_replay(history, file))
    ctx.exit(Exit[verdict.validity.name])


def _replay(history: "History", file: Path) -> str:
    """The command that plays a built-in scenario again; for another one, the command that judges it again."""
    run = history.run
    if run.scenario.scenario in pack():
        return f"fanin run {run.scenario.scenario} --seed {run.seed}"
    return f"fanin judge {shlex.quote(str(file))}"


@main.command(epilog=examples("fanin schema > scenario.schema.json"))
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors.

    With it, an editor completes fields and marks mistakes while you write a scenario.
    """
    from fanin.simulator.language.schema import text

    click.echo(text(), nl=False)


def _add_aggregator_command(name: str, place: str, summary: str) -> None:
    """Add a command of the aggregator; ``place`` is imported when it is used, and parses its own options."""

    @main.command(
        name,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        help=summary,
    )
    @click.pass_context
    def forward(ctx: click.Context) -> None:
        module, _, command_name = place.partition(":")
        command: click.Command = getattr(import_module(module), command_name)
        with command.make_context(name, list(ctx.args), parent=ctx.parent) as inner:
            command.invoke(inner)


_AGGREGATOR = "fanin.aggregator.cli"
_add_aggregator_command("serve", f"{_AGGREGATOR}.serve:serve", "Run the aggregator on this machine.")
_add_aggregator_command(
    "instances", f"{_AGGREGATOR}.instances:instances", "List what a running aggregator waits for."
)
_add_aggregator_command(
    "outbox", f"{_AGGREGATOR}.outbox:outbox", "List notifications not yet accepted, and send them again."
)
_add_aggregator_command("notify", f"{_AGGREGATOR}.notify:notify", "Send a test message to the targets.")
_add_aggregator_command("backup", f"{_AGGREGATOR}.backup:backup", "Copy an aggregator's data while it runs.")
_add_aggregator_command(
    "restore", f"{_AGGREGATOR}.backup:restore_command", "Replace an aggregator's data by a copy."
)
