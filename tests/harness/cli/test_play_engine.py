"""Playing against an engine with a backend: its replays as text, and options that do not go together."""

import json
import sys
from typing import NoReturn

import pytest
from click.testing import CliRunner

from fanin.harness.cli.main import main
from fanin.harness.cli.play_engine import EngineUnavailableError, check_engine, read_replays, replay_lines
from fanin.harness.targets import realtime


def test_a_replay_says_what_the_history_satisfied_and_what_was_new() -> None:
    """One paragraph each, in the order in which they happened."""
    line = json.dumps(
        {
            "number": 2,
            "instance": "op-1",
            "past": ["ExecutionStarted WaitForAllRegions", "TimerCreated #1"],
            "new": ["EventRaised eastus"],
            "awaits": [
                {"await": "any of (all of (event eastus), timer)", "satisfied": "by a new event"},
                {"await": "any of (activity FirePushNotification)", "satisfied": "not yet"},
            ],
            "asked": [],
        }
    )

    assert "\n".join(replay_lines(read_replays([line]))) == (
        "replay 2 of op-1\n"
        "  in the history   ExecutionStarted WaitForAllRegions, TimerCreated #1\n"
        "  new              EventRaised eastus\n"
        "  awaits           any of (all of (event eastus), timer): by a new event\n"
        "                   any of (activity FirePushNotification): not yet\n"
        "  asked for        nothing more\n"
    )


def test_replays_of_one_instance_stand_together() -> None:
    """Workers write them down as they come."""
    lines = [
        json.dumps({"number": n, "instance": it, "past": [], "new": ["x"], "awaits": [], "asked": ["y"]})
        for n, it in ((1, "b"), (1, "a"), (2, "b"))
    ]

    found = read_replays(lines)

    assert [(it.instance, it.number) for it in found] == [("b", 1), ("b", 2), ("a", 1)]
    assert list(replay_lines(found))[1:4] == [
        "  in the history   nothing",
        "  new              x",
        "  asked for        y",
    ]


@pytest.mark.parametrize(
    ("engine", "show_replay", "message"),
    [
        ("restate", True, "--show-replay: only --engine durable-task replays anything"),
        ("sqlite", True, "--show-replay: only --engine durable-task replays anything"),
        ("cassandra", False, "--engine: 'cassandra' is none of sqlite, durable-task, restate"),
        (
            "restat",
            False,
            "--engine: 'restat' is none of sqlite, durable-task, restate; did you mean 'restate'?",
        ),
    ],
)
def test_what_cannot_be_played_is_refused_in_a_sentence(
    engine: str, message: str, *, show_replay: bool
) -> None:
    """Before anything is started."""
    with pytest.raises(EngineUnavailableError) as caught:
        check_engine(engine, show_replay=show_replay)

    assert str(caught.value) == message


def test_an_extra_that_is_not_installed_is_one_line_before_anything_is_played(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the command that installs it, and no traceback."""

    def not_installed(name: str) -> NoReturn:
        raise ModuleNotFoundError(f"No module named {name!r}", name="durabletask")

    monkeypatch.setattr("fanin.aggregator.engines.import_module", not_installed)
    monkeypatch.setattr(realtime, "play_command", lambda *_, **__: pytest.fail("it was played all the same"))

    result = CliRunner().invoke(main, ["run", "slow-region", "--engine", "durable-task", "--show-replay"])

    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("Error: --engine durable-task needs ")
    assert "pip install" in result.stderr


def test_a_program_that_is_not_installed_is_named_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The SDK is not enough where a server does the work."""
    monkeypatch.setattr(sys, "prefix", "/nowhere")
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(
        EngineUnavailableError, match=r"needs the program restate-server, .*make restate do=install"
    ):
        check_engine("restate", show_replay=False)
