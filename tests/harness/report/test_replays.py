"""Replays as text: what was in the history, what satisfied each await, what was asked for."""

import json

from fanin.harness.report.replays import explain, read


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

    assert "\n".join(explain(read([line]))) == (
        "replay 2 of op-1\n"
        "  in the history   ExecutionStarted WaitForAllRegions, TimerCreated #1\n"
        "  new              EventRaised eastus\n"
        "  awaits           any of (all of (event eastus), timer): by a new event\n"
        "                   any of (activity FirePushNotification): not yet\n"
        "  asked for        nothing more\n"
    )
