"""Annotations of GitHub Actions: lines that its runner reads as commands."""

import re

import pytest

from fanin.harness.history import History
from fanin.harness.oracle.oracle import judge
from fanin.harness.report import annotations
from fanin.harness.results import Judged
from fanin.harness.verdict import Finding, Rule, Validity, Verdict
from tests.harness.report.reported import HOSTILE, bad, good, moot, named, replay

IN_ACTIONS = {"GITHUB_ACTIONS": "true"}
# ``::command name=value,name=value::message``, as the runner parses it.
COMMAND = re.compile(r"::(\w+) title=([^:,]*)::(.*)", re.DOTALL)


def lines(*played: History, environment: dict[str, str] | None = None) -> list[str]:
    runs = [Judged(one, judge(one)) for one in played]
    return annotations.lines(
        runs, replay=replay, environment=IN_ACTIONS if environment is None else environment
    )


def unescaped(text: str) -> str:
    """What the runner makes of a message or property."""
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, character)
    return text


def test_a_broken_rule_is_an_error_with_its_replay() -> None:
    """Title, sentence, and the command that shows it again."""
    (line,) = lines(good(), bad())

    match = COMMAND.fullmatch(line)
    assert match
    kind, title, message = match.groups()
    assert (kind, title) == ("error", "bad (seed 0)")
    first = judge(bad()).findings[0]
    assert unescaped(message).splitlines() == [
        f"{first.rule}: {first.message}",
        "replay: fanin run bad --seed 0",
    ]


def test_a_run_that_proves_nothing_is_a_warning() -> None:
    """It is no finding; the exit code still fails the build."""
    (line,) = lines(moot())

    assert line.startswith("::warning title=moot (seed 0)::no delivery was ever acknowledged")


def test_a_run_as_its_scenario_states_is_not_mentioned() -> None:
    """Also one that is to prove nothing."""
    assert lines(good(), moot(stated="unknown")) == []


@pytest.mark.parametrize(
    "environment", [{}, {"GITHUB_ACTIONS": ""}, {"GITHUB_ACTIONS": "false"}, {"CI": "true"}]
)
def test_outside_such_a_ci_there_are_none(environment: dict[str, str]) -> None:
    """A person at a terminal has the report."""
    assert lines(bad(), environment=environment) == []


@pytest.mark.parametrize("text", [*HOSTILE, "::error::x", "a,b:c%d\r\ne", "%0A::stop-commands::x"])
def test_no_text_of_others_becomes_a_command(text: str) -> None:
    """One line, one command, and the text reads as it was but for what steers a terminal."""
    accused = Verdict(Validity.INVALID, (Finding(Rule.CONTENT, text),))
    runs = [Judged(named(good(), text, 0), accused)]

    (line,) = annotations.lines(runs, replay=lambda _: text, environment=IN_ACTIONS)

    match = COMMAND.fullmatch(line)
    assert match
    assert len(line.splitlines()) == 1
    if text.isprintable():
        assert unescaped(match[3]) == f"9-content: {text}\nreplay: {text}"
        assert unescaped(match[2]) == f"{text} (seed 0)"


def test_more_than_github_shows_are_summed_up() -> None:
    """The runner shows ten of a kind and drops the rest without a word."""
    printed = lines(*(bad(f"bad-{number}") for number in range(12)))

    assert len(printed) == 10
    assert printed[-1] == "::error title=fanin::3 more runs went wrong: bad-9, bad-10, bad-11"
