"""What several commands share."""

from collections.abc import Sequence

import click
import pytest
from click.testing import CliRunner

from fanin.harness.capabilities import OPTIONAL_CAPABILITIES
from fanin.harness.cli.errors import UserError
from fanin.harness.cli.options import (
    OneOfEachCommand,
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
    near = CliRunner().invoke(command, ["--capability", "replica"])
    far = CliRunner().invoke(command, ["--capability", "place"])

    assert (near.exit_code, far.exit_code) == (2, 2)
    assert near.stderr.endswith(
        "'replica' is no capability here; there are replicas, signatures; did you mean 'replicas'?\n"
    )
    assert far.stderr.endswith("'place' is no capability here; there are replicas, signatures\n")


def test_an_option_given_twice_is_refused_unless_it_may_be_repeated() -> None:
    """One of two values would be ignored without a word; a flag says the same twice."""

    @click.command(cls=OneOfEachCommand)
    @click.option("--seed", "-s", type=int)
    @click.option("--name", multiple=True)
    @click.option("--quiet", is_flag=True)
    def play(**given: object) -> None:
        click.echo(repr(given))

    twice = CliRunner().invoke(play, ["--seed", "1", "-s", "2"])
    repeated = CliRunner().invoke(play, ["--name", "a", "--name", "b", "--quiet", "--quiet"])

    assert twice.exit_code == 2
    assert "--seed is given 2 times; it takes one value" in twice.stderr
    assert repeated.exit_code == 0


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("", "^an empty name; `fanin scenarios` lists the built-in scenarios$"),
        (" ", "^an empty name"),
        ("zombi.yaml", "^zombi.yaml: there is no such file$"),
        ("mine/zombi", "^mine/zombi: there is no such file$"),
        ("zombi", "did you mean 'zombie'"),
    ],
)
def test_the_nearest_scenario_is_named_for_what_looks_like_a_name(name: str, complaint: str) -> None:
    """A file that is missing is no misspelt scenario of the pack."""
    with pytest.raises(UserError, match=complaint):
        scenario_of(name)


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
