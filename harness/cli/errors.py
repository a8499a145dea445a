"""How a command ends that cannot do what was asked: one line on stderr, no traceback."""

import sys
from typing import Any

import click

from fanin.harness.cli.terminal import for_terminal

_INTERRUPTED = 130  # `fanin.harness.verdict.INTERRUPTED`; imported there it would be slow


class UserError(click.ClickException):
    """A request that cannot be met; the message says what could be. Shown without usage; exit code 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        click.echo(for_terminal(f"Error: {self.format_message()}"), err=True, file=file)


class Interrupted(click.ClickException):
    """Ctrl-C was pressed.

    Args:
        done: How much was complete by then, for people; may be empty.
    """

    exit_code = _INTERRUPTED

    def __init__(self, done: str = "") -> None:
        super().__init__(f"interrupted{done and f' after {done}'}")

    def show(self, file: Any = None) -> None:
        after_the_caret = "\n" if sys.stderr.isatty() else ""  # a terminal shows ^C
        click.echo(f"{after_the_caret}fanin: {self.message}", err=True, file=file)
