"""What several commands share."""

from collections.abc import Sequence

import click
import pytest
from click.testing import CliRunner

from fanin.harness.capabilities import OPTIONAL_CAPABILITIES
from fanin.harness.cli.errors import UserError
from fanin.harness.cli.options import (
    examples,
    names_from,
    optional_capabilities,
    output_width,
    pack,
    scenario_of,
)
from fanin.simulator.pack import names


def known() -> Sequence[str]:
    return ("replicas", "signatures")


@click.command()
@click.option("--capability", "capabilities", multiple=True, callback=names_from(known))
def command(capabilities: tuple[str, ...] | None) -> None:
    click.echo(repr(capabilities))


def test_names_are_kept_once_each_in_their_order() -> None:
    """None stands for none, so that a target file's are not overridden."""
    words = ["--capability", "signatures", "--capability", "replicas", "--capability", "signatures"]

    assert CliRunner().invoke(command, words).stdout == "('signatures', 'replicas')\n"
    assert CliRunner().invoke(command, []).stdout == "None\n"


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    """And with all that there are."""
    result = CliRunner().invoke(command, ["--capability", "replica"])

    assert result.exit_code == 2
    assert "'replica' is no capability here; there are replicas, signatures" in result.stderr
    assert "did you mean 'replicas'?" in result.stderr


def test_lists_are_those_of_the_modules_that_are_too_slow_to_import() -> None:
    """They are asked for when they are needed."""
    assert pack() == names()
    assert optional_capabilities() == OPTIONAL_CAPABILITIES


def test_a_scenario_that_is_none_is_one_sentence() -> None:
    """It is the user's mistake, with exit code 2."""
    assert scenario_of("slow-region").scenario == "slow-region"
    with pytest.raises(UserError, match="slow-regoin: neither a built-in scenario nor a file") as caught:
        scenario_of("slow-regoin")

    assert caught.value.exit_code == 2


def test_examples_are_printed_as_they_are() -> None:
    """Click wraps paragraphs, unless a backspace stands alone on the line before."""
    assert examples("fanin x") == "\b\nExample:\n  fanin x"
    assert examples("fanin x", "fanin y") == "\b\nExamples:\n  fanin x\n  fanin y"


def test_a_file_is_as_wide_as_a_page_unless_columns_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within what a timeline can be laid out in."""
    widths = {}
    for columns in ("", "60", "80", "300", "wide"):
        monkeypatch.setenv("COLUMNS", columns)
        widths[columns] = output_width()

    assert widths == {"": 100, "60": 72, "80": 80, "300": 100, "wide": 100}
