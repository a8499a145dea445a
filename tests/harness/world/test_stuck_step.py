"""A step that does not come back is ended, named by its line, and proves nothing."""

import re

import pytest
from click.testing import CliRunner

from fanin.harness.cli.main import main
from fanin.harness.oracle.oracle import judge
from fanin.harness.verdict import Exit, Validity, Verdict
from fanin.harness.world.named_app import find_app
from fanin.harness.world.play import UnsimulatedError, play_foreign_app
from fanin.harness.world.stuck_step import StepWatch
from fanin.simulator.language.load import load
from fanin.simulator.pack import find
from tests.paths import FOREIGN_APPS


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits half a minute."""
    monkeypatch.setattr("fanin.harness.world.stuck_step.COMPUTES_S", 0.3)
    monkeypatch.setattr("fanin.harness.world.stuck_step.BLOCKS_S", 0.6)


def verdict_of(factory: str) -> Verdict:
    app = find_app(f"stuck:{factory}", FOREIGN_APPS)
    return judge(play_foreign_app(load(find("slow-region")), app, name=factory))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("factory", "where"),
    [
        ("that_computes", "compute"),
        ("that_computes_beside_a_thread", "push"),
        ("that_catches_everything", "compute"),
        ("that_reads_a_pipe", "read"),
    ],
)
def test_a_step_that_does_not_end_ends_the_run(factory: str, where: str) -> None:
    """With the file and the line, and without a verdict."""
    verdict = verdict_of(factory)

    assert verdict.validity is Validity.UNKNOWN
    assert verdict.doubts[0].startswith("the watch was cut short at +")
    assert re.search(rf" at stuck.py:\d+, in {where}$", verdict.doubts[0])


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("factory", "says"),
    [
        ("that_computes", "goes on without an end after one push: it "),
        ("that_computes_before_it_starts", "does not start: it "),
    ],
)
def test_the_first_push_says_where(factory: str, says: str) -> None:
    """One error, before the pack."""
    result = CliRunner().invoke(main, ["verify", "--app", f"stuck:{factory}", "--app-dir", str(FOREIGN_APPS)])

    assert result.exit_code == Exit.USAGE
    assert f"Error: stuck:{factory} {says}" in result.stderr
    assert " at stuck.py:" in result.stderr


def test_what_is_tried_again_and_again_is_refused_at_once() -> None:
    """It needs no time to be named, though the application catches the error."""
    with pytest.raises(UnsimulatedError, match=r"real name resolution .* at stuck.py:\d+, in ask"):
        verdict_of("that_asks_again_and_again")


def test_to_sleep_takes_virtual_time() -> None:
    """Its senders give up meanwhile, which is a finding."""
    verdict = verdict_of("that_sleeps")

    assert verdict.validity is Validity.INVALID
    assert {finding.rule for finding in verdict.findings} == {"5-acknowledgement"}


def test_steps_that_end_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, and however long they take together."""
    monkeypatch.setattr("fanin.harness.world.stuck_step.COMPUTES_S", 0.0)
    steps = iter(range(1_000))
    watch = StepWatch(lambda: next(steps))

    assert watch(None) is not None  # its own step, with no patience at all

    monkeypatch.setattr("fanin.harness.world.stuck_step.COMPUTES_S", 30.0)
    assert [watch(None) for _ in range(300)] == [None] * 300
