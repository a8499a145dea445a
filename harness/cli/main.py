"""The command line: ``fanin``.

Rules of this file: results go to stdout, progress and complaints to stderr; a mistake of the user's is one
sentence and exit code 2, never a traceback; nothing is imported before the command that needs it runs, so
that ``fanin --help`` answers at once.
"""

import os
import shlex
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fanin.harness.cli.explore import explore
from fanin.harness.cli.mistake import UserError
from fanin.harness.cli.mutants import bug, matrix
from fanin.harness.cli.options import (
    examples,
    form_option,
    pack,
    print_lines,
    quiet_option,
    scenario_of,
    show_judged,
)
from fanin.harness.cli.run import run
from fanin.harness.cli.verify import verify

if TYPE_CHECKING:
    from fanin.harness.history import History

_INTERRUPTED = 130  # 128 + SIGINT, as a shell counts
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


@click.group(
    cls=_Program,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
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


main.add_command(run)


@main.command(epilog=examples("fanin scenarios"))
def scenarios() -> None:
    """List the pack, one line each.

    The last column is the verdict that a healthy aggregator must get, where it is not `valid`.
    """
    scenarios_by_name = {name: scenario_of(name) for name in pack()}
    width = max(map(len, scenarios_by_name), default=0)
    for name, scenario in scenarios_by_name.items():
        stated = "" if scenario.verdict == "valid" else f"  ({scenario.verdict})"
        click.echo(f"{name:<{width}}  {scenario.title}{stated}")


@main.command(epilog=examples("fanin show slow-region"))
@click.argument("name", metavar="NAME|FILE")
def show(name: str) -> None:
    """Explain one scenario: its description, and its world in words."""
    from fanin.harness.report.scenario_text import describe
    from fanin.simulator.pack import find

    scenario = scenario_of(name)
    print_lines(describe(scenario, path=str(find(name)), play=f"fanin run {shlex.quote(name)}"))


@main.command(epilog=examples("fanin run slow-region --history run.jsonl", "fanin judge run.jsonl"))
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@form_option
@quiet_option
@click.pass_context
def judge(ctx: click.Context, *, file: Path, form: str, quiet: bool) -> None:
    """Judge a stored history again, and print the same report. FILE `-` reads stdin.

    Nothing is played: the verdict follows from the file alone, so a history can be judged by a later
    version, or come from elsewhere.
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


for _command in (verify, bug, matrix, explore):
    main.add_command(_command)


def _replay(history: "History", file: Path) -> str:
    """A scenario of the pack can be played again; anything else at least be judged again."""
    run = history.run
    if run.scenario.scenario in pack():
        return f"fanin run {run.scenario.scenario} --seed {run.seed}"
    return f"fanin judge {shlex.quote(str(file))}"


@main.command(epilog=examples("fanin schema > scenario.schema.json"))
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    from fanin.simulator.language.schema import text

    click.echo(text(), nl=False)


def _of_the_aggregator(name: str, place: str, summary: str) -> None:
    """A command that the aggregator brings along; ``place`` is imported when it is used."""

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


_of_the_aggregator("serve", "fanin.aggregator.cli.serve:serve", "Run the aggregator itself on this machine.")
_of_the_aggregator(
    "instances", "fanin.aggregator.cli.instances:instances", "List what a running aggregator waits for."
)
_of_the_aggregator(
    "outbox",
    "fanin.aggregator.cli.outbox:outbox",
    "List what an aggregator could not tell, and send it again.",
)
_of_the_aggregator("backup", "fanin.aggregator.cli.backup:backup", "Copy an aggregator's data while it runs.")
_of_the_aggregator(
    "restore",
    "fanin.aggregator.cli.backup:restore_command",
    "Put a copy back in the place of an aggregator's data.",
)
