"""What goes beyond the contract is played against those who say that they have it, and skipped by name."""

import json

import pytest
from click.testing import CliRunner

from fanin.harness.cli.main import main
from fanin.harness.verify.config_file import ScenarioError, loads
from tests.paths import FOREIGN_APPS

APP = ("--app", "unmodified:create_app", "--app-dir", str(FOREIGN_APPS))


def fanin(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, words)
    return result.exit_code, result.stdout, result.stderr


def test_run_skips_by_name_and_says_how_to_play_it_all_the_same() -> None:
    """Nothing was judged, so the exit code is that of unknown."""
    code, out, _ = fanin("run", "zombie")

    assert code == 3
    assert out.startswith("SKIPPED  zombie")
    assert "it needs replicas, which is beyond the contract; --capability replicas plays it" in out


def test_run_plays_what_is_left() -> None:
    """A skipped scenario is neither right nor wrong."""
    code, out, _ = fanin("run", "zombie", "slow-region", "late-region")

    assert code == 0
    assert out.startswith("SKIPPED  zombie")
    assert "2 runs, each with the verdict that its scenario states" in out


def test_run_skips_in_json_too() -> None:
    """One object a line."""
    code, out, _ = fanin("run", "signed", "--format", "json")

    assert (code, json.loads(out)) == (3, {"scenario": "signed", "skipped": ["signatures"]})


def test_run_plays_what_is_declared_and_our_own_aggregator_does_not_have_it() -> None:
    """A second process on its data is refused, and that is told."""
    code, out, _ = fanin("run", "zombie", "--capability", "replicas", "--quiet")

    assert code == 1
    assert "replica 2 did not start" in out
    assert "is in use by another process" in out


def test_a_misspelt_capability_names_the_nearest() -> None:
    """And all that there are."""
    code, _, err = fanin("run", "zombie", "--capability", "replica")

    assert code == 2
    assert "'replica' is no capability here; there are replicas, stepping-clock, envelopes, signatures" in err
    assert "did you mean 'replicas'?" in err


def test_verify_plays_an_application_by_what_it_declares() -> None:
    """Without a word it is spared; with it, it is judged and found wanting."""
    _, silent, _ = fanin("verify", *APP, "envelopes")
    code, declared, _ = fanin("verify", *APP, "envelopes", "--capability", "envelopes")

    assert "needs envelopes" in silent
    assert code == 1
    assert "invalid  envelopes" in declared


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "command: x\ncapabilities: [stepping-clock]",
            "'stepping-clock' cannot be declared for a target given by command; there are replicas,",
        ),
        (
            "app: a:b\ncapabilities: [function-keys]",
            "'function-keys' cannot be declared for a target given by app; there are replicas,",
        ),
        (
            "url: 'https://h/{region}'\ncapabilities: [replicas]",
            "'replicas' cannot be declared for a target given by url; there are image-correlation,",
        ),
    ],
)
def test_what_a_kind_of_target_cannot_have_is_refused(text: str, message: str) -> None:
    """It would be skipped for ever, and nobody would know why."""
    with pytest.raises(ScenarioError) as caught:
        loads(text)

    assert message in str(caught.value)


def test_a_target_file_may_declare_them() -> None:
    """As the command line does."""
    assert loads("app: a:b\ncapabilities: [replicas, stepping-clock]").capabilities == (
        "replicas",
        "stepping-clock",
    )
