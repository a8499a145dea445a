"""Playing against an engine with a backend: its replays as text, and options that do not go together."""

import json

import pytest

from fanin.harness.cli.play_engine import read_replays, refuse, replay_lines


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
    ("engine", "options", "why"),
    [
        ("durable-task", {"show_replay": True}, None),
        ("restate", {"show_replay": False}, None),
        ("restate", {"show_replay": True}, "--show-replay: only durable-task replays anything"),
        ("sqlite", {"show_replay": False}, "--engine 'sqlite': in real time there are durable-task, restate"),
    ],
)
def test_what_cannot_be_played_is_refused_in_a_sentence(
    engine: str, options: dict[str, bool], why: str | None
) -> None:
    """Before anything is started."""
    assert refuse(engine, ("durable-task", "restate"), **options) == why
