"""``fanin lesson``: the list, one chapter, and what it says when it is asked for something else."""

import pytest
from click.testing import CliRunner, Result

from fanin.harness.cli.main import main
from fanin.harness.lessons import course
from fanin.harness.lessons.course import LESSONS


def lesson(*words: str) -> Result:
    return CliRunner().invoke(main, ["lesson", *words])


def test_without_a_number_the_chapters_are_listed() -> None:
    """One line each, in order, with what each fails."""
    rows = lesson().stdout.splitlines()[: len(LESSONS)]

    assert [row.split()[0] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert rows[1].endswith("fails crash-after-ack")


def test_a_chapter_shows_what_it_fails_and_what_the_next_one_changes() -> None:
    """In this order: what it survives, the finding, why, the difference, the next command."""
    result = lesson("2")

    assert result.exit_code == 0
    parts = (
        "It survives",
        "VALID    duplicate-not-quorum",
        "INVALID  crash-after-ack",
        "Why",
        "+TABLES",
        "Next: ",
    )
    assert sorted(parts, key=result.stdout.index) == list(parts)


def test_quiet_prints_verdicts_only() -> None:
    """For a page, or a second look."""
    printed = lesson("2", "--quiet").stdout

    assert "INVALID  crash-after-ack" in printed
    assert "◆" not in printed
    assert "Next: " not in printed


def test_the_code_is_what_is_played() -> None:
    """The file, to the last line."""
    assert lesson("4", "--code").stdout == LESSONS[3].source


def test_a_chapter_that_does_not_do_what_the_course_says_exits_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chapter 2 under the number 1 survives what chapter 1 is said to fail."""
    better = course.Lesson(number=2, title="-", idea="-", fails=LESSONS[0].fails)
    monkeypatch.setattr(course, "LESSONS", (better, *LESSONS[1:]))

    assert lesson("1", "--quiet").exit_code == 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["0"], "there is no chapter 0; there are 1 to 6"),
        (["7"], "there is no chapter 7; there are 1 to 6"),
        (["two"], "'two' is not a valid integer"),
        (["--code"], "--code, --all and --quiet need the number of a chapter"),
        (["-q"], "--code, --all and --quiet need the number of a chapter"),
        (["1", "--code", "--all"], "--code plays nothing, so --all has no meaning with it"),
        (["1", "--code", "-q"], "--code plays nothing, so --quiet has no meaning with it"),
    ],
)
def test_other_numbers_are_refused(words: list[str], complaint: str) -> None:
    """In one sentence, with what there is."""
    result = lesson(*words)

    assert result.exit_code == 2
    assert complaint in result.stderr


def test_the_whole_pack_can_be_played_against_a_chapter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each scenario, also for those that it does not need to pass."""
    monkeypatch.setattr("fanin.harness.cli.lesson.pack", lambda: ["slow-region", "sink-down", "two-replicas"])

    result = lesson("1", "--all")

    assert result.exit_code == 1
    assert [row.split()[0] for row in result.stdout.splitlines()[4:7]] == ["VALID", "INVALID", "SKIPPED"]
    assert "2 runs, 1 with another verdict" in result.stdout
