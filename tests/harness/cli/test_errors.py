"""How a command ends that cannot do what was asked."""

import click
import pytest
from click.testing import CliRunner

from fanin.harness.cli.errors import Interrupted, UserError


@pytest.mark.parametrize(
    ("error", "code", "stderr"),
    [
        (UserError("no such thing"), 2, "Error: no such thing\n"),
        (Interrupted(), 130, "fanin: interrupted\n"),
        (Interrupted("2 of 3 runs"), 130, "fanin: interrupted after 2 of 3 runs\n"),
    ],
)
def test_it_is_one_line_and_an_exit_code(error: click.ClickException, code: int, stderr: str) -> None:
    """No usage, no traceback."""

    @click.command()
    def command() -> None:
        raise error

    result = CliRunner().invoke(command)

    assert (result.exit_code, result.stdout, result.stderr) == (code, "", stderr)
