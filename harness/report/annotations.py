"""Workflow commands for GitHub Actions and CI systems like it: findings beside the build, as lines to print.

    ::error title=slow-region (seed 0)::4-outcome: op1 was reported completed and timed_out

The format is GitHub's ("Workflow commands for GitHub Actions"): in a message ``%``, CR and LF are escaped, in
a property ``:`` and ``,`` as well. So text from a judged aggregator cannot start a command of its own.
"""

import os
from collections.abc import Callable, Mapping, Sequence

from fanin.harness.history import History
from fanin.harness.report.line import clean
from fanin.harness.results import Judged
from fanin.harness.verdict import Validity

# GitHub shows so many of each kind in one step, and drops the rest silently.
_SHOWN_MAX = 10


def lines(
    runs: Sequence[Judged], *, replay: Callable[[History], str], environment: Mapping[str, str] = os.environ
) -> list[str]:
    """One line for each run that did not get the verdict which its scenario states; none outside such a CI.

    Args:
        runs: In any order.
        replay: The command that shows a run again.
        environment: ``GITHUB_ACTIONS`` says ``true`` in GitHub Actions, and in what imitates it.
    """
    if environment.get("GITHUB_ACTIONS") != "true":
        return []
    wrong = [judged for judged in runs if not judged.as_stated]
    commands = [_line(judged, replay) for judged in wrong]
    if len(commands) <= _SHOWN_MAX:
        return commands
    rest = wrong[_SHOWN_MAX - 1 :]
    names = ", ".join(dict.fromkeys(judged.name for judged in rest))
    summary = _command("error", "fanin", f"{len(rest)} more runs went wrong: {names}")
    return [*commands[: _SHOWN_MAX - 1], summary]


def _line(judged: Judged, replay: Callable[[History], str]) -> str:
    # An unknown run is no finding against the aggregator.
    kind = "warning" if judged.verdict.validity is Validity.UNKNOWN else "error"
    title = f"{judged.name} (seed {judged.history.run.seed})"
    return _command(kind, title, f"{judged.summary}\nreplay: {replay(judged.history)}")


def _command(kind: str, title: str, text: str) -> str:
    return f"::{kind} title={_property(title)}::{_message(text)}"


def _message(text: str) -> str:
    cleaned = "\n".join(map(clean, text.split("\n")))
    return cleaned.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
